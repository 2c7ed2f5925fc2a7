// math_erf.cpp -- erf: a polynomial near zero, 1 - 2^p(|x|) with p = log2(erfc) beyond. erfc:
// e^(-x^2) times a polynomial in 1 / (1 + c |x|), 2 minus that below zero.
// Polynomials are those of scripts/minimax.py.
#include "codegen/math_functions.hpp"

namespace swage::codegen::math {
namespace {

using namespace emit;

/// erf(x) = x + x (c[0] + x^2 c[1] + ...) on [-1, 1]; kNearHalf on [-0.9, 0.9].
constexpr double kNearF32[] = {0x1.06eba8p-3, -0x1.81273ep-2,  0x1.ce2ce6p-4, -0x1.b7f71ap-6,
                               0x1.53f224p-8, -0x1.a3515ep-11, 0x1.4771fep-14};
constexpr double kNearHalf[] = {0x1.06eb68p-3, -0x1.811fc4p-2, 0x1.cd0892p-4, -0x1.a80cbcp-6,
                                0x1.ed68bcp-9};
constexpr double kNearF64[] = {
    0x1.06eba8214db68p-3,  -0x1.812746b03799ep-2,  0x1.ce2f21a03f966p-4,  -0x1.b82ce311abf07p-6,
    0x1.565bccef1cb9cp-8,  -0x1.c02daebe592b6p-11, 0x1.f9a2971afab40p-14, -0x1.f4c830479a978p-17,
    0x1.b96b2f6e78933p-20, -0x1.5b8a1e9668e43p-23, 0x1.d3c3db9c8d980p-27, -0x1.a1d242ae905adp-31};

/// log2(erfc(a)) in a - center, from 1 (0.9 for half) up to where erf is 1.
constexpr double kFarF32[] = {-0x1.025394p-11, -0x1.a0448cp+0, -0x1.d75f3ep-1, -0x1.30a496p-3,
                              0x1.0217e8p-5,   -0x1.16b198p-8, 0x1.19f1a2p-12};
constexpr double kFarHalf[] = {-0x1.6ba5c6p-7, -0x1.956c04p+0, -0x1.f9c0a0p-1, -0x1.86ab36p-4,
                               0x1.388a7cp-7};
constexpr double kFarF64[] = {
    -0x1.ef5bbc912e9e0p+2,  -0x1.97f093d6590d7p+2,  -0x1.552b38b7822e5p+0,  -0x1.85301a35f3aa3p-6,
    0x1.519c099864e8ap-8,   -0x1.14fd2b57814ccp-10, 0x1.9962a0bf25ea3p-13,  -0x1.f52fd82055b3ap-16,
    0x1.7a037543d9db8p-19,  0x1.3b74ede43bfb4p-22,  -0x1.0c4f1df534737p-22, 0x1.6623f020d2da3p-24,
    -0x1.59c20fe02c8a8p-26, 0x1.f7411a3c55e0bp-29,  -0x1.b389361422468p-32, -0x1.0ecbaffb5c207p-34,
    0x1.da58e1b7fc992p-35,  -0x1.0281430b8c428p-36, 0x1.abb8a0aa9f15dp-40};

/// e^(x^2) erfc(x) in t = 1 / (1 + c x), without a coefficient of 1, x from 0 up to where erfc is 0
/// in the format.
constexpr double kErfcxScaleHalf = 0.4375;
constexpr double kErfcxHalf[] = {0x1.f970b2p-3,  0x1.fb4ceap-3, 0x1.b748c4p-3,  0x1.c83312p-3,
                                 -0x1.1fe244p-5, 0x1.45029ap-2, -0x1.24b05cp-2, 0x1.26356p-4};
/// The same divided by t, in t - kErfcxCenter, for full accuracy: in the middle of its range the
/// polynomial neither cancels nor magnifies what t is off by.
constexpr double kErfcxScaleF32 = 0.375, kErfcxCenterF32 = 0.46875;
constexpr double kErfcxF32[] = {0x1.846958p-2,  0x1.292f92p-1,  0x1.6428fap-1,
                                0x1.3a4858p-1,  0x1.5559cep-2,  0x1.0389c4p-6,
                                -0x1.0dc658p-3, -0x1.d01846p-5, 0x1.f81352p-5};
constexpr double kErfcxScaleF64 = 0.28125, kErfcxCenterF64 = 0.5;
constexpr double kErfcxF64[] = {
    0x1.3967fa672c478p-2,  0x1.0f83b940db42cp-1,   0x1.958030e8e5fffp-1,  0x1.0204d78ef5bd8p+0,
    0x1.11cbf57050efap+0,  0x1.d0ad710549a73p-1,   0x1.1e7db672bcbd4p-1,  0x1.66e90d241f151p-3,
    -0x1.297bcc7295574p-4, -0x1.d6427060a69d0p-4,  -0x1.0005a52988842p-5, 0x1.3ae8c04494a31p-5,
    0x1.ee02ff69000a8p-6,  -0x1.590a5fa04a9d3p-7,  -0x1.38f665fcce624p-6, 0x1.4df965a638147p-9,
    0x1.7e74d640eefb3p-7,  -0x1.bf5aa68aac4d2p-11, -0x1.d2727e88d1efdp-8, 0x1.d3e2b8ad13d36p-11,
    0x1.d4548a9b55358p-9,  -0x1.ac9f69c2799e8p-11, -0x1.7758cfd7fd9c0p-11};

struct Form {
  std::span<const double> near, far;
  double split;  ///< where `far` takes over
  double end;    ///< where the result is 1
  double center; ///< of `far`
};
constexpr Form kF32 = {kNearF32, kFarF32, 1, 3.95, 0};
constexpr Form kHalf = {kNearHalf, kFarHalf, 0.9, 3.95, 0};
constexpr Form kF64 = {kNearF64, kFarF64, 1, 5.95, 2};

Real erf_by(Real x, const Form& form) {
  const Real near = fma(x, polynomial(x * x, form.near), x);
  const Real a = abs(x);
  const Real t = at_most(a, form.end) - form.center;
  const Real far = 1.0 - exp2_normal(polynomial(t, form.far));
  return select(a < form.split, near, copysign(far, x));
}

/// e^(a^2) in pieces: a^2 rounded, and the rest of it.
struct Square {
  Real high, low;
};
Square square(Real a) {
  const Real high = a * a;
  return {high, fma(a, a, -high)};
}

/// e^(a^2) erfc(a), to a little more than the format holds.
Pair erfcx_pair(Real a) {
  const bool is_double = a.is_double();
  const double scale = is_double ? kErfcxScaleF64 : kErfcxScaleF32;
  const std::span<const double> c = is_double ? std::span<const double>(kErfcxF64) : kErfcxF32;
  const Real d = fma(a, scale, 1.0);
  const Real t = power_over(1, d);
  // 1 + scale a is d + rest: the true t is t (1 + e).
  const Real rest = fma(a, scale, 1.0 - d);
  const Real e = fma(-rest, t, fma(-d, t, 1.0));
  const Real s = t - (is_double ? kErfcxCenterF64 : kErfcxCenterF32);
  const Real slope = polynomial(s, c.subspan(1));
  const Real p = fma(s, slope, c[0]);
  const Real p_rest = fma(s, slope, c[0] - p);
  const Real high = p * t;
  // A relative change e of t changes the result by about (1 + 2 t) e.
  const Real by_t = fma(e + e, t, e);
  return {high, fma(by_t, high, fma(p_rest, t, fma(p, t, -high)))};
}

} // namespace

Real erfcx_denominator(Real magnitude) {
  return fma(magnitude, kErfcxScaleHalf, 1.0);
}
Real erfcx_half(Real t) {
  return t * polynomial(t, kErfcxHalf);
}

Real erfc(Real x) {
  const Real a = at_most(abs(x), x.is_double() ? 27.3 : 10.1);
  const Pair erfcx = erfcx_pair(a);
  const Square s = square(a);
  const NegativeExp e = scaled_negative_exp(s.high, s.low);
  // Large terms last: of all that is added, one rounding is of the size of the result.
  const Real sum = erfcx.high + fma(erfcx.high, e.expm1, erfcx.low);
  const Real far = sum * e.scale * 0x1p-64;
  return select(x < 0.0, 2.0 - far, far);
}

Real erfc_half(Real x) {
  const Real a = at_most(abs(x), 10.5);
  const Real q = erfcx_half(1.0 / erfcx_denominator(a));
  const Square s = square(a);
  const Real far = scaled_negative_exp_half(s.high) * fma(q, -s.low, q) * 0x1p-64;
  return select(x < 0.0, 2.0 - far, far);
}

Factors erfc_half_factors(Real x) {
  const Real a = at_most(abs(x), 15);
  const Real q = erfcx_half(1.0 / erfcx_denominator(a));
  const Square s = square(a);
  const Real h = negative_exp_root_half(s.high);
  const Real inner = h * fma(q, -s.low, q);
  return {select(x < 0.0, 2.0 - h * inner, h), select(x < 0.0, 1.0, inner)};
}

Real erf(Real x) {
  return erf_by(x, x.is_double() ? kF64 : kF32);
}
Real erf_half(Real x) {
  return erf_by(x, kHalf);
}

} // namespace swage::codegen::math
