// evaluate_test.cpp -- the oracle's own values: casts, integers, special floats, batches.
#include "ir/evaluate.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/float_environment.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kMin32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();

Scalar run(const Kernel& kernel, const std::vector<Scalar>& arguments) {
  Evaluator::Workspace workspace;
  Scalar result;
  const Evaluator evaluator(kernel);
  evaluator(arguments, std::span(&result, 1), workspace);
  return result;
}

/// y = op(x0, x1, ...) on parameters of `type`.
Kernel operation(Op op, DType type, DType result) {
  std::vector<Param> params;
  const auto arity = static_cast<std::uint32_t>(info(op).arity);
  for (std::uint32_t i = 0; i < arity; ++i)
    params.push_back({"x" + std::to_string(i), ParamKind::in, type});
  params.push_back({"y", ParamKind::out, result});
  KernelBuilder builder("k", MathMode::accurate, params);
  std::vector<NodeId> args;
  for (std::uint32_t i = 0; i < arity; ++i)
    args.push_back(builder.load(i));
  builder.store(arity, builder.make(op, args));
  return std::move(builder).build();
}

long double real(Op op, std::initializer_list<double> values, DType type = f32) {
  std::vector<Scalar> arguments;
  for (double value : values)
    arguments.push_back({.real = value});
  arguments.push_back({});
  return run(operation(op, type, type), arguments).real;
}

bool test(Op op, std::initializer_list<double> values) {
  std::vector<Scalar> arguments;
  for (double value : values)
    arguments.push_back({.real = value});
  arguments.push_back({});
  return run(operation(op, f32, boolean), arguments).integer != 0;
}

std::int64_t integer(Op op, DType type, std::initializer_list<std::int64_t> values) {
  std::vector<Scalar> arguments;
  for (std::int64_t value : values)
    arguments.push_back({.integer = value});
  arguments.push_back({});
  return run(operation(op, type, type), arguments).integer;
}

Scalar cast(DType from, DType to, Scalar value) {
  KernelBuilder builder("k", MathMode::accurate,
                        {{"x", ParamKind::in, from}, {"y", ParamKind::out, to}});
  builder.store(1, builder.cast(to, builder.load(0)));
  return run(std::move(builder).build(), {value, {}});
}

std::int64_t to_integer(DType to, double value) {
  return cast(f32, to, {.real = value}).integer;
}

bool is_negative_zero(long double value) {
  return value == 0 && std::signbit(value);
}

} // namespace

TEST_CASE("min, max and clamp propagate NaN and order the zeros") {
  CHECK(real(Op::min, {1, 2}) == 1);
  CHECK(real(Op::max, {1, 2}) == 2);
  for (Op op : {Op::min, Op::max}) {
    CHECK(std::isnan(real(op, {kNan, 1})));
    CHECK(std::isnan(real(op, {1, kNan})));
    CHECK(std::isnan(real(op, {kNan, -kInfinity})));
  }
  CHECK(is_negative_zero(real(Op::min, {0.0, -0.0})));
  CHECK(is_negative_zero(real(Op::min, {-0.0, 0.0})));
  CHECK_FALSE(is_negative_zero(real(Op::max, {0.0, -0.0})));
  CHECK_FALSE(is_negative_zero(real(Op::max, {-0.0, 0.0})));
  CHECK(real(Op::clamp, {5, 0, 3}) == 3);
  CHECK(real(Op::clamp, {-5, 0, 3}) == 0);
  CHECK(real(Op::clamp, {1, 4, 2}) == 2); // bounds crossed: the upper one wins
  CHECK(std::isnan(real(Op::clamp, {kNan, 0, 3})));
  CHECK(std::isnan(real(Op::clamp, {1, kNan, 3})));
  CHECK(std::isnan(real(Op::relu, {kNan})));
  CHECK_FALSE(std::signbit(real(Op::relu, {-0.0})));
}

TEST_CASE("comparisons are ordered and only != is true on NaN") {
  for (Op op : {Op::eq, Op::lt, Op::le, Op::gt, Op::ge}) {
    CHECK_FALSE(test(op, {kNan, 1}));
    CHECK_FALSE(test(op, {kNan, kNan}));
  }
  CHECK(test(Op::ne, {kNan, kNan}));
  CHECK(test(Op::eq, {0.0, -0.0}));
  CHECK(test(Op::isnan, {kNan}));
  CHECK_FALSE(test(Op::isnan, {kInfinity}));
}

