// math_pow.cpp -- pow as 2^(y log2 |x|), the logarithm and the product in twice the precision.
//
// |x| = 2^e m, s = (m - 1) / (m + 1), log2 m = s (c0 + s^2 (c1 + s^2 p(s^2))): s, c0, c1 and the
// sums are pairs; what p adds is small enough for single precision. Polynomials are those of
// scripts/minimax.py.
#include <limits>

#include "codegen/math_functions.hpp"

namespace swage::codegen::math {
namespace {

using namespace emit;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Form {
  Split c0, c1; ///< 2 / ln 2 and a third of it
  std::span<const double> p;
  double limit; ///< of |y log2 x|: results beyond are inf or 0
};
constexpr double kPowF32[] = {0x1.27770ep-1, 0x1.a5bbfap-2, 0x1.59ee04p-2};
constexpr double kPowF64[] = {0x1.2776c50ef9d24p-1, 0x1.a61762a759841p-2, 0x1.484b142199341p-2,
                              0x1.0c9a63d6a9911p-2, 0x1.c69f8c22cd65cp-3, 0x1.87b0c0598021bp-3,
                              0x1.85e92cac88af7p-3};
constexpr Form kF32 = {
    {0x1.715476p+1, 0x1.4ae0c0p-25}, {0x1.ec709ep-1, -0x1.e2fe02p-28}, kPowF32, 160};
constexpr Form kF64 = {{0x1.71547652b82fep+1, 0x1.777d0ffda0d24p-55},
                       {0x1.ec709dc3a03fdp-1, 0x1.d27f05548af0cp-55},
                       kPowF64,
                       1100};

/// (a.high + a.low) (b.high + b.low), to about twice the precision.
Pair product(Pair a, Pair b) {
  const Pair high = two_product(a.high, b.high);
  return {high.high, fma(a.high, b.low, fma(a.low, b.high, high.low))};
}

/// c + small, for a constant pair c well above `small`.
Pair add(Split c, Pair small) {
  const Pair sum = fast_two_sum(small.high.constant(c.high), small.high);
  return {sum.high, sum.low + (small.low + c.low)};
}

/// f / (f + 2) for f = m - 1.
Pair quotient(Real m) {
  const Real f = m - 1.0;
  const Real t = m + 1.0;
  const Real t_low = m - (t - 1.0);
  const Real inverse = power_over(1, t);
  const Real s = f * inverse;
  return {s, fma(-s, t_low, fma(-s, t, f)) * inverse};
}

/// log2 of a finite positive number.
Pair log2_pair(Real a) {
  const Form& form = a.is_double() ? kF64 : kF32;
  const FloatParts parts = split_float(a);
  const Pair s = quotient(parts.mantissa);
  const Pair z = product(s, s);
  const Real tail = z.high * polynomial(z.high, form.p);
  const Pair inner = add(form.c1, {tail, a.constant(0)});
  const Pair log2_m = product(s, add(form.c0, product(z, inner)));
  const Pair sum = fast_two_sum(parts.exponent, log2_m.high);
  return fast_two_sum(sum.high, sum.low + log2_m.low);
}

/// 2^(p.high + p.low), p.high unbounded.
Real exp2_of(Pair p) {
  const double limit = p.high.is_double() ? kF64.limit : kF32.limit;
  // Far out the low part is nothing, and may be inf - inf.
  const Real low = select(abs(p.high) < limit, p.low, 0.0);
  return exp2_sum(p.high, low);
}

} // namespace

Real pow(Real x, Real y) {
  const Real a = abs(x);
  const Pair log = log2_pair(a);
  const Real at_ends = select(a == 0.0, -kInfinity, a); // inf and NaN stand for themselves
  const Mask inside = (a > 0.0) & (a < kInfinity);
  const Real high = select(inside, log.high, at_ends);
  const Pair exponent = two_product(y, high);
  const Real magnitude =
      exp2_of({exponent.high, fma(y, select(inside, log.low, 0.0), exponent.low)});

  // The sign of a power of a negative base, zero included, is that of an odd integer exponent.
  const Mask integral = unary(llvm::Intrinsic::trunc, y) == y;
  const Real half = y * 0.5;
  const Mask odd = integral & !(unary(llvm::Intrinsic::trunc, half) == half);
  const Real with_sign = select(odd, copysign(magnitude, x), magnitude);
  const Real in_domain = select((x < 0.0) & (x > -kInfinity) & !integral, kNan, with_sign);
  const Mask one = (x == 1.0) | (y == 0.0) | ((x == -1.0) & (abs(y) == kInfinity));
  return select(one, 1.0, in_domain);
}

} // namespace swage::codegen::math
