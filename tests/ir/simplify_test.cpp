// simplify_test.cpp -- every rule, what no rule may touch, and the same bits for random kernels.
#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>

#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// A kernel under construction over x, y (of `type`), c, e (bool) and b (bf16), n (i8), with one
/// output; the test says what is stored.
struct Sketch {
  explicit Sketch(DType of = f32, MathMode math = MathMode::accurate, DType out = f32)
      : builder("k", math,
                {{"x", ParamKind::in, of},
                 {"y", ParamKind::in, of},
                 {"c", ParamKind::in, boolean},
                 {"e", ParamKind::in, boolean},
                 {"b", ParamKind::in, bf16},
                 {"n", ParamKind::in, i8},
                 {"out", ParamKind::out, out}}),
        type(of), x(builder.load(0)), y(builder.load(1)), c(builder.load(2)), e(builder.load(3)),
        b(builder.load(4)), n(builder.load(5)) {}

  NodeId make(Op op, std::initializer_list<NodeId> args) { return builder.make(op, args); }
  NodeId number(double value) {
    return is_float(type) ? builder.real(type, value)
                          : builder.integer(type, static_cast<std::int64_t>(value));
  }
  NodeId truth(bool value) { return builder.integer(boolean, value); }

  /// What `value` is simplified to, as text: the right side of the only statement.
  std::string simplified(NodeId value) {
    KernelBuilder copy = builder;
    copy.store(6, value);
    const std::string text = canonical(simplify(std::move(copy).build()));
    const std::size_t begin = text.find("{ out = ");
    return begin == std::string::npos ? text : text.substr(begin + 8, text.size() - begin - 11);
  }

  KernelBuilder builder;
  DType type;
  NodeId x, y, c, e, b, n;
};

std::string floats(const std::function<NodeId(Sketch&)>& expression,
                   MathMode math = MathMode::accurate, DType out = f32) {
  Sketch sketch(f32, math, out);
  return sketch.simplified(expression(sketch));
}
std::string integers(const std::function<NodeId(Sketch&)>& expression) {
  Sketch sketch(i32, MathMode::accurate, i32);
  return sketch.simplified(expression(sketch));
}
std::string logic(const std::function<NodeId(Sketch&)>& expression, DType type = f32) {
  Sketch sketch(type, MathMode::accurate, boolean);
  return sketch.simplified(expression(sketch));
}

} // namespace

TEST_CASE("units of float arithmetic go, with the right zero only") {
  CHECK(floats([](Sketch& s) { return s.make(Op::mul, {s.x, s.number(1)}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::mul, {s.number(1), s.x}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::div, {s.x, s.number(1)}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::add, {s.x, s.number(-0.0)}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::add, {s.number(-0.0), s.x}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::sub, {s.x, s.number(0.0)}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::sub, {s.number(-0.0), s.x}); }) == "-x");
  // x = -0 tells these apart.
  CHECK(floats([](Sketch& s) { return s.make(Op::add, {s.x, s.number(0.0)}); }) == "x + 0");
  CHECK(floats([](Sketch& s) { return s.make(Op::sub, {s.x, s.number(-0.0)}); }) == "x - -0.0");
  CHECK(floats([](Sketch& s) { return s.make(Op::sub, {s.number(0.0), s.x}); }) == "0 - x");
}

TEST_CASE("what NaN and infinity would break stays") {
  CHECK(floats([](Sketch& s) { return s.make(Op::sub, {s.x, s.x}); }) == "x - x");
  CHECK(floats([](Sketch& s) { return s.make(Op::mul, {s.x, s.number(0)}); }) == "x * 0");
  CHECK(floats([](Sketch& s) { return s.make(Op::div, {s.x, s.x}); }) == "x / x");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::div, {s.x, s.make(Op::sqrt, {s.y})});
        }) == "x / sqrt(y)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::min, {s.x, s.number(-kInfinity)});
        }) == "min(x, -inf)");
  CHECK(floats([](Sketch& s) {
          return s.make(
              Op::div, {s.number(1),
                        s.make(Op::add, {s.number(1), s.make(Op::exp, {s.make(Op::neg, {s.x})})})});
        }) == "rcp(1 + exp(-x))");
  CHECK(logic([](Sketch& s) { return s.make(Op::le, {s.x, s.x}); }) == "x <= x");
  CHECK(logic([](Sketch& s) {
          return s.make(Op::logical_not, {s.make(Op::lt, {s.x, s.y})});
        }) == "!(x < y)");
}