TEST_CASE("sigmoid keeps its relative accuracy far below zero") {
  for (double x : {-20.0, -89.0, -104.0, -700.0})
    CHECK(std::abs(real(Op::sigmoid, {x}) / std::exp(static_cast<long double>(x)) - 1) < 1e-8L);
  CHECK(real(Op::sigmoid, {0.0}) == 0.5);
  CHECK(real(Op::sigmoid, {kInfinity}) == 1);
  CHECK(real(Op::sigmoid, {-kInfinity}) == 0);
  CHECK(std::isnan(real(Op::sigmoid, {kNan})));
}

TEST_CASE("sigmoid is 1/2 at zero alone and 1 at infinity, so that silu leaves ties to its side") {
  for (const double x : {40.0, 1e6, 1e300})
    CHECK(real(Op::sigmoid, {x}) < 1);
  for (const double x : {0x1p-60, 0x1p-300, 0x1p-1074}) {
    CHECK(real(Op::sigmoid, {x}) > 0.5);
    CHECK(real(Op::sigmoid, {-x}) < 0.5);
  }
  CHECK(real(Op::sigmoid, {-0.0}) == 0.5);
}

TEST_CASE("round goes to the even neighbour") {
  CHECK(real(Op::round, {0.5}) == 0);
  CHECK(real(Op::round, {1.5}) == 2);
  CHECK(real(Op::round, {2.5}) == 2);
  CHECK(is_negative_zero(real(Op::round, {-0.5})));
}

TEST_CASE("floats divide by zero as IEEE 754 says") {
  CHECK(real(Op::div, {1, 0.0}) == kInfinity);
  CHECK(real(Op::div, {1, -0.0}) == -kInfinity);
  CHECK(std::isnan(real(Op::div, {0, 0})));
}

TEST_CASE("integer arithmetic wraps at the width of its type") {
  CHECK(integer(Op::add, i32, {0x7fffffff, 1}) == kMin32);
  CHECK(integer(Op::sub, i32, {kMin32, 1}) == 0x7fffffff);
  CHECK(integer(Op::mul, i32, {65536, 65536}) == 0);
  CHECK(integer(Op::add, i64, {kMax64, 1}) == kMin64);
  CHECK(integer(Op::mul, i64, {kMax64, 2}) == -2);
  CHECK(integer(Op::neg, i32, {kMin32}) == kMin32);
  CHECK(integer(Op::neg, i64, {kMin64}) == kMin64);
  CHECK(integer(Op::abs, i32, {kMin32}) == kMin32);
  CHECK(integer(Op::abs, i64, {kMin64}) == kMin64);
  CHECK(integer(Op::abs, i8, {-128}) == 128); // computed in i32, wrapped by the store
}

TEST_CASE("integer division has no undefined quotient") {
  CHECK(integer(Op::div, i32, {7, 2}) == 3);
  CHECK(integer(Op::div, i32, {-7, 2}) == -3);
  CHECK(integer(Op::div, i32, {7, 0}) == 0);
  CHECK(integer(Op::div, i64, {kMin64, 0}) == 0);
  CHECK(integer(Op::div, i32, {kMin32, -1}) == kMin32);
  CHECK(integer(Op::div, i64, {kMin64, -1}) == kMin64);
}

TEST_CASE("integer min, max and clamp take both bounds in order") {
  CHECK(integer(Op::min, i32, {-3, 2}) == -3);
  CHECK(integer(Op::max, i64, {-3, 2}) == 2);
  CHECK(integer(Op::clamp, i32, {5, 0, 3}) == 3);
  CHECK(integer(Op::clamp, i32, {1, 4, 2}) == 2);
  CHECK(integer(Op::relu, i32, {-3}) == 0);
}

