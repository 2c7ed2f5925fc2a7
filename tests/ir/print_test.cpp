// print_test.cpp -- the text of kernels: what it looks like, and that it parses back.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <sstream>

#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/catalogue.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

/// x, y: f32; n: i32; m: i64; c, e: bool; out: the type of what is stored.
struct Sketch {
  explicit Sketch(DType out = f32)
      : builder("k", MathMode::accurate,
                {{"x", ParamKind::in, f32},
                 {"y", ParamKind::in, f32},
                 {"n", ParamKind::in, i32},
                 {"m", ParamKind::in, i64},
                 {"c", ParamKind::in, boolean},
                 {"e", ParamKind::in, boolean},
                 {"r", ParamKind::out, out}}),
        x(builder.load(0)), y(builder.load(1)), n(builder.load(2)), m(builder.load(3)),
        c(builder.load(4)), e(builder.load(5)) {}

  NodeId make(Op op, std::initializer_list<NodeId> args) { return builder.make(op, args); }
  NodeId real(double value, DType type = f32) { return builder.real(type, value); }

  /// The right side of the store, after checking that the whole parses back.
  std::string printed(NodeId value) {
    KernelBuilder copy = builder;
    copy.store(6, value);
    const Kernel kernel = std::move(copy).build();
    const std::string text = canonical(kernel);
    CHECK(parse_kernel({text}, "", {}) == kernel);
    const std::size_t begin = text.find("{ r = ");
    return begin == std::string::npos ? text : text.substr(begin + 6, text.size() - begin - 9);
  }

  KernelBuilder builder;
  NodeId x, y, n, m, c, e;
};

void check_round_trip(const Kernel& kernel) {
  const std::string text = print(kernel), line = canonical(kernel);
  INFO(text);
  REQUIRE(parse_kernel({text}, "", {}) == kernel);
  REQUIRE(parse_kernel({line}, "", {}) == kernel);
  REQUIRE(line.find('\n') == std::string::npos);
  std::istringstream lines(text);
  for (std::string one; std::getline(lines, one);) {
    int depth = 0, deepest = 0;
    for (char c : one) {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      deepest = std::max(deepest, depth);
    }
    REQUIRE(one.size() <= 100);
    REQUIRE(deepest <= 8);
  }
}

} // namespace

TEST_CASE("operators keep their order and association") {
  Sketch s;
  const auto op = [&s](Op o, NodeId a, NodeId b) { return s.make(o, {a, b}); };
  const NodeId x = s.x, y = s.y;
  CHECK(s.printed(op(Op::add, op(Op::add, x, y), x)) == "x + y + x");
  CHECK(s.printed(op(Op::add, x, op(Op::sub, y, x))) == "x + (y - x)");
  CHECK(s.printed(op(Op::sub, x, op(Op::sub, y, x))) == "x - (y - x)");
  CHECK(s.printed(op(Op::mul, op(Op::add, x, y), op(Op::div, x, y))) == "(x + y) * (x / y)");
  CHECK(s.printed(op(Op::div, op(Op::mul, x, y), x)) == "x * y / x");
  CHECK(s.printed(op(Op::sub, op(Op::mul, x, y), op(Op::div, x, y))) == "x * y - x / y");
  CHECK(s.printed(s.make(Op::neg, {op(Op::mul, x, y)})) == "-(x * y)");
  CHECK(s.printed(op(Op::mul, s.make(Op::neg, {x}), y)) == "-x * y");
  CHECK(s.printed(op(Op::sub, x, s.make(Op::neg, {y}))) == "x - -y");
  CHECK(s.printed(s.make(Op::neg, {s.make(Op::neg, {x})})) == "-(-x)");
}

