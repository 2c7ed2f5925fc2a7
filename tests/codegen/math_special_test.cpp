// math_special_test.cpp -- infinities, NaN, zeros of both signs, subnormal and largest numbers
// through every function, in both formats and both accuracies, against a table of expected values.
#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include "tests/codegen/math_jit.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

template <typename T>
struct Row {
  Op op;
  T x, expected;
};

template <typename T>
constexpr T kInf = std::numeric_limits<T>::infinity();
template <typename T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <typename T>
constexpr T kTiny = std::numeric_limits<T>::denorm_min();
template <typename T>
constexpr T kMax = std::numeric_limits<T>::max();

/// Functions of one argument. Every one of them gives NaN for NaN, which is checked besides.
template <typename T>
std::vector<Row<T>> exp_rows() {
  const T inf = kInf<T>, tiny = kTiny<T>, max = kMax<T>;
  return {
      {Op::exp, inf, inf},      {Op::exp, -inf, 0},        {Op::exp, T(0), 1},
      {Op::exp, -T(0), 1},      {Op::exp, tiny, 1},        {Op::exp, max, inf},
      {Op::exp, -max, 0},       {Op::exp2, inf, inf},      {Op::exp2, -inf, 0},
      {Op::exp2, T(0), 1},      {Op::exp2, -tiny, 1},      {Op::exp2, T(3), 8},
      {Op::exp2, max, inf},     {Op::exp2, -max, 0},       {Op::expm1, inf, inf},
      {Op::expm1, -inf, -1},    {Op::expm1, T(0), 0},      {Op::expm1, -T(0), -T(0)},
      {Op::expm1, tiny, tiny},  {Op::expm1, -tiny, -tiny}, {Op::expm1, max, inf},
      {Op::expm1, -max, -1},    {Op::sigmoid, inf, 1},     {Op::sigmoid, -inf, 0},
      {Op::sigmoid, T(0), 0.5}, {Op::sigmoid, -T(0), 0.5}, {Op::sigmoid, tiny, 0.5},
      {Op::sigmoid, max, 1},    {Op::sigmoid, -max, 0},    {Op::tanh, inf, 1},
      {Op::tanh, -inf, -1},     {Op::tanh, T(0), 0},       {Op::tanh, -T(0), -T(0)},
      {Op::tanh, tiny, tiny},   {Op::tanh, -tiny, -tiny},  {Op::tanh, max, 1},
      {Op::erf, inf, 1},        {Op::erf, -inf, -1},       {Op::erf, T(0), 0},
      {Op::erfc, inf, 0},       {Op::erfc, -inf, 2},       {Op::erfc, T(0), 1},
      {Op::erfc, max, 0},       {Op::erfc, -max, 2},       {Op::erfc, -T(0), 1},
      {Op::erf, -T(0), -T(0)},  {Op::erf, tiny, tiny},     {Op::erf, -max, -1},
  };
}

template <typename T>
std::vector<Row<T>> log_rows() {
  const T inf = kInf<T>, nan = kNan<T>, tiny = kTiny<T>, max = kMax<T>;
  const T bits = T(std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits);
  return {
      {Op::log, inf, inf},      {Op::log, -inf, nan},      {Op::log, T(0), -inf},
      {Op::log, -T(0), -inf},   {Op::log, T(1), 0},        {Op::log, T(-1), nan},
      {Op::log, -tiny, nan},    {Op::log, -max, nan},      {Op::log2, inf, inf},
      {Op::log2, -inf, nan},    {Op::log2, T(0), -inf},    {Op::log2, -T(0), -inf},
      {Op::log2, T(1), 0},      {Op::log2, tiny, bits},    {Op::log2, T(1024), 10},
      {Op::log2, -tiny, nan},   {Op::log1p, inf, inf},     {Op::log1p, -inf, nan},
      {Op::log1p, T(0), 0},     {Op::log1p, -T(0), -T(0)}, {Op::log1p, T(-1), -inf},
      {Op::log1p, T(-2), nan},  {Op::log1p, tiny, tiny},   {Op::log1p, -tiny, -tiny},
      {Op::sqrt, inf, inf},     {Op::sqrt, -inf, nan},     {Op::sqrt, T(0), 0},
      {Op::sqrt, -T(0), -T(0)}, {Op::sqrt, -tiny, nan},    {Op::rsqrt, inf, 0},
      {Op::rsqrt, T(0), inf},   {Op::rsqrt, T(-1), nan},   {Op::rcp, inf, 0},
      {Op::rcp, -inf, -T(0)},   {Op::rcp, T(0), inf},      {Op::rcp, -T(0), -inf},
      {Op::rcp, tiny, inf},     {Op::rcp, -tiny, -inf},    {Op::sin, inf, nan},
      {Op::sin, -inf, nan},     {Op::sin, T(0), 0},        {Op::sin, -T(0), -T(0)},
      {Op::sin, tiny, tiny},    {Op::sin, -tiny, -tiny},   {Op::cos, inf, nan},
      {Op::cos, -inf, nan},     {Op::cos, T(0), 1},        {Op::cos, -T(0), 1},
      {Op::cos, tiny, 1},
  };
}

