// arithmetic.hpp -- the op table's evaluation columns as functions: one meaning for the evaluator
// and for constant folding.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ir/ops.hpp"
#include "swage/dtype.hpp"

namespace swage::ir::eval {

/// What a column yields where the rule of an operation admits no such operands.
struct None {};
inline constexpr None none;

/// The smaller of both; NaN if either is, and -0 below +0.
template <class Real>
Real minimum(Real a, Real b) noexcept {
  if (a < b || std::isnan(a))
    return a;
  return a == b && std::signbit(a) ? a : b;
}

/// The larger of both; NaN if either is, and +0 above -0.
template <class Real>
Real maximum(Real a, Real b) noexcept {
  if (a > b || std::isnan(a))
    return a;
  return a == b && !std::signbit(a) ? a : b;
}

/// 1 / (1 + exp(-x)), the exponential always of -|x| so that it cannot overflow. As the real
/// function, it is 1/2 at 0 alone and 1 at infinity alone: x times exactly 1/2 or 1 may be a tie,
/// which silu(x) is not.
template <class Real>
Real sigmoid(Real x) noexcept {
  const Real e = std::exp(-std::abs(x));
  const Real s = (x < 0 ? e : Real(1)) / (1 + e);
  if (s == Real(0.5) && x != 0)
    return std::nextafter(s, x < 0 ? Real(0) : Real(1));
  return s == 1 && std::isfinite(x) ? std::nextafter(s, Real(0)) : s;
}

/// The smallest power of two of e8m0 that is at least x; of 0 the smallest there is. NaN where x is
/// negative or beyond the largest.
template <class Real>
Real power_above(Real x) noexcept {
  if (!(x >= 0 && x <= Real(0x1p127)))
    return std::numeric_limits<Real>::quiet_NaN();
  if (x <= Real(0x1p-127L))
    return Real(0x1p-127L);
  int exponent = 0;
  const Real fraction = std::frexp(x, &exponent); // in [1/2, 1)
  return std::ldexp(Real(1), fraction == Real(0.5) ? exponent - 1 : exponent);
}

/// The largest power of two of e8m0 that is at most x; of what is less than the smallest, that. NaN
/// where x is negative or infinite.
template <class Real>
Real power_below(Real x) noexcept {
  if (!(x >= 0 && x < std::numeric_limits<Real>::infinity()))
    return std::numeric_limits<Real>::quiet_NaN();
  if (x <= Real(0x1p-127L))
    return Real(0x1p-127L);
  if (x >= Real(0x1p127))
    return Real(0x1p127);
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(Real(1), exponent - 1);
}

inline std::int64_t wrap_add(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrap_sub(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
inline std::int64_t wrap_mul(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
inline std::int64_t wrap_abs(std::int64_t a) noexcept {
  return a < 0 ? wrap_sub(0, a) : a;
}

/// Toward zero; division by zero gives 0, and the one quotient that does not fit wraps.
inline std::int64_t int_div(std::int64_t a, std::int64_t b) noexcept {
  if (b == 0)
    return 0;
  return b == -1 ? wrap_sub(0, a) : a / b;
}

inline std::int64_t int_clamp(std::int64_t a, std::int64_t b, std::int64_t c) noexcept {
  const std::int64_t raised = a > b ? a : b;
  return raised < c ? raised : c;
}

/// `value` modulo 2^width in the range of integer type `type`; for bool, whether it is not zero.
constexpr std::int64_t wrap(DType type, std::int64_t value) noexcept {
  switch (type) {
  case DType::boolean: return value != 0;
  case DType::i8: return static_cast<std::int8_t>(value);
  case DType::u8: return static_cast<std::uint8_t>(value);
  case DType::i16: return static_cast<std::int16_t>(value);
  case DType::i32: return static_cast<std::int32_t>(value);
  default: return value;
  }
}

/// `value` toward zero, saturated at the bounds of integer type `type`; NaN gives 0.
template <class Real>
std::int64_t saturate(DType type, Real value) noexcept {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  const std::int64_t high = type == DType::u8 ? 255 : max >> (64 - 8 * size_of(type));
  const std::int64_t low = type == DType::u8 ? 0 : -high - 1;
  if (std::isnan(value))
    return 0;
  if (value >= static_cast<Real>(high))
    return high;
  return value <= static_cast<Real>(low) ? low : static_cast<std::int64_t>(value);
}

/// Whether IEEE 754 defines the result to the bit, so that the compute type itself folds it. The
/// other functions are folded in the next wider type and rounded once.
inline bool is_exactly_rounded(Op op) noexcept {
  return info(op).error.f32 <= 0.5;
}

/// Calls `visit(f)`, f(a, b, c) being the `real` column of `op`: gives a Real, a bool or None.
template <class Real, class Visit>
decltype(auto) with_real(Op op, Visit&& visit) {
  switch (op) {
#define SWAGE_OP(id, spelling, form, arity, rule, real, integer, ...)                              \
  case Op::id:                                                                                     \
    return visit([]([[maybe_unused]] Real a, [[maybe_unused]] Real b, [[maybe_unused]] Real c) {   \
      return real;                                                                                 \
    });
#include "ir/ops.def"
  }
  return visit([](Real, Real, Real) { return none; });
}

/// Calls `visit(f)`, f(a, b, c) being the `integer` column of `op`: gives an integer, a bool or
/// None. The result is exact modulo 2^64 and still has to be wrapped to its type.
template <class Visit>
decltype(auto) with_integer(Op op, Visit&& visit) {
  using Int = std::int64_t;
  switch (op) {
#define SWAGE_OP(id, spelling, form, arity, rule, real, integer, ...)                              \
  case Op::id:                                                                                     \
    return visit([]([[maybe_unused]] Int a, [[maybe_unused]] Int b, [[maybe_unused]] Int c) {      \
      return integer;                                                                              \
    });
#include "ir/ops.def"
  }
  return visit([](Int, Int, Int) { return none; });
}

} // namespace swage::ir::eval