TEST_CASE("conditions and choices are parenthesised where C would need it or a reader would") {
  Sketch s, b(boolean);
  const auto choose = [](Sketch& k, NodeId c, NodeId p, NodeId q) {
    return k.make(Op::select, {c, p, q});
  };
  const NodeId first = choose(s, s.c, s.x, s.y);
  CHECK(s.printed(choose(s, s.e, s.y, first)) == "e ? y : c ? x : y");
  CHECK(s.printed(choose(s, s.e, first, s.y)) == "e ? (c ? x : y) : y");
  CHECK(s.printed(s.make(Op::add, {first, s.x})) == "(c ? x : y) + x");
  CHECK(s.printed(choose(s, s.make(Op::lt, {s.x, s.y}), s.x, s.y)) == "x < y ? x : y");
  const NodeId less = b.make(Op::lt, {b.x, b.y});
  CHECK(b.printed(b.make(Op::eq, {less, b.c})) == "x < y == c");
  CHECK(b.printed(b.make(Op::eq, {b.make(Op::eq, {b.c, b.e}), b.c})) == "(c == e) == c");
  CHECK(b.printed(b.make(Op::logical_or, {b.make(Op::logical_and, {b.c, b.e}), less})) ==
        "(c && e) || x < y");
  CHECK(b.printed(b.make(Op::logical_and, {b.make(Op::logical_or, {b.c, b.e}), b.c})) ==
        "(c || e) && c");
  CHECK(b.printed(b.make(Op::logical_not, {less})) == "!(x < y)");
  CHECK(b.printed(choose(b, choose(b, b.c, b.e, b.c), b.c, b.e)) == "(c ? e : c) ? c : e");
}

TEST_CASE("constants read back exactly and say their type where nothing beside them does") {
  Sketch s, b(boolean), w(f64);
  CHECK(s.printed(s.make(Op::mul, {s.x, s.real(0.1)})) == "x * 0.1");
  CHECK(s.printed(s.make(Op::mul, {s.real(-2), s.x})) == "-2 * x");
  CHECK(s.printed(s.make(Op::add, {s.x, s.real(-0.0)})) == "x + -0.0");
  CHECK(s.printed(s.make(Op::min, {s.x, s.real(HUGE_VAL)})) == "min(x, inf)");
  CHECK(s.printed(s.make(Op::sub, {s.x, s.real(-HUGE_VAL)})) == "x - -inf");
  CHECK(s.printed(s.make(Op::add, {s.x, s.real(std::nan(""))})) == "x + nan");
  CHECK(s.printed(s.make(Op::add, {s.real(1), s.real(2)})) == "f32(1) + f32(2)");
  CHECK(s.printed(s.make(Op::exp, {s.real(1.5)})) == "exp(f32(1.5))");
  CHECK(s.printed(s.make(Op::neg, {s.real(1.5)})) == "-f32(1.5)");
  CHECK(s.printed(s.make(Op::select, {s.c, s.real(0), s.real(1)})) == "c ? f32(0) : f32(1)");
  CHECK(s.printed(s.make(Op::select, {s.c, s.x, s.real(1)})) == "c ? x : 1");
  CHECK(s.printed(s.builder.cast(bf16, s.real(1.5))) == "bf16(f32(1.5))");
  CHECK(s.printed(s.builder.cast(f32, s.real(1.5))) == "f32(f32(1.5))");
  CHECK(s.printed(s.real(0.1)) == "f32(0.1)");
  CHECK(s.printed(s.make(Op::add, {s.x, s.real(0x1p-149)})) == "x + 1e-45");
  CHECK(s.printed(s.make(Op::add, {s.x, s.real(3.4028234663852886e38)})) == "x + 3.4028235e+38");
  CHECK(b.printed(b.make(Op::lt, {b.real(1), b.real(2)})) == "f32(1) < f32(2)");
  CHECK(b.printed(b.make(Op::eq, {b.m, b.builder.integer(i64, -5)})) == "m == -5");
  CHECK(b.printed(b.make(Op::lt, {b.builder.integer(i64, std::numeric_limits<std::int64_t>::min()),
                                  b.m})) == "-9223372036854775808 < m");
  CHECK(b.printed(b.make(Op::logical_and, {b.c, b.builder.integer(boolean, 1)})) == "c && true");
  CHECK(b.printed(b.make(Op::logical_not, {b.builder.integer(boolean, 0)})) == "!bool(false)");
  CHECK(b.printed(b.builder.integer(boolean, 1)) == "bool(true)");
  CHECK(w.printed(w.real(0.1, f64)) == "f64(0.1)");
  CHECK(w.printed(w.builder.cast(f64, w.real(0.1))) == "f64(f32(0.1))");
  CHECK(w.printed(w.real(5e-324, f64)) == "f64(5e-324)");
  CHECK(w.printed(w.real(9007199254740993e3, f64)) == "f64(9.007199254740993e+18)");
}

