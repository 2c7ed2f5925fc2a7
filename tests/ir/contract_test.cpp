// contract_test.cpp -- which products become part of an fma.
#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

/// Four inputs a, b, c, d and two outputs y, z; z is stored `a` unless the test says otherwise.
struct Sketch {
  explicit Sketch(DType type = f32, MathMode math = MathMode::accurate)
      : builder("k", math,
                {{"a", ParamKind::in, type},
                 {"b", ParamKind::in, type},
                 {"c", ParamKind::in, type},
                 {"d", ParamKind::in, type},
                 {"y", ParamKind::out, type},
                 {"z", ParamKind::out, type}}),
        a(builder.load(0)), b(builder.load(1)), c(builder.load(2)), d(builder.load(3)) {}

  NodeId make(Op op, std::initializer_list<NodeId> args) { return builder.make(op, args); }
  NodeId mul(NodeId p, NodeId q) { return make(Op::mul, {p, q}); }
  NodeId add(NodeId p, NodeId q) { return make(Op::add, {p, q}); }
  NodeId sub(NodeId p, NodeId q) { return make(Op::sub, {p, q}); }

  /// The body of the contracted kernel.
  std::string contracted(NodeId y) { return contracted(y, a); }
  std::string contracted(NodeId y, NodeId z) {
    builder.store(4, y);
    builder.store(5, z);
    const std::string text = canonical(contract(std::move(builder).build()));
    const std::size_t begin = text.find("{ ") + 2;
    return text.substr(begin, text.size() - begin - 2);
  }

  KernelBuilder builder;
  NodeId a, b, c, d;
};

} // namespace

TEST_CASE("a product with one use joins the sum or difference that uses it") {
  for (MathMode mode : {MathMode::accurate, MathMode::triton, MathMode::fast}) {
    Sketch s(f32, mode), t(f32, mode), u(f32, mode), v(f32, mode);
    CHECK(s.contracted(s.add(s.mul(s.a, s.b), s.c)) == "y = fma(a, b, c); z = a;");
    CHECK(t.contracted(t.add(t.c, t.mul(t.a, t.b))) == "y = fma(a, b, c); z = a;");
    CHECK(u.contracted(u.sub(u.mul(u.a, u.b), u.c)) == "y = fma(a, b, -c); z = a;");
    CHECK(v.contracted(v.sub(v.c, v.mul(v.a, v.b))) == "y = fma(-a, b, c); z = a;");
  }
  Sketch wide(f64);
  CHECK(wide.contracted(wide.add(wide.mul(wide.a, wide.b), wide.c)) == "y = fma(a, b, c); z = a;");
}

TEST_CASE("of two products the left one is fused") {
  Sketch s;
  CHECK(s.contracted(s.add(s.mul(s.a, s.b), s.mul(s.c, s.d))) == "y = fma(a, b, c * d); z = a;");
  Sketch t;
  CHECK(t.contracted(t.sub(t.mul(t.a, t.b), t.mul(t.c, t.d))) == "y = fma(a, b, -(c * d)); z = a;");
}

TEST_CASE("a product that something else needs too stays") {
  Sketch s;
  const NodeId shared = s.mul(s.a, s.b);
  CHECK(s.contracted(s.add(shared, s.c), shared) == "let t0 = a * b; y = t0 + c; z = t0;");
  Sketch t;
  const NodeId twice = t.mul(t.a, t.b);
  CHECK(t.contracted(t.add(twice, twice)) == "let t0 = a * b; y = t0 + t0; z = a;");
  Sketch u; // where the left product is shared, the right one is fused
  const NodeId left = u.mul(u.a, u.b);
  CHECK(u.contracted(u.add(left, u.mul(u.c, u.d)), left) ==
        "let t0 = a * b; y = fma(c, d, t0); z = t0;");
}

TEST_CASE("a negated product is fused with what is taken from it") {
  Sketch s;
  CHECK(s.contracted(s.sub(s.make(Op::neg, {s.mul(s.a, s.b)}), s.c)) ==
        "y = fma(-a, b, -c); z = a;");
}

