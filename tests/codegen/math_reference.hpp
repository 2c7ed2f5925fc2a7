// math_reference.hpp -- the one-argument functions with their bounds, and exact values to hold them
// to.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "ir/ops.hpp"

namespace swage::codegen::test {

/// A function, its stated bounds in ulp (docs/numbers.md), and references of rising precision.
struct FunctionCase {
  ir::Op op;
  double bound_f32, bound_f64;
  double (*in_double)(double);
  long double (*in_long_double)(long double);
};
std::span<const FunctionCase> one_argument_functions();
const FunctionCase& function_case(ir::Op op);

/// The error of `got` as a multiple of the unit in the last place of T at `exact`; infinite where
/// NaN, an infinity or the sign of a zero is not as it should be. A result that overflowed counts
/// as the power of two after the largest number.
template <typename T, typename Wide>
double ulp_error(T got, Wide exact) {
  using Limits = std::numeric_limits<T>;
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got))
    return std::isnan(exact) == std::isnan(got) ? 0 : kWrong;
  if (std::isinf(exact))
    return static_cast<Wide>(got) == exact ? 0 : kWrong;
  if (exact == 0)
    return got == 0 && std::signbit(got) == std::signbit(exact) ? 0 : kWrong;
  const Wide limit = std::ldexp(Wide(1), Limits::max_exponent);
  const auto bounded = [&](Wide x) { return std::fabs(x) > limit ? std::copysign(limit, x) : x; };
  const int exponent = std::max(std::ilogb(bounded(exact)), Limits::min_exponent - 1);
  const Wide ulp =
      std::ldexp(Wide(1), std::min(exponent, Limits::max_exponent - 1) - (Limits::digits - 1));
  return static_cast<double>(std::fabs(bounded(static_cast<Wide>(got)) - bounded(exact)) / ulp);
}

/// The error in ulp against MPFR at 200 bits, for every function of one or two arguments that is
/// not exact.
double exact_ulp_error(ir::Op op, double x, double y, double got);

} // namespace swage::codegen::test