TEST_CASE("signs move to where they cost nothing") {
  const auto neg = [](Sketch& s, NodeId id) { return s.make(Op::neg, {id}); };
  CHECK(floats([&](Sketch& s) { return neg(s, neg(s, s.x)); }) == "x");
  CHECK(floats([&](Sketch& s) { return s.make(Op::mul, {s.x, s.number(-1)}); }) == "-x");
  CHECK(floats([&](Sketch& s) { return s.make(Op::mul, {s.number(-1), s.x}); }) == "-x");
  CHECK(floats([&](Sketch& s) { return s.make(Op::div, {s.x, s.number(-1)}); }) == "-x");
  CHECK(floats([&](Sketch& s) { return s.make(Op::sub, {s.x, neg(s, s.y)}); }) == "x + y");
  CHECK(floats([&](Sketch& s) { return s.make(Op::add, {s.x, neg(s, s.y)}); }) == "x - y");
  CHECK(floats([&](Sketch& s) { return s.make(Op::add, {neg(s, s.x), s.y}); }) == "y - x");
  CHECK(floats([&](Sketch& s) { return s.make(Op::mul, {neg(s, s.x), neg(s, s.y)}); }) == "x * y");
  CHECK(floats([&](Sketch& s) { return s.make(Op::div, {neg(s, s.x), neg(s, s.y)}); }) == "x / y");
  CHECK(floats([&](Sketch& s) { return s.make(Op::abs, {neg(s, s.x)}); }) == "abs(x)");
  CHECK(floats([&](Sketch& s) { return neg(s, s.make(Op::sub, {s.x, s.y})); }) == "-(x - y)");
}

TEST_CASE("division by a power of two is a product where both are exact") {
  const auto divided = [](double by, MathMode math = MathMode::accurate) {
    return floats([by](Sketch& s) { return s.make(Op::div, {s.x, s.number(by)}); }, math);
  };
  CHECK(divided(2) == "x * 0.5");
  CHECK(divided(-0.25) == "x * -4");
  CHECK(divided(0x1p-126) == "x * 8.507059e+37");
  CHECK(divided(0x1p126) == "x * 1.1754944e-38");
  CHECK(divided(0x1p127) == "x / 1.7014118e+38"); // 2^-127 is subnormal
  CHECK(divided(3) == "x / 3");
  CHECK(divided(kInfinity) == "x / inf");
  CHECK(divided(0) == "x / 0");
  CHECK(divided(2, MathMode::triton) == "x / 2");
  CHECK(divided(1, MathMode::triton) == "x / 1");
}

TEST_CASE("1 / x is rcp(x), but not where Triton's division is asked for") {
  const auto inverse = [](Sketch& s) { return s.make(Op::div, {s.number(1), s.x}); };
  CHECK(floats(inverse) == "rcp(x)");
  CHECK(floats(inverse, MathMode::triton) == "1 / x");
}

TEST_CASE("extremes of equal values and without bounds go") {
  CHECK(floats([](Sketch& s) { return s.make(Op::min, {s.x, s.x}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::max, {s.x, s.x}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::min, {s.x, s.number(kInfinity)}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::max, {s.number(-kInfinity), s.x}); }) == "x");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::clamp, {s.x, s.number(-kInfinity), s.number(7)});
        }) == "min(x, 7)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::clamp, {s.x, s.number(-7), s.number(kInfinity)});
        }) == "max(x, -7)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::clamp, {s.x, s.number(-kInfinity), s.number(kInfinity)});
        }) == "x");
}