// What llc 22 makes of the same functions for sm_90 with -fp-contract=fast.
TEST_CASE("in triton mode products are fused as LLVM fuses them for Triton") {
  const auto mode = MathMode::triton;
  Sketch two_uses(f32, mode);
  const NodeId kept = two_uses.mul(two_uses.a, two_uses.b);
  CHECK(two_uses.contracted(two_uses.add(kept, two_uses.c), kept) ==
        "y = fma(a, b, c); z = a * b;");
  Sketch self(f32, mode);
  const NodeId twice = self.mul(self.a, self.b);
  CHECK(self.contracted(self.add(twice, twice)) == "y = fma(a, b, a * b); z = a;");

  // The later sum is fused first, after which the shared product has one use left.
  Sketch first(f32, mode);
  const NodeId m = first.mul(first.a, first.b), n = first.mul(first.c, first.d);
  CHECK(first.contracted(first.add(m, n), first.add(m, first.d)) ==
        "y = fma(a, b, c * d); z = fma(a, b, d);");
  Sketch second(f32, mode);
  const NodeId p = second.mul(second.a, second.b), q = second.mul(second.c, second.d);
  CHECK(second.contracted(second.add(p, second.d), second.add(p, q)) ==
        "y = fma(a, b, d); z = fma(c, d, a * b);");

  Sketch other(f32, mode);
  const NodeId u = other.mul(other.a, other.b), v = other.mul(other.c, other.d);
  CHECK(other.contracted(other.mul(u, other.c), other.sub(u, v)) ==
        "let t0 = a * b; y = t0 * c; z = fma(-c, d, t0);");
  Sketch deep(f32, mode);
  const NodeId base = deep.mul(deep.a, deep.b);
  CHECK(deep.contracted(deep.add(base, deep.mul(deep.add(base, deep.c), base))) ==
        "let t0 = a * b; y = fma(fma(a, b, c), t0, t0); z = a;");
}

TEST_CASE("in torch mode nothing is fused, as PyTorch's operators are kernels of their own") {
  Sketch s(f32, MathMode::torch);
  CHECK(s.contracted(s.add(s.mul(s.a, s.b), s.c)) == "y = a * b + c; z = a;");
}

TEST_CASE("a rounding point keeps product and sum apart") {
  Sketch s;
  CHECK(s.contracted(s.add(s.builder.cast(bf16, s.mul(s.a, s.b)), s.c)) ==
        "y = bf16(a * b) + c; z = a;");
}

TEST_CASE("integers are not contracted") {
  Sketch s(i32);
  CHECK(s.contracted(s.add(s.mul(s.a, s.b), s.c)) == "y = a * b + c; z = a;");
}

TEST_CASE("negations made by contraction are simple") {
  Sketch s;
  CHECK(s.contracted(s.sub(s.c, s.mul(s.make(Op::neg, {s.a}), s.b))) == "y = fma(a, b, c); z = a;");
  Sketch t;
  CHECK(t.contracted(t.sub(t.mul(t.a, t.b), t.builder.real(f32, 1.5))) ==
        "y = fma(a, b, -1.5); z = a;");
}

TEST_CASE("the factor of SwiGLU's backward becomes one fma") {
  // 1 + gate * (1 - s)
  Sketch s;
  const NodeId one = s.builder.real(f32, 1);
  CHECK(s.contracted(s.add(one, s.mul(s.a, s.sub(one, s.b)))) == "y = fma(a, 1 - b, 1); z = a;");
}

TEST_CASE("a product whose users become one is fused in the same call") {
  Sketch s;
  const NodeId product = s.mul(s.d, s.a);
  const NodeId sum = s.add(s.mul(s.a, s.b), s.c), same = s.make(Op::fma, {s.a, s.b, s.c});
  CHECK(s.contracted(s.add(product, sum), s.add(product, same)) ==
        "let t0 = fma(d, a, fma(a, b, c)); y = t0; z = t0;");
}

TEST_CASE("contraction is idempotent, keeps kernels valid and simple kernels simple") {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    INFO("seed " << seed);
    test::RandomKernelOptions options;
    options.nodes = 10 + seed % 80;
    options.dtypes = {f32, f64, bf16, i32};
    options.math = static_cast<MathMode>(seed / 2 % 3);
    if (seed % 2)
      options.ops = {Op::add, Op::sub, Op::mul, Op::neg, Op::fma, Op::cast};
    const Kernel kernel = simplify(test::random_kernel(seed, options));
    const Kernel contracted = contract(kernel);
    REQUIRE_NOTHROW(verify(contracted));
    REQUIRE(contract(contracted) == contracted);
    REQUIRE(simplify(contracted) == contracted);
  }
}

} // namespace swage::ir