template <typename T>
std::vector<Row<T>> exact_rows() {
  const T inf = kInf<T>, tiny = kTiny<T>, max = kMax<T>;
  return {
      {Op::neg, T(0), -T(0)},      {Op::neg, inf, -inf},       {Op::neg, -tiny, tiny},
      {Op::abs, -T(0), 0},         {Op::abs, -inf, inf},       {Op::abs, -tiny, tiny},
      {Op::floor, -T(0), -T(0)},   {Op::floor, tiny, 0},       {Op::floor, -tiny, -1},
      {Op::floor, inf, inf},       {Op::floor, max, max},      {Op::floor, T(-2.5), -3},
      {Op::ceil, -T(0), -T(0)},    {Op::ceil, tiny, 1},        {Op::ceil, -tiny, -T(0)},
      {Op::ceil, -inf, -inf},      {Op::ceil, T(-0.5), -T(0)}, {Op::ceil, T(2.5), 3},
      {Op::trunc, T(-0.9), -T(0)}, {Op::trunc, inf, inf},      {Op::trunc, T(2.9), 2},
      {Op::round, T(0.5), 0},      {Op::round, T(1.5), 2},     {Op::round, T(2.5), 2},
      {Op::round, T(-0.5), -T(0)}, {Op::round, T(-1.5), -2},   {Op::round, -inf, -inf},
      {Op::round, max, max},       {Op::relu, -T(0), 0},       {Op::relu, T(0), 0},
      {Op::relu, -tiny, 0},        {Op::relu, tiny, tiny},     {Op::relu, inf, inf},
      {Op::relu, -inf, 0},         {Op::isnan, inf, 0},        {Op::isnan, T(0), 0},
      {Op::isnan, kNan<T>, 1},
  };
}

/// Each form is compiled once for all its rows.
const MathFunction& compiled(const MathForm& form) {
  using Key = std::tuple<Op, bool, Accuracy, ir::MathMode>;
  static std::map<Key, MathFunction> functions;
  const Key key{form.op, form.is_double, form.accuracy, form.mode};
  auto at = functions.find(key);
  if (at == functions.end())
    at = functions.emplace(key, MathFunction(form)).first;
  return at->second;
}

template <typename T>
T apply(const MathForm& form, T x, T y = 0, T z = 0) {
  T result = 0;
  MathForm scalar = form;
  scalar.width = 1;
  scalar.is_double = sizeof(T) == 8;
  compiled(scalar)(&x, &y, &z, &result, 1);
  return result;
}

/// Finite values may be off by `tolerance`, relatively; all else is exact.
template <typename T>
void check_value(const MathForm& form, T got, T expected, double tolerance) {
  INFO(ir::info(form.op).spelling << ": got " << got << ", expected " << expected);
  if (std::isfinite(expected) && expected != 0)
    CHECK(std::fabs(got - expected) <= tolerance * std::fabs(expected));
  else
    CHECK(ulp_error(got, static_cast<long double>(expected)) == 0);
}

