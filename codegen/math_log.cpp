// math_log.cpp -- log, log2 and log1p.
//
// x = 2^e m with m in [sqrt(1/2), sqrt(2)), and log m = f + w with f = m - 1 and a small tail w, so
// that results near zero (x near 1) are as accurate as f. Polynomials are those of
// scripts/minimax.py.
#include <limits>

#include "codegen/math_functions.hpp"

namespace swage::codegen::math {
namespace {

using namespace emit;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// log(1 + f) = f + f^2 (c[0] + f c[1] + ...)
constexpr double kLogF32[] = {-0.5,           0x1.555554p-2,  -0x1.000226p-2,
                              0x1.99a01cp-3,  -0x1.54728cp-3, 0x1.22d934p-3,
                              -0x1.0d8230p-3, 0x1.055e7ap-3,  -0x1.38c962p-4};
/// 2 atanh(s) = 2 s + s^3 (c[0] + s^2 c[1] + ...)
constexpr double kLogF64[] = {0x1.5555555555592p-1, 0x1.999999997ff19p-2, 0x1.24924941e157bp-2,
                              0x1.c71c52144ef6ep-3, 0x1.74663cedbb138p-3, 0x1.39a1e8c6df053p-3,
                              0x1.2f03b9fbbf8b1p-3};

constexpr Split kLog2eF32 = {0x1.715476p+0, 0x1.4ae0c0p-26};
constexpr Split kLog2eF64 = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

/// x = 2^exponent * mantissa, for positive and finite x.
struct Parts {
  Real exponent, mantissa;
  Bits biased; ///< exponent plus the format's bias
};

/// `offset` is added to the exponent.
Parts split(Real x, Real offset) {
  const bool wide = x.is_double();
  const unsigned shift = wide ? 52 : 23;
  const std::uint64_t sqrt_half = wide ? 0x3fe6a09e667f3bcdull : 0x3f3504f3u;
  const std::uint64_t one = wide ? 0x3ff0000000000000ull : 0x3f800000u;
  const Bits shifted = x.bits() + (one - sqrt_half);
  const Bits biased = shifted >> shift;
  const Bits rest = shifted & ((std::uint64_t{1} << shift) - 1);
  // The integer as the low bits of a large number: no conversion instruction is needed.
  const Bits magic = x.constant(wide ? 0x1.8p52 : 0x1.8p23).bits();
  return {(biased + magic).real() - offset, (rest + sqrt_half).real(), biased};
}

double plain_offset(Real x) {
  return x.is_double() ? 0x1.8p52 + 1023 : 0x1.8p23 + 127;
}

/// w of log(1 + f) = f + w.
Real log_tail(Real f) {
  if (!f.is_double())
    return f * f * polynomial(f, kLogF32);
  const Real s = f / (f + 2.0);
  const Real z = s * s;
  const Real half_square = f * f * 0.5;
  return fma(s, fma(z, polynomial(z, kLogF64), half_square), -half_square);
}

/// exponent * ln 2 + log(1 + f).
Real log_of(Real exponent, Real f) {
  const Split ln2 = f.is_double() ? kLn2F64 : kLn2F32;
  return fma(exponent, ln2.high, f + fma(exponent, ln2.low, log_tail(f)));
}

/// The values at the ends of log's domain: NaN below zero, `at_zero` -inf, inf and NaN as they are.
Real with_specials(Real x, Real distance_from_pole, Real result) {
  const Real finite = select(x < kInfinity, result, x);
  const Real positive = select(distance_from_pole < 0.0, kNan, finite);
  return select(distance_from_pole == 0.0, -kInfinity, positive);
}

} // namespace

FloatParts split_float(Real x) {
  const bool wide = x.is_double();
  const Mask tiny = x < (wide ? 0x1p-1022 : 0x1p-126);
  const double digits = wide ? 54 : 25;
  const Real offset = select(tiny, x.constant(plain_offset(x) + digits), plain_offset(x));
  const Parts parts = split(select(tiny, x * (wide ? 0x1p54 : 0x1p25), x), offset);
  return {parts.exponent, parts.mantissa};
}

Real log(Real x) {
  const FloatParts parts = split_float(x);
  return with_specials(x, x, log_of(parts.exponent, parts.mantissa - 1.0));
}

Real log2(Real x) {
  const FloatParts parts = split_float(x);
  const Real f = parts.mantissa - 1.0;
  const Split scale = x.is_double() ? kLog2eF64 : kLog2eF32;
  // f * log2(e) exactly as a pair; the rest is small beside it.
  const Real high = f * scale.high;
  const Real low = fma(log_tail(f), scale.high, fma(f, scale.low, fma(f, scale.high, -high)));
  const Pair sum = fast_two_sum(parts.exponent, high);
  return with_specials(x, x, sum.high + (sum.low + low));
}

Real log1p(Real x) {
  const Real one = x.constant(1);
  const Pair u = two_sum(one, x);
  const Parts parts = split(u.high, x.constant(plain_offset(x)));
  // What rounding 1 + x lost belongs to the mantissa, on its scale; past 2^60 it is nothing, and
  // the scale would leave the range.
  const unsigned shift = x.is_double() ? 52 : 23;
  const std::uint64_t twice_bias = x.is_double() ? 2046 : 254;
  const Real scale = ((parts.biased.constant(twice_bias) - parts.biased) << shift).real();
  const Real lost = select(x < 0x1p60, u.low * scale, 0.0);
  const Real f = (parts.mantissa - 1.0) + lost;
  const Real result = select(x == 0.0, x, log_of(parts.exponent, f));
  return with_specials(x, x + 1.0, result);
}

} // namespace swage::codegen::math