TEST_CASE("a function that changes nothing the second time is called once") {
  for (Op op : {Op::abs, Op::relu, Op::floor, Op::ceil, Op::round, Op::trunc})
    CHECK(floats([op](Sketch& s) { return s.make(op, {s.make(op, {s.x})}); }) ==
          std::string(info(op).spelling) + "(x)");
}

TEST_CASE("integer identities, wrapping included") {
  CHECK(integers([](Sketch& s) { return s.make(Op::add, {s.x, s.number(0)}); }) == "x");
  CHECK(integers([](Sketch& s) { return s.make(Op::sub, {s.x, s.number(0)}); }) == "x");
  CHECK(integers([](Sketch& s) { return s.make(Op::mul, {s.x, s.number(1)}); }) == "x");
  CHECK(integers([](Sketch& s) { return s.make(Op::mul, {s.x, s.number(0)}); }) == "i32(0)");
  CHECK(integers([](Sketch& s) { return s.make(Op::mul, {s.number(0), s.x}); }) == "i32(0)");
  CHECK(integers([](Sketch& s) { return s.make(Op::sub, {s.x, s.x}); }) == "i32(0)");
  CHECK(integers([](Sketch& s) { return s.make(Op::sub, {s.number(0), s.x}); }) == "-x");
  CHECK(integers([](Sketch& s) { return s.make(Op::mul, {s.x, s.number(-1)}); }) == "-x");
  CHECK(integers([](Sketch& s) { return s.make(Op::div, {s.x, s.number(1)}); }) == "x");
  CHECK(integers([](Sketch& s) { return s.make(Op::div, {s.x, s.number(-1)}); }) == "-x");
  CHECK(integers([](Sketch& s) { return s.make(Op::div, {s.x, s.number(0)}); }) == "i32(0)");
  CHECK(integers([](Sketch& s) { return s.make(Op::div, {s.number(0), s.x}); }) == "i32(0)");
  CHECK(integers([](Sketch& s) { return s.make(Op::div, {s.x, s.x}); }) == "x / x"); // 0 / 0 = 0
}

TEST_CASE("logic with constants, doubled and opposite") {
  const auto no = [](Sketch& s, NodeId id) { return s.make(Op::logical_not, {id}); };
  CHECK(logic([&](Sketch& s) { return no(s, no(s, s.c)); }) == "c");
  CHECK(logic([&](Sketch& s) { return s.make(Op::logical_and, {s.c, s.truth(true)}); }) == "c");
  CHECK(logic([&](Sketch& s) {
          return s.make(Op::logical_and, {s.truth(false), s.c});
        }) == "bool(false)");
  CHECK(logic([&](Sketch& s) { return s.make(Op::logical_or, {s.c, s.truth(false)}); }) == "c");
  CHECK(logic([&](Sketch& s) {
          return s.make(Op::logical_or, {s.truth(true), s.c});
        }) == "bool(true)");
  CHECK(logic([&](Sketch& s) { return s.make(Op::logical_and, {s.c, s.c}); }) == "c");
  CHECK(logic([&](Sketch& s) { return s.make(Op::eq, {s.c, s.truth(true)}); }) == "c");
  CHECK(logic([&](Sketch& s) { return s.make(Op::ne, {s.c, s.truth(true)}); }) == "!c");
  CHECK(logic([&](Sketch& s) { return s.make(Op::eq, {s.truth(false), s.c}); }) == "!c");
  CHECK(logic([&](Sketch& s) { return s.make(Op::eq, {s.c, s.c}); }) == "bool(true)");
  CHECK(logic([&](Sketch& s) { return no(s, s.make(Op::eq, {s.x, s.y})); }) == "x != y");
  CHECK(logic([&](Sketch& s) { return no(s, s.make(Op::lt, {s.x, s.y})); }, i32) == "x >= y");
  CHECK(logic([&](Sketch& s) { return no(s, s.make(Op::ge, {s.x, s.y})); }, i64) == "x < y");
}