template <typename T>
void check_rows(const std::vector<Row<T>>& rows, Accuracy accuracy, ir::MathMode mode,
                double tolerance) {
  for (const Row<T>& row : rows) {
    INFO("argument " << row.x);
    const MathForm form{.op = row.op, .accuracy = accuracy, .mode = mode};
    check_value(form, apply(form, row.x), row.expected, tolerance);
    if (row.op != Op::isnan)
      check_value(form, apply(form, kNan<T>), kNan<T>, 0);
  }
}

template <typename T>
void check_two_and_three_arguments() {
  const T inf = kInf<T>, nan = kNan<T>, tiny = kTiny<T>, zero = 0;
  struct Case {
    Op op;
    T x, y, z, expected;
  };
  const Case cases[] = {
      {Op::min, nan, 1, 0, nan},
      {Op::min, 1, nan, 0, nan},
      {Op::min, zero, -zero, 0, -zero},
      {Op::min, -zero, zero, 0, -zero},
      {Op::min, -inf, inf, 0, -inf},
      {Op::min, -tiny, tiny, 0, -tiny},
      {Op::max, nan, 1, 0, nan},
      {Op::max, 1, nan, 0, nan},
      {Op::max, zero, -zero, 0, zero},
      {Op::max, -zero, zero, 0, zero},
      {Op::max, -inf, inf, 0, inf},
      {Op::max, -tiny, tiny, 0, tiny},
      {Op::clamp, nan, -1, 1, nan},
      {Op::clamp, 0, nan, 1, nan},
      {Op::clamp, 0, -1, nan, nan},
      {Op::clamp, inf, -1, 1, 1},
      {Op::clamp, 5, 2, 1, 1},
      {Op::clamp, -inf, -1, 1, -1},
      {Op::div, 1, zero, 0, inf},
      {Op::div, 1, -zero, 0, -inf},
      {Op::div, zero, zero, 0, nan},
      {Op::div, inf, inf, 0, nan},
      {Op::div, tiny, 2, 0, zero},
      {Op::div, -1, inf, 0, -zero},
      {Op::copysign, nan, 1, 0, nan},
      {Op::copysign, 1, -zero, 0, -1},
      {Op::copysign, -inf, tiny, 0, inf},
      {Op::fma, inf, zero, 1, nan},
      {Op::fma, inf, 1, -inf, nan},
      {Op::fma, tiny, T(0.5), zero, zero},
      {Op::fma, -zero, 1, zero, zero},
  };
  for (const Case& each : cases) {
    INFO("arguments " << each.x << ", " << each.y << ", " << each.z);
    const MathForm form{.op = each.op};
    check_value(form, apply(form, each.x, each.y, each.z), each.expected, 0);
  }
}

template <typename T>
void check_full() {
  for (const auto& rows : {exp_rows<T>(), log_rows<T>(), exact_rows<T>()})
    check_rows(rows, Accuracy::full, ir::MathMode::accurate, 0);
  check_two_and_three_arguments<T>();
}

} // namespace

TEST_CASE("special values through every f32 function give the expected ones") {
  check_full<float>();
}

TEST_CASE("special values through every f64 function give the expected ones") {
  check_full<double>();
}

TEST_CASE("special values are as expected at half accuracy and in fast mode on the host") {
  for (const auto& rows : {exp_rows<float>(), log_rows<float>(), exact_rows<float>()}) {
    check_rows(rows, Accuracy::half, ir::MathMode::accurate, 0x1p-19);
    check_rows(rows, Accuracy::full, ir::MathMode::fast, 0x1p-19);
  }
}

TEST_CASE("sigmoid keeps its relative accuracy down to subnormal results") {
  for (const Accuracy accuracy : {Accuracy::full, Accuracy::half}) {
    const MathForm form{.op = Op::sigmoid, .accuracy = accuracy};
    CHECK(apply(form, -100.0f) == static_cast<float>(std::exp(-100.0)));
    CHECK(apply(form, -103.0f) == 0x1p-149f);
    CHECK(apply(form, -104.0f) == 0.0f);
    const double exact = std::exp(-88.0) / (1 + std::exp(-88.0));
    CHECK(std::fabs(apply(form, -88.0f) - exact) <= 0x1p-18 * exact);
  }
  CHECK(apply({.op = Op::sigmoid}, -740.0) == std::exp(-740.0));
}

} // namespace swage::codegen::test