TEST_CASE("float to integer truncates, saturates and takes NaN to 0") {
  CHECK(to_integer(i32, 2.9) == 2);
  CHECK(to_integer(i32, -2.9) == -2);
  CHECK(to_integer(i32, 3e9) == 0x7fffffff);
  CHECK(to_integer(i32, -3e9) == kMin32);
  CHECK(to_integer(i64, 1e19) == kMax64);
  CHECK(to_integer(i64, -1e19) == kMin64);
  CHECK(to_integer(i64, 0x1p63) == kMax64);
  CHECK(to_integer(i8, 127.9) == 127);
  CHECK(to_integer(i8, 128) == 127);
  CHECK(to_integer(i8, -1000) == -128);
  CHECK(to_integer(u8, -0.9) == 0);
  CHECK(to_integer(u8, 255.5) == 255);
  CHECK(to_integer(u8, kInfinity) == 255);
  CHECK(to_integer(i16, -kInfinity) == -32768);
  for (DType type : {i8, u8, i16, i32, i64})
    CHECK(to_integer(type, kNan) == 0);
  CHECK(to_integer(boolean, kNan) == 1);
  CHECK(to_integer(boolean, -0.0) == 0);
  CHECK(to_integer(boolean, 0.25) == 1);
}

TEST_CASE("casts between integers wrap and a cast to bool asks for not zero") {
  CHECK(cast(i32, i8, {.integer = 200}).integer == -56);
  CHECK(cast(i32, u8, {.integer = -1}).integer == 255);
  CHECK(cast(i64, i32, {.integer = std::int64_t{1} << 32}).integer == 0);
  CHECK(cast(i32, boolean, {.integer = 256}).integer == 1);
  CHECK(cast(boolean, i64, {.integer = 1}).integer == 1);
}

TEST_CASE("integers become floats with one rounding") {
  CHECK(cast(i64, f32, {.integer = (std::int64_t{1} << 24) + 1}).real == 0x1p24L);
  CHECK(cast(i32, bf16, {.integer = 257}).real == 256);
  CHECK(cast(i32, bf16, {.integer = 259}).real == 260);
  CHECK(cast(i64, f64, {.integer = kMax64}).real == 0x1p63L);
  CHECK(cast(boolean, f16, {.integer = 1}).real == 1);
  // Through f32 this would land on a tie of bf16 and go down.
  CHECK(cast(i64, bf16, {.integer = (std::int64_t{0x101} << 30) + 1}).real == 0x102p30L);
}

TEST_CASE("a cast rounds once where it stands, one to its own compute type does nothing") {
  CHECK(cast(f32, bf16, {.real = 1 + 0x1p-8L + 0x1p-20L}).real == 1 + 0x1p-7L);
  CHECK(cast(f32, f16, {.real = 1e6L}).real == kInfinity);
  CHECK(cast(f64, f32, {.real = 0.1L}).real == static_cast<long double>(0.1f));
  // The reference is not rounded to f32 where only the machine would be.
  CHECK(cast(f32, f32, {.real = 0.1}).real == static_cast<long double>(0.1));
}

TEST_CASE("kernels with f64 are computed in long double") {
  if (std::numeric_limits<long double>::digits <= 53)
    return;
  CHECK(real(Op::add, {1, 0x1p-60}, f64) == 1 + 0x1p-60L);
  CHECK(real(Op::add, {1, 0x1p-60}, f32) == 1);
}

TEST_CASE("a batch gives what single elements give, for all operations and types") {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    test::RandomKernelOptions options;
    options.inouts = seed % 2;
    if (seed % 3 == 0)
      options = test::RandomKernelOptions::narrow_floats();
    const Kernel kernel = test::random_kernel(seed, options);
    const Evaluator evaluator(kernel);
    const std::size_t count = seed % 5 == 0 ? 1 : 37;
    test::Random random(seed);
    std::vector<std::vector<std::byte>> data;
    std::vector<Elements> elements;
    for (const Param& param : kernel.params()) {
      data.push_back(test::random_elements(random, param.dtype, count));
      elements.push_back({data.back().data(), param.is_tensor() ? size_of(param.dtype) : 0});
    }
    Evaluator::Workspace workspace, single;
    std::vector<Column> columns(kernel.stores().size());
    evaluator.batch(count, elements, columns, workspace);

    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<Scalar> arguments;
      for (std::size_t p = 0; p < data.size(); ++p) {
        const char* element = static_cast<const char*>(elements[p].data) +
                              static_cast<std::ptrdiff_t>(i) * elements[p].stride;
        const DType dtype = kernel.params()[p].dtype;
        arguments.push_back(decode(dtype, load_bits(dtype, element)));
      }
      std::vector<Scalar> results(columns.size());
      evaluator(arguments, results, single);
      for (std::size_t s = 0; s < columns.size(); ++s) {
        const DType dtype = kernel.params()[kernel.stores()[s].param].dtype;
        wrong += encode(dtype, columns[s][i]) != encode(dtype, results[s]);
        wrong += ulp_error(f64, columns[s][i].real, results[s].real) != 0;
      }
    }
    INFO("seed " << seed);
    CHECK(wrong == 0);
  }
}