TEST_CASE("a float compared with itself asks for NaN") {
  CHECK(logic([](Sketch& s) { return s.make(Op::ne, {s.x, s.x}); }) == "isnan(x)");
  CHECK(logic([](Sketch& s) { return s.make(Op::eq, {s.x, s.x}); }) == "!isnan(x)");
  CHECK(logic([](Sketch& s) { return s.make(Op::lt, {s.x, s.x}); }) == "bool(false)");
  CHECK(logic([](Sketch& s) { return s.make(Op::le, {s.x, s.x}); }, i32) == "bool(true)");
}

TEST_CASE("a value of one a group may turn out to be one a row, or one for all") {
  const Kernel kernel = parse_kernel(
      {"kernel k(r: in f32 [row], g: in i32 [group 4], x: in f32, y: out f32 [group 4], "
       "n: out i32 [group 4], z: out f32) { y = 1 < 2 ? r : f32(g); n = g - g; z = x; }"},
      "", {});
  const Kernel simple = simplify(kernel);
  CHECK(name_of(simple.node(simple.stores()[0].node).space) == "row");
  CHECK(name_of(simple.node(simple.stores()[1].node).space) == "tensor");
}

TEST_CASE("a choice that is none goes") {
  CHECK(floats([](Sketch& s) { return s.make(Op::select, {s.c, s.x, s.x}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::select, {s.truth(true), s.x, s.y}); }) == "x");
  CHECK(floats([](Sketch& s) { return s.make(Op::select, {s.truth(false), s.x, s.y}); }) == "y");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::select, {s.make(Op::logical_not, {s.c}), s.x, s.y});
        }) == "c ? y : x");
  CHECK(logic([](Sketch& s) {
          return s.make(Op::select, {s.c, s.truth(true), s.truth(false)});
        }) == "c");
  CHECK(logic([](Sketch& s) {
          return s.make(Op::select, {s.c, s.truth(false), s.truth(true)});
        }) == "!c");
}

TEST_CASE("a cast to a type that holds the value already goes") {
  const auto cast = [](Sketch& s, DType type, NodeId id) { return s.builder.cast(type, id); };
  CHECK(floats([&](Sketch& s) { return cast(s, bf16, s.b); }) == "b");
  CHECK(floats([&](Sketch& s) { return cast(s, f32, s.x); }) == "x");
  CHECK(floats([&](Sketch& s) { return cast(s, f16, s.b); }) == "f16(b)");
  CHECK(floats([&](Sketch& s) { return cast(s, bf16, cast(s, bf16, s.x)); }) == "bf16(x)");
  CHECK(floats([&](Sketch& s) { return cast(s, bf16, cast(s, f16, s.x)); }) == "bf16(f16(x))");
  CHECK(floats([&](Sketch& s) { return cast(s, f32, cast(s, f64, s.x)); }) == "x");
  CHECK(floats([&](Sketch& s) { return cast(s, bf16, cast(s, f64, s.b)); }) == "b");
  CHECK(floats([&](Sketch& s) { return cast(s, f16, cast(s, f64, s.x)); }) == "f16(x)");
  CHECK(floats([&](Sketch& s) {
          const NodeId kept = s.make(Op::min, {s.make(Op::neg, {s.b}), s.number(0.5)});
          return cast(s, bf16, s.make(Op::select, {s.c, s.make(Op::relu, {kept}), s.b}));
        }) == "c ? relu(min(-b, 0.5)) : b");
  CHECK(floats([&](Sketch& s) {
          return cast(s, bf16, s.make(Op::min, {s.b, s.number(0.1)}));
        }) == "bf16(min(b, 0.1))");
  CHECK(integers([&](Sketch& s) { return cast(s, i8, s.n); }) == "n");
  CHECK(integers([&](Sketch& s) { return cast(s, u8, s.n); }) == "u8(n)");
  CHECK(integers([&](Sketch& s) { return cast(s, i8, s.make(Op::neg, {s.n})); }) == "i8(-n)");
  CHECK(integers([&](Sketch& s) { return cast(s, i32, cast(s, i64, s.x)); }) == "x");
  CHECK(integers([&](Sketch& s) { return cast(s, i8, cast(s, i16, s.x)); }) == "i8(x)");
  CHECK(integers([&](Sketch& s) { return cast(s, i16, cast(s, i8, s.x)); }) == "i8(x)");
  CHECK(floats([&](Sketch& s) { return cast(s, f32, cast(s, i32, s.c)); }) == "f32(c)");
  CHECK(logic([&](Sketch& s) { return cast(s, boolean, cast(s, i32, s.c)); }) == "c");
  // Saturation is not wrapping: 300 as i16 becomes 44 as i8, but as a float 127.
  CHECK(integers([&](Sketch& s) { return cast(s, i8, cast(s, f32, cast(s, i16, s.x))); }) ==
        "i8(f32(i16(x)))");
}