TEST_CASE("every f32 constant reads back as itself") {
  test::Random random(3);
  for (int i = 0; i < 3000; ++i) {
    const auto value = static_cast<double>(std::bit_cast<float>(
        static_cast<std::uint32_t>(random.one_in(2) ? random.bits() : random.element(f32))));
    Sketch s;
    s.printed(s.make(Op::add, {s.x, s.real(value)})); // checks the round trip
  }
}

TEST_CASE("a kernel is printed with its mode, its parameters and shared values named") {
  KernelBuilder builder("gate", MathMode::triton,
                        {{"x", ParamKind::in, bf16},
                         {"t0", ParamKind::inout, f16},
                         {"w", ParamKind::in, f32, Broadcast::per_column},
                         {"r", ParamKind::in, f32, Broadcast::per_row},
                         {"y", ParamKind::out, i8},
                         {"alpha", ParamKind::scalar, f64}});
  const NodeId s = builder.make(Op::sigmoid, {builder.load(0)});
  const NodeId scaled = builder.make(Op::mul, {s, builder.cast(f32, builder.scalar(5))});
  builder.store(1, builder.make(Op::add, {scaled, builder.load(2)}));
  builder.store(4, builder.cast(i8, builder.make(Op::mul, {builder.load(3), s})));
  const Kernel kernel = std::move(builder).build();
  CHECK(print(kernel) == "@triton kernel gate(x: in bf16, t0: inout f16, w: in f32[col], "
                         "r: in f32[row], y: out i8,\n"
                         "    alpha: f64) {\n"
                         "  let t1 = sigmoid(x);\n"
                         "  t0 = t1 * f32(alpha) + w;\n"
                         "  y = i8(r * t1);\n"
                         "}\n");
  CHECK(canonical(kernel) == "@triton kernel gate(x: in bf16, t0: inout f16, w: in f32[col], "
                             "r: in f32[row], y: out i8, alpha: f64) { let t1 = sigmoid(x); "
                             "t0 = t1 * f32(alpha) + w; y = i8(r * t1); }");
  check_round_trip(kernel);
}

TEST_CASE("wide and deep expressions are broken into lines") {
  KernelBuilder builder("k", MathMode::accurate,
                        {{"x", ParamKind::in, f32}, {"y", ParamKind::out, f32}});
  NodeId value = builder.load(0);
  for (int i = 0; i < 300; ++i) // nested parentheses, then a wide sum
    value = i % 2 ? builder.make(Op::sqrt, {value})
                  : builder.make(Op::sub, {builder.real(f32, i), value});
  for (int i = 0; i < 300; ++i)
    value = builder.make(
        Op::add, {value, builder.make(Op::mul, {builder.load(0), builder.real(f32, i + 0.5)})});
  builder.store(1, value);
  check_round_trip(std::move(builder).build());
}

TEST_CASE("every catalogue kernel parses back to the same graph, in every type") {
  for (const test::CatalogueKernel& entry : test::catalogue_kernels())
    for (DType type : {f64, f32, f16, bf16}) {
      INFO(entry.name << " " << name_of(type));
      const Kernel parsed = entry.bound(type);
      check_round_trip(parsed);
      check_round_trip(simplify(parsed));
      check_round_trip(contract(simplify(parsed)));
    }
}

TEST_CASE("random kernels parse back to the same graph") {
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    INFO("seed " << seed);
    test::RandomKernelOptions options;
    options.nodes = 5 + seed % 100;
    options.inouts = seed % 3;
    options.math = static_cast<MathMode>(seed % 3);
    const Kernel kernel = test::random_kernel(seed, options);
    check_round_trip(kernel);
    check_round_trip(contract(simplify(kernel)));
  }
}

TEST_CASE("a kernel of twenty thousand operations parses back") {
  test::RandomKernelOptions options;
  options.nodes = 30'000;
  const Kernel kernel = test::random_kernel(11, options);
  check_round_trip(kernel);
}

} // namespace swage::ir
