// math_exp.cpp -- exp, exp2, expm1, and sigmoid and tanh, which are made of them.
//
// All start from x = n ln 2 + r with an integer n and |r| <= ln 2 / 2. Adding 1.5 * 2^(mantissa
// bits) rounds to that integer and leaves it, plus any small bias, in the low bits of the sum,
// where a shift turns it into the exponent of a scale factor: no conversion instruction is needed.
// Polynomials are those of scripts/minimax.py.
#include "codegen/math_functions.hpp"

namespace swage::codegen::math {
namespace {

using namespace emit;

constexpr double kLog2e = 0x1.71547652b82fep+0;
constexpr double kLog2eF32 = 0x1.715476p+0;

/// e^r = 1 + r + r^2 c[2] + ...
constexpr double kExpF32[] = {
    1, 1, 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558b0p-5, 0x1.12399cp-7, 0x1.6a4ecap-10};
constexpr double kExpF64[] = {1,
                              1,
                              0x1.000000000000ap-1,
                              0x1.555555555550ap-3,
                              0x1.5555555550771p-5,
                              0x1.1111111124cdcp-7,
                              0x1.6c16c18446d10p-10,
                              0x1.a01a01369560ep-13,
                              0x1.a01999e2069eap-16,
                              0x1.71df0f608cdd4p-19,
                              0x1.28ad8a283816bp-22,
                              0x1.ad9c3c53ad03dp-26};
/// 2^f on [-1/2, 1/2].
constexpr double kExp2F32[] = {
    1, 0x1.62e430p-1, 0x1.ebfbdcp-3, 0x1.c6af7ap-5, 0x1.3b2ddap-7, 0x1.5f0986p-10, 0x1.4173b0p-13};
constexpr double kExp2F64[] = {1,
                               0x1.62e42fefa39efp-1,
                               0x1.ebfbdff82c59dp-3,
                               0x1.c6b08d704a0ddp-5,
                               0x1.3b2ab6fba100cp-7,
                               0x1.5d87fe78b20fdp-10,
                               0x1.4309130c53d6ep-13,
                               0x1.ffcbfbffefd4cp-17,
                               0x1.62bfcd217a8dfp-20,
                               0x1.b526002cec4ccp-24,
                               0x1.e612d59161116p-28,
                               0x1.e821a3d3169cbp-32};
constexpr double kExp2Half[] = {
    1, 0x1.62e42ap-1, 0x1.ebf9c2p-3, 0x1.c6b642p-5, 0x1.3cea56p-7, 0x1.5c4556p-10};
/// e^r = a / (a - r), a = c[0] + r / 2 + r^2 c[2], to 2^-21.1.
constexpr double kExpRatio[] = {0x1.00006ap+0, 0.5, 0x1.547a02p-4};
/// tanh x = x + x^3 (c[0] + x^2 c[1] + ...) on [-1/2, 1/2].
constexpr double kTanhHalf[] = {-0x1.554630p-2, 0x1.0e4022p-3, -0x1.6bf698p-5};
/// e^r - 1 = r + r^2 (c[0] + r c[1] + ...)
constexpr double kExpm1F32[] = {0.5,           0x1.555554p-3,  0x1.5554f8p-5,
                                0x1.1112d8p-7, 0x1.6d3a5cp-10, 0x1.9e71dcp-13};
constexpr double kExpm1F64[] = {0.5,
                                0x1.5555555555559p-3,
                                0x1.5555555555558p-5,
                                0x1.111111110f702p-7,
                                0x1.6c16c16c1701bp-10,
                                0x1.a01a01afa354ap-13,
                                0x1.a01a019bd4e3ep-16,
                                0x1.71ddf91f36978p-19,
                                0x1.27e4fdb55b6f7p-22,
                                0x1.af5d3e1df6257p-26,
                                0x1.1f31e2e75615dp-29};

template <std::size_t N, std::size_t M>
Real polynomial_of(Real x, const double (&f32)[N], const double (&f64)[M]) {
  return x.is_double() ? polynomial(x, f64) : polynomial(x, f32);
}

unsigned mantissa_bits(Real x) {
  return x.is_double() ? 52 : 23;
}
int exponent_bias(Real x) {
  return x.is_double() ? 1023 : 127;
}
double log2e(Real x) {
  return x.is_double() ? kLog2e : kLog2eF32;
}

/// The nearest integer to some value, as a number and, with a bias added, in the low bits of
/// `biased`.
struct Rounded {
  Real integer;
  Bits biased;
};

double rounder(Real x, int bias) {
  return (x.is_double() ? 0x1.8p52 : 0x1.8p23) + bias;
}

/// From a sum with `rounder`.
Rounded rounded(Real sum, double magic) {
  return {sum - magic, sum.bits()};
}

Rounded nearest(Real x, int bias) {
  const double magic = rounder(x, bias);
  return rounded(x + magic, magic);
}

/// x = n ln 2 + r.
struct Reduced {
  Rounded n;
  Real r;
};

Reduced reduce(Real x, int bias) {
  const double magic = rounder(x, bias);
  const Rounded n = rounded(fma(x, log2e(x), magic), magic);
  // With one fma the first step is exact: n * high and x are multiples of a unit in the last place
  // of one of them, and their difference is small.
  const Split ln2 = x.is_double() ? kLn2F64 : kLn2F32;
  return {n, fma(n.integer, -ln2.low, fma(n.integer, -ln2.high, x))};
}

/// The power of two whose biased exponent is in the low bits.
Real power_of_two(Bits biased_exponent, Real like) {
  return (biased_exponent << mantissa_bits(like)).real();
}

/// p 2^n from n + 2 * exponent_bias, for every n from twice the least to twice the largest
/// exponent: two factors, the first of which keeps p normal, so that a subnormal result is rounded
/// once.
Real scaled(Real p, Bits biased) {
  const Bits half = biased >> 1;
  return p * power_of_two(half, p) * power_of_two(biased - half, p);
}

/// Where the results of exp and exp2 are inf and 0 for sure, so that n stays within range.
ClampRange exp_range(Real x) {
  return x.is_double() ? ClampRange{-746, 710} : ClampRange{-104, 89};
}
ClampRange exp2_range(Real x) {
  return x.is_double() ? ClampRange{-1080, 1025} : ClampRange{-151, 129};
}

Real clamped(Real x, ClampRange range) {
  return at_least(at_most(x, range.high), range.low);
}

/// e^r - 1 for a reduced r, with full relative accuracy.
Real expm1_reduced(Real r) {
  return fma(r * r, polynomial_of(r, kExpm1F32, kExpm1F64), r);
}

/// 2^64 e^-(scale |x|) in f32 to 2^-19.5, by the coefficients of 2^f on [-1/2, 1/2]; `scale` is a
/// power of two.
Real scaled_negative_exp_by(Real x, std::span<const double> exp2, double scale = 1) {
  const Real a = at_least(-abs(x), exp_range(x).low / scale);
  const double magic = rounder(x, exponent_bias(x) + 64);
  const Rounded n = rounded(fma(a, scale * kLog2eF32, magic), magic);
  const Real p = polynomial_of_pairs(fma(a, scale * kLog2eF32, -n.integer), exp2);
  return p * power_of_two(n.biased, p);
}

// At half accuracy sigmoid is e / (1 + e), e = e^x = 2^n a / b: 2^n a / (2^n a + b). Both are made
// 2^64 times as large, so that 2^n a is normal wherever the result is more than 0 and the quotient
// alone is rounded to a subnormal number.
constexpr int kSigmoidScale = 64;

/// 2^64 e^x = above / below, to 2^-20.4, of a clamped x. Cheaper than a polynomial where a division
/// follows. Of NaN `below` is NaN.
struct ExpRatio {
  Real above, below;
};

ExpRatio scaled_exp_ratio(Real x) {
  const double magic = rounder(x, kSigmoidScale);
  const Rounded n = rounded(fma(x, kLog2eF32, magic), magic);
  // ln 2 in f32 is off by 2^-29, so that one step is enough.
  const Real r = fma(n.integer, -kLn2F32.high, x);
  const Real a = polynomial(r, kExpRatio);
  return {(a.bits() + (n.biased << mantissa_bits(x))).real(), a - r};
}

/// f32 2^f for x = n + f, to about 2^-23.
Real exp2_half_scaled(Real f, Bits biased) {
  return scaled(polynomial_of_pairs(f, kExp2Half), biased);
}

} // namespace

Real clamped_number(Real x, ClampRange range) {
  const Bits below = signed_min(x.bits(), x.constant(range.high).bits());
  return unsigned_min(below, x.constant(range.low).bits()).real();
}

NegativeExp scaled_negative_exp(Real x, Real low) {
  const double magic = rounder(x, exponent_bias(x) + 64);
  const Rounded n = rounded(fma(x, -log2e(x), magic), magic);
  const Split ln2 = x.is_double() ? kLn2F64 : kLn2F32;
  // The first fma is exact, as in `reduce`; what is small is added up before.
  const Real r = fma(n.integer, -ln2.high, -x) + fma(n.integer, -ln2.low, -low);
  const std::span<const double> c = x.is_double() ? std::span<const double>(kExpF64) : kExpF32;
  return {fma(r * r, polynomial(r, c.subspan(2)), r), power_of_two(n.biased, x)};
}

Real scaled_negative_exp_half(Real x) {
  return scaled_negative_exp_by(x, kExp2Half);
}

Real negative_exp_root_half(Real x) {
  return scaled_negative_exp_by(x, kExp2Half, 0.5) * 0x1p-64;
}

Real exp(Real x) {
  const Real a = clamped(x, exp_range(x));
  const Reduced reduced = reduce(a, 2 * exponent_bias(x));
  return scaled(polynomial_of(reduced.r, kExpF32, kExpF64), reduced.n.biased);
}

Real exp_half(Real x) {
  // x log2(e) is reduced with one fma: the rounding of the constant alone stays, 1.4e-8 |x|.
  const Real a = clamped(x, exp_range(x));
  const double magic = rounder(x, 2 * exponent_bias(x));
  const Rounded n = rounded(fma(a, kLog2eF32, magic), magic);
  return exp2_half_scaled(fma(a, kLog2eF32, -n.integer), n.biased);
}

Real exp2(Real x) {
  const Real a = clamped(x, exp2_range(x));
  const Rounded n = nearest(a, 2 * exponent_bias(x));
  return scaled(polynomial_of(a - n.integer, kExp2F32, kExp2F64), n.biased);
}

Real exp2_sum(Real x, Real low) {
  const Real a = clamped(x, exp2_range(x));
  const Rounded n = nearest(a, 2 * exponent_bias(x));
  return scaled(polynomial_of((a - n.integer) + low, kExp2F32, kExp2F64), n.biased);
}

Real exp2_normal(Real x) {
  const Rounded n = nearest(x, exponent_bias(x));
  const Real f = x - n.integer;
  return polynomial_of(f, kExp2Half, kExp2F64) * power_of_two(n.biased, x);
}

Real exp2_half(Real x) {
  const Real a = clamped(x, exp2_range(x));
  const Rounded n = nearest(a, 2 * exponent_bias(x));
  return exp2_half_scaled(a - n.integer, n.biased);
}

Real expm1(Real x) {
  // 2^n q + (2^n - 1), q = e^r - 1, at half size so that 2^n does not overflow before the result.
  const Real a = clamped(x, x.is_double() ? ClampRange{-50, 710} : ClampRange{-30, 89});
  const Reduced reduced = reduce(a, exponent_bias(x) - 1);
  const Real scale = power_of_two(reduced.n.biased, x);
  const Real half = fma(scale, expm1_reduced(reduced.r), scale - 0.5);
  // Halving would lose bits of subnormal numbers; x is the result there, and the sign of zero.
  const double tiny = x.is_double() ? 0x1p-54 : 0x1p-25;
  return select(abs(x) < tiny, x, half + half);
}

Real sigmoid(Real x) {
  // 1 / (1 + e^-x) with both terms of the sum 2^-64 times as large, so that it is normal for every
  // result, and a reciprocal of it too: the last step alone rounds to a subnormal number.
  constexpr double kScale = 0x1p-64;
  const Real a = clamped(x, {exp_range(x).low, 40});
  const Reduced reduced = reduce(-a, exponent_bias(x) - 64);
  const Real p = polynomial_of(reduced.r, kExpF32, kExpF64);
  return power_over(kScale, fma(p, power_of_two(reduced.n.biased, p), kScale));
}

Real sigmoid_half(Real x) {
  const ExpRatio e = scaled_exp_ratio(clamped(x, kSigmoidRange));
  return e.above / fma(e.below, 0x1p64, e.above);
}

Real sigmoid_half_of_number(Real x) {
  const ExpRatio e = scaled_exp_ratio(x);
  return e.above / fma(e.below, 0x1p64, e.above);
}

Real sigmoid_half_of_silu(Real x, bool is_bf16) {
  const ExpRatio e = scaled_exp_ratio(x);
  const Bits one = x.constant(0x1p64).bits();
  // Off 1/2 to the side of x: the 1 of 1 + e is too small or too large by 2^-22.
  const Real off = select(is_negative(x.bits()), (one + 2).real(), (one - 4).real());
  return e.above / fma(e.below, is_bf16 ? off : one.real(), e.above);
}

Real tanh(Real x) {
  // tanh |x| = -m / (m + 2), m = e^(-2|x|) - 1: no overflow, and m keeps its relative accuracy.
  const Real a = at_least(abs(x) * -2.0, x.is_double() ? -80 : -40);
  const Reduced reduced = reduce(a, exponent_bias(x));
  const Real scale = power_of_two(reduced.n.biased, x);
  const Real m = fma(scale, expm1_reduced(reduced.r), scale - 1.0);
  return copysign(divide_in_range(m, m + 2.0), x);
}

Real tanh_half(Real x) {
  // As above with 2^f - 1 = f P(f) for e^r - 1.
  const Real a = at_least(-abs(x), -20);
  const double magic = rounder(x, exponent_bias(x));
  const Rounded n = rounded(fma(a, 2 * kLog2eF32, magic), magic);
  const Real f = fma(a, 2 * kLog2eF32, -n.integer);
  const Real scale = power_of_two(n.biased, x);
  const Real m = fma(scale, f * polynomial(f, std::span(kExp2Half).subspan(1)), scale - 1.0);
  return copysign(divide_in_range(m, m + 2.0), x);
}

Real tanh_near_zero(Real x) {
  const Real z = x * x;
  return fma(x * z, polynomial(z, kTanhHalf), x);
}

} // namespace swage::codegen::math