TEST_CASE("integer kernels with many stores give what a machine of their width gives") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    test::RandomKernelOptions options;
    options.dtypes = {i8, u8, i16, i32, i64, boolean};
    options.outputs = 1 + seed % 6;
    options.nodes = 60;
    const Kernel kernel = test::random_kernel(seed, options);
    test::Random random(seed);
    std::vector<std::uint64_t> bits;
    std::vector<Scalar> arguments, results(kernel.stores().size());
    for (const Param& param : kernel.params()) {
      bits.push_back(random.element(param.dtype));
      arguments.push_back(decode(param.dtype, bits.back()));
    }
    Evaluator::Workspace workspace;
    const Evaluator evaluator(kernel);
    evaluator(arguments, results, workspace);
    std::vector<std::uint64_t> stored;
    for (std::size_t i = 0; i < results.size(); ++i)
      stored.push_back(encode(kernel.params()[kernel.stores()[i].param].dtype, results[i]));
    CHECK(stored == test::run_machine(kernel, bits));
  }
}

TEST_CASE("columns encode and compare as single numbers do") {
  const DefaultFloatEnvironment environment; // errors are rounded to double here
  const std::size_t count = 100;
  test::Random random(7);
  for (DType type : {f64, f32, f16, bf16, i8, u8, i16, i32, i64, boolean}) {
    KernelBuilder builder("k", MathMode::accurate,
                          {{"x", ParamKind::in, type}, {"y", ParamKind::out, type}});
    builder.store(1, builder.load(0));
    const Evaluator evaluator(std::move(builder).build());
    const auto size = static_cast<std::size_t>(size_of(type));
    const auto data = test::random_elements(random, type, count);
    auto got = data;
    std::memcpy(got.data(), data.data() + 50 * size, 50 * size); // half of it wrong
    Column column;
    Evaluator::Workspace workspace;
    const Elements arguments[2] = {{data.data(), size_of(type)}, {}};
    evaluator.batch(count, arguments, std::span(&column, 1), workspace);

    std::vector<std::byte> encoded(data.size());
    encode_column(type, column, count, encoded.data());
    std::vector<double> errors(count);
    ulp_errors(type, {got.data(), size_of(type)}, column, count, errors.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Scalar exact = decode(type, load_bits(type, data.data() + i * size));
      const std::uint64_t bits = load_bits(type, got.data() + i * size);
      wrong += load_bits(type, encoded.data() + i * size) != encode(type, exact);
      const long double error = is_float(type)
                                    ? ulp_error(type, decode(type, bits).real, exact.real)
                                : bits == encode(type, exact) ? 0
                                                              : kInfinity;
      wrong += static_cast<double>(error) != errors[i];
    }
    INFO(name_of(type));
    CHECK(wrong == 0);
  }
}

TEST_CASE("places of dead values are reused") {
  // A chain of a thousand operations needs two places; a Workspace is not visible, its effect is:
  // the values are right although every place was overwritten.
  KernelBuilder builder("k", MathMode::accurate,
                        {{"x", ParamKind::in, i64}, {"y", ParamKind::out, i64}});
  NodeId value = builder.load(0);
  for (int i = 0; i < 1000; ++i)
    value = builder.make(i % 2 ? Op::add : Op::mul, {value, builder.integer(i64, 3)});
  builder.store(1, value);
  std::int64_t expected = 5;
  for (int i = 0; i < 1000; ++i)
    expected = static_cast<std::int64_t>(i % 2 ? static_cast<std::uint64_t>(expected) + 3
                                               : static_cast<std::uint64_t>(expected) * 3);
  CHECK(run(std::move(builder).build(), {{.integer = 5}, {}}).integer == expected);
}

} // namespace swage::ir