TEST_CASE("a cast just before a store of the same type goes") {
  const auto stored = [](DType out, DType to) {
    return floats(
        [to](Sketch& s) {
          return s.builder.cast(to, s.make(Op::mul, {s.x, s.y}));
        },
        MathMode::accurate, out);
  };
  CHECK(stored(bf16, bf16) == "x * y");
  CHECK(stored(f16, f16) == "x * y");
  CHECK(stored(bf16, f16) == "f16(x * y)");
  CHECK(stored(f32, f16) == "f16(x * y)");
  // From another compute type the cast is the conversion.
  Sketch sketch(f64, MathMode::accurate, f16);
  CHECK(sketch.simplified(sketch.builder.cast(f16, sketch.x)) == "f16(x)");
}

TEST_CASE("constants fold in the compute type, rounded there at each step") {
  // 16777217 is not an f32: (2^24 + 1) - 2^24 is 0, not 1.
  CHECK(floats([](Sketch& s) {
          const NodeId large = s.number(16777216);
          return s.make(Op::sub, {s.make(Op::add, {large, s.number(1)}), large});
        }) == "f32(0)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::div, {s.number(1), s.number(3)});
        }) == "f32(0.33333334)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::mul, {s.number(3e38), s.number(10)});
        }) == "f32(inf)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::div, {s.number(0), s.number(0)});
        }) == "f32(nan)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::mul, {s.number(0x1p-100), s.number(0x1p-49)});
        }) == "f32(1e-45)");
  CHECK(floats([](Sketch& s) {
          // One rounding: the product is a tie that the addend, far below f64's last bit, decides.
          return s.make(Op::fma, {s.number(1 + 0x1p-12), s.number(1 + 0x1p-12), s.number(0x1p-90)});
        }) == "f32(1.0004884)");
  CHECK(floats([](Sketch& s) { return s.make(Op::exp, {s.number(1)}); }) == "f32(2.7182817)");
  CHECK(floats([](Sketch& s) {
          return s.make(Op::min, {s.number(0), s.number(-0.0)});
        }) == "f32(-0.0)");
  CHECK(floats([](Sketch& s) { return s.builder.cast(bf16, s.number(0.1)); }) ==
        "f32(0.100097656)");
  CHECK(logic([](Sketch& s) {
          return s.make(Op::ne, {s.number(kNan), s.number(kNan)});
        }) == "bool(true)");
  CHECK(integers([](Sketch& s) {
          return s.make(Op::mul, {s.number(65536), s.number(32768)});
        }) == "i32(-2147483648)");
  CHECK(integers([](Sketch& s) { return s.builder.cast(i8, s.builder.real(f32, 300)); }) ==
        "i32(127)");
  CHECK(integers([](Sketch& s) { return s.builder.cast(i8, s.number(300)); }) == "i32(44)");
}

TEST_CASE("fma folds with one rounding") {
  // The square is 1 + 2^-11 + 2^-24, half an ulp above a float; 2^-90 decides, though f64 loses it.
  const Kernel kernel = [] {
    Sketch s;
    s.builder.store(
        6, s.make(Op::fma, {s.number(1 + 0x1p-12), s.number(1 + 0x1p-12), s.number(0x1p-90)}));
    return simplify(std::move(s.builder).build());
  }();
  CHECK(kernel.node(kernel.stores()[0].node).real() == 1 + 0x1p-11 + 0x1p-23);
}

