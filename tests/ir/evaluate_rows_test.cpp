// evaluate_rows_test.cpp -- the evaluator of whole rows against values worked out here.
#include "ir/evaluate_rows.hpp"

#include <cmath>
#include <limits>

#include "ir/evaluate.hpp"
#include "ir/float_environment.hpp"
#include "ir/passes.hpp"
#include "ir/sum_order.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir::testing {

namespace {

using Values = std::vector<Scalar>;

Values reals(std::initializer_list<double> values) {
  Values result;
  for (const double value : values)
    result.push_back({.real = value});
  return result;
}

std::vector<double> doubles(const Values& values) {
  std::vector<double> result;
  for (const Scalar& value : values)
    result.push_back(static_cast<double>(value.real));
  return result;
}

std::vector<std::int64_t> integers(const Values& values) {
  std::vector<std::int64_t> result;
  for (const Scalar& value : values)
    result.push_back(value.integer);
  return result;
}

/// The stores of a kernel of one input x, computed both ways, which must agree.
std::vector<Values> run(const std::string& text, CallSize size, const Values& x) {
  const Kernel kernel = parse_text(text);
  std::vector<Values> arguments(kernel.params().size());
  arguments[0] = x;
  const auto machine = evaluate_rows(kernel, size, arguments, Arithmetic::machine);
  const auto exact = evaluate_rows(kernel, size, arguments, Arithmetic::exact);
  for (std::size_t i = 0; i < exact.size(); ++i)
    for (std::size_t k = 0; k < exact[i].size(); ++k)
      CHECK((exact[i][k].real == machine[i][k].real || std::isnan(exact[i][k].real)));
  return machine;
}

std::string refusal(const std::string& text, CallSize size) {
  const Kernel kernel = parse_text(text);
  std::vector<Values> arguments(kernel.params().size(),
                                Values(static_cast<std::size_t>(size.rows * size.columns)));
  try {
    evaluate_rows(kernel, size, arguments, Arithmetic::machine);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

} // namespace

TEST_CASE("reductions go over rows, groups and columns") {
  const Values x = reals({1, 2, 3, 4, -5, 6, 7, 8});
  const auto got = run(
      "kernel k(x: in f32, s: out f32 [row], m: out f32 [row], top: out f32 [row], low: out f32 "
      "[row], gs: out f32 [group 2], gx: out f32 [group 2], gn: out f32 [group 2], c: out f32 "
      "[col], all: out f32 [tensor], y: out f32) { s = row_sum(x); m = row_mean(x); top = "
      "row_max(x); low = row_min(x); gs = group_sum(x, 2); gx = group_max(x, 2); gn = "
      "group_min(x, 2); c = col_sum(x); all = col_sum(row_sum(x)); y = x - row_max(x); }",
      {2, 4}, x);
  CHECK(doubles(got[0]) == std::vector<double>{10, 16});
  CHECK(doubles(got[1]) == std::vector<double>{2.5, 4});
  CHECK(doubles(got[2]) == std::vector<double>{4, 8});
  CHECK(doubles(got[3]) == std::vector<double>{1, -5});
  CHECK(doubles(got[4]) == std::vector<double>{3, 7, 1, 15});
  CHECK(doubles(got[5]) == std::vector<double>{2, 4, 6, 8});
  CHECK(doubles(got[6]) == std::vector<double>{1, 3, -5, 7});
  CHECK(doubles(got[7]) == std::vector<double>{-4, 8, 10, 12});
  CHECK(doubles(got[8]) == std::vector<double>{26});
  CHECK(doubles(got[9]) == std::vector<double>{-3, -2, -1, 0, -13, -2, -1, 0});
}

TEST_CASE("a reduction takes its operand by element, however few values that has") {
  const auto got =
      run("kernel k(x: in f32 [row], a: out f32 [row], b: out f32 [tensor], c: out f32 "
          "[row], d: out f32 [tensor], e: out f32 [tensor], n: out i32 [tensor]) { a = "
          "row_sum(x); b = col_sum(x); c = row_sum(group_sum(x, 3)); d = "
          "row_sum(f32(1)); e = col_sum(f32(1)); n = row_sum(i32(1)); }",
          {2, 6}, reals({1, 10}));
  CHECK(doubles(got[0]) == std::vector<double>{6, 60});
  CHECK(doubles(got[1]) == std::vector<double>{11});
  CHECK(doubles(got[2]) == std::vector<double>{18, 180});
  CHECK(doubles(got[3]) == std::vector<double>{6});
  CHECK(doubles(got[4]) == std::vector<double>{2});
  CHECK(integers(got[5]) == std::vector<std::int64_t>{6});
}

TEST_CASE("NaN wins a maximum, infinities count, and zeros are ordered") {
  const std::string text =
      "kernel k(x: in f32, top: out f32 [row], low: out f32 [row], s: out f32 [row]) { top = "
      "row_max(x); low = row_min(x); s = row_sum(x); }";
  const auto nan = run(text, {2, 3}, reals({1, kNaN, 3, -HUGE_VAL, 2, HUGE_VAL}));
  CHECK(std::isnan(nan[0][0].real));
  CHECK(std::isnan(nan[1][0].real));
  CHECK(nan[0][1].real == HUGE_VAL);
  CHECK(nan[1][1].real == -HUGE_VAL);
  CHECK(std::isnan(nan[2][1].real));
  const auto zeros = run(text, {1, 2}, reals({0.0, -0.0}));
  CHECK(!std::signbit(zeros[0][0].real));
  CHECK(std::signbit(zeros[1][0].real));
}

TEST_CASE("integer sums wrap in their type") {
  const Values x(3, Scalar{.integer = 2'000'000'000});
  const auto got =
      run("kernel k(x: in i32, s: out i32 [row], w: out i64 [row], m: out i32 [row]) { "
          "s = row_sum(x); w = row_sum(i64(x)); m = row_max(-x); }",
          {1, 3}, x);
  CHECK(got[0][0].integer == static_cast<std::int32_t>(6'000'000'000));
  CHECK(got[1][0].integer == 6'000'000'000);
  CHECK(got[2][0].integer == -2'000'000'000);
}

TEST_CASE("over no columns a sum is 0 and a maximum is refused, as is a group that does not fit") {
  const auto got = run("kernel k(x: in f32, s: out f32 [row], m: out f32 [row], n: out i32 [row]) {"
                       " s = row_sum(x); m = row_mean(x); n = row_sum(i32(x)); }",
                       {2, 0}, {});
  CHECK(doubles(got[0]) == std::vector<double>{0, 0});
  CHECK(std::isnan(got[1][0].real));
  CHECK(integers(got[2]) == std::vector<std::int64_t>{0, 0});
  const std::string top = "kernel k(x: in f32, m: out f32 [row]) { m = row_max(x); }";
  CHECK(refusal(top, {2, 0}) == "'row_max' of kernel 'k' over rows of 0 columns: there is no value "
                                "to give");
  CHECK(refusal(top, {0, 0}).empty());
  CHECK(refusal("kernel k(x: in f32, m: out f32 [group 4]) { m = group_max(x, 4); }", {2, 6}) ==
        "groups of 4 columns do not divide rows of 6 columns");
}

TEST_CASE("the machine sums in the order of the language and the oracle does not round") {
  const DefaultFloatEnvironment environment; // for the sums made here
  const Kernel kernel = parse_text("kernel k(x: in f32, s: out f32 [row], m: out f32 [row], c: out "
                                   "f32 [col]) { s = row_sum(x * x); m = row_mean(x); c = "
                                   "col_sum(x); }");
  const CallSize size{3, 2500};
  test::Random random(5);
  std::vector<Values> arguments(kernel.params().size());
  std::vector<float> x;
  for (std::int64_t i = 0; i < size.rows * size.columns; ++i) {
    x.push_back(static_cast<float>(random.bits() % 1000003) / 1000);
    arguments[0].push_back({.real = x.back()});
  }
  const auto add = [](float a, float b) { return a + b; };
  const auto at = [&](std::int64_t i) { return x[static_cast<std::size_t>(i)]; };
  const auto machine = evaluate_rows(kernel, size, arguments, Arithmetic::machine);
  const auto exact = evaluate_rows(kernel, size, arguments, Arithmetic::exact);
  for (std::int64_t row = 0; row < size.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    const auto element = [&](std::int64_t i) { return at(row * size.columns + i); };
    const auto square = [&](std::int64_t i) { return element(i) * element(i); };
    CHECK(machine[0][r].real == sum_columns<float>(size.columns, 0, square, add));
    CHECK(machine[1][r].real == sum_columns<float>(size.columns, 0, element, add) / 2500.0f);
    double sum = 0;
    for (std::int64_t i = 0; i < size.columns; ++i)
      sum += double{element(i)} * double{element(i)};
    CHECK(std::fabs(static_cast<double>(exact[0][r].real) / sum - 1) < 1e-12);
    CHECK(static_cast<double>(exact[0][r].real) != static_cast<double>(machine[0][r].real));
  }
  const auto column = [&](std::int64_t i) { return at(i * size.columns + 7); };
  CHECK(machine[2][7].real == sum_rows<float>(size.rows, 0, column, add));
}

TEST_CASE("without reductions rows give what elements give") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO(seed);
    const Kernel kernel = test::random_kernel(seed);
    const CallSize size{2, 3};
    test::Random random(seed);
    std::vector<Values> arguments(kernel.params().size());
    for (std::size_t p = 0; p < arguments.size(); ++p) {
      const Param& param = kernel.params()[p];
      for (std::int64_t i = 0; i < values_of(param.space(), size); ++i)
        arguments[p].push_back(decode(param.dtype, random.element(param.dtype)));
    }
    const auto rows = evaluate_rows(kernel, size, arguments, Arithmetic::exact);
    const Evaluator evaluator(kernel);
    Evaluator::Workspace workspace;
    std::vector<Scalar> point(arguments.size()), results(kernel.stores().size());
    for (std::size_t i = 0; i < 6; ++i) {
      for (std::size_t p = 0; p < point.size(); ++p) {
        const Space space = kernel.params()[p].space();
        point[p] = arguments[p][space.broadcast == Broadcast::none         ? i
                                : space.broadcast == Broadcast::per_row    ? i / 3
                                : space.broadcast == Broadcast::per_column ? i % 3
                                                                           : 0];
      }
      evaluator(point, results, workspace);
      for (std::size_t s = 0; s < results.size(); ++s) {
        const DType stored = kernel.params()[kernel.stores()[s].param].dtype;
        CHECK(encode(stored, results[s]) == encode(stored, rows[s][i]));
      }
    }
  }
}

TEST_CASE("the evaluator of elements refuses a kernel that needs its row") {
  CHECK_THROWS_WITH(
      Evaluator(parse_text("kernel k(x: in f32, y: out f32) { y = x - row_max(x); }")),
      "kernel 'k' uses row_max, so it is evaluated by rows, not by elements");
}

TEST_CASE("perturbed operations leave an infinity what it is") {
  const Kernel kernel =
      load_kernel({"kernel k(x: in f32, y: out f32) { y = x * rsqrt(row_mean(x * x)); }"}, "", {});
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Values> arguments = {reals({1, infinity, -2, 3}), {}};
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    const auto y =
        doubles(evaluate_rows(kernel, {1, 4}, arguments, Arithmetic::perturbed, seed)[0]);
    CHECK(y[0] == 0);
    CHECK(std::isnan(y[1])); // infinity * 0
    CHECK(y[2] == 0);
  }
}

} // namespace swage::ir::testing