TEST_CASE("Triton's approximations are not folded away in its mode") {
  const auto in_triton = [](Op op, std::initializer_list<double> values) {
    Sketch s(f32, MathMode::triton);
    std::vector<NodeId> args;
    for (double value : values)
      args.push_back(s.number(value));
    return s.simplified(s.builder.make(op, args));
  };
  CHECK(in_triton(Op::exp, {1}) == "exp(f32(1))");
  CHECK(in_triton(Op::div, {1, 3}) == "f32(1) / f32(3)");
  CHECK(in_triton(Op::sqrt, {2}) == "sqrt(f32(2))");
  CHECK(in_triton(Op::add, {1, 2}) == "f32(3)");
}

TEST_CASE("in torch mode functions of constants stay, and exact operations are folded") {
  const auto in_torch = [](Op op, std::initializer_list<double> values) {
    Sketch s(f32, MathMode::torch);
    std::vector<NodeId> args;
    for (double value : values)
      args.push_back(s.number(value));
    return s.simplified(s.builder.make(op, args));
  };
  CHECK(in_torch(Op::exp, {1}) == "exp(f32(1))");
  CHECK(in_torch(Op::rsqrt, {2}) == "rsqrt(f32(2))");
  CHECK(in_torch(Op::div, {1, 4}) == "f32(0.25)");
  CHECK(in_torch(Op::sqrt, {4}) == "f32(2)");
}

TEST_CASE("folding does not depend on the caller's floating-point state") {
  Sketch s;
  s.builder.store(6, s.make(Op::div, {s.number(1), s.number(3)}));
  const Kernel kernel = std::move(s.builder).build();
  const Kernel expected = simplify(kernel);
  std::fesetround(FE_DOWNWARD); // the nearest f32 is above a third
  const Kernel downward = simplify(kernel);
  const int mode = std::fegetround();
  std::fesetround(FE_TONEAREST);
  CHECK(downward == expected);
  CHECK(mode == FE_DOWNWARD);
}

TEST_CASE("simplified kernels are valid, simple, and compute the same bits") {
  std::size_t changed = 0;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    INFO("seed " << seed);
    test::RandomKernelOptions options;
    options.nodes = 5 + seed % 60;
    options.inouts = seed % 2;
    if (seed % 4 == 1)
      options.dtypes = {f32, bf16, boolean};
    if (seed % 4 == 2)
      options.dtypes = {i8, u8, i16, i32, i64, boolean};
    const Kernel kernel = test::random_kernel(seed, options);
    const Kernel simple = simplify(kernel);
    REQUIRE_NOTHROW(verify(simple));
    REQUIRE(simplify(simple) == simple);
    changed += simple != kernel;

    test::Random random(seed);
    std::size_t wrong = 0;
    for (int i = 0; i < 40; ++i) {
      std::vector<std::uint64_t> arguments;
      for (const Param& param : kernel.params())
        arguments.push_back(random.element(param.dtype));
      wrong += test::run_machine(kernel, arguments) != test::run_machine(simple, arguments);
    }
    REQUIRE(wrong == 0);
  }
  CHECK(changed > 500);
}

TEST_CASE("a chain of fifty thousand operations is simplified without recursion") {
  KernelBuilder builder("k", MathMode::accurate,
                        {{"x", ParamKind::in, f32}, {"y", ParamKind::out, f32}});
  NodeId value = builder.load(0);
  for (int i = 0; i < 25'000; ++i)
    value = builder.make(Op::mul, {builder.make(Op::add, {value, builder.real(f32, i + 1)}),
                                   builder.real(f32, i % 2 ? 1 : 3)});
  builder.store(1, value);
  const Kernel simple = simplify(std::move(builder).build());
  CHECK_NOTHROW(verify(simple));
  CHECK(simple.nodes().size() < 65'000);
}

} // namespace swage::ir
