// math_erf.cpp -- erf: a polynomial near zero, 1 - 2^p(|x|) with p = log2(erfc) beyond. erfc:
// e^(-x^2) times a polynomial in 1 / (1 + c |x|), 2 minus that below zero, 1 - erf(x) near it.
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

/// e^(x^2) erfc(x) in t = 1 / (1 + c x), x from 1/2 (0 for half, without the coefficient of 1) up
/// to where erfc is 0 in the format.
constexpr double kErfcxScaleHalf = 0.4375, kErfcxScale = 0.28125;
constexpr double kErfcxHalf[] = {0x1.f970b2p-3,  0x1.fb4ceap-3, 0x1.b748c4p-3,  0x1.c83312p-3,
                                 -0x1.1fe244p-5, 0x1.45029ap-2, -0x1.24b05cp-2, 0x1.26356p-4};
constexpr double kErfcxF32[] = {0x1.6dea02p-19, 0x1.44e52ep-3, 0x1.452372p-3,  0x1.3bcefp-3,
                                0x1.f2975ap-4,  0x1.a81c3ap-3, -0x1.28191ap-3, 0x1.0df57ap-1,
                                -0x1.efe496p-2, 0x1.a3dadp-2,  -0x1.bdd586p-4};
constexpr double kErfcxF64[] = {
    -0x1.09524819ff1b5p-40, 0x1.44f923a71d366p-3, 0x1.44f9234fad568p-3,  0x1.381ed04e59d44p-3,
    0x1.1e69a7858b2f2p-3,   0x1.f2cc4f4379017p-4, 0x1.97d22ee84fdeap-4,  0x1.37a57417d1633p-4,
    0x1.922126f66f8b3p-5,   0x1.63a0f904d8f3fp-5, -0x1.e9fde8d7d3b4cp-6, 0x1.12b588a50c33ep-3,
    -0x1.4456f1f3ae802p-2,  0x1.3b4e2c09b5edap-1, -0x1.fd687d41b359dp-1, 0x1.46db2a634d693p+0,
    -0x1.4c927552c47fap+0,  0x1.04dab99546776p+0, -0x1.2d4d4f82c2de0p-1, 0x1.e68b484dc6415p-3,
    -0x1.ffafced435636p-5,  0x1.343c64d4ca649p-7, -0x1.3534b742ecd9fp-11};

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

} // namespace

Real erfcx_denominator(Real magnitude) {
  return fma(magnitude, kErfcxScaleHalf, 1.0);
}
Real erfcx_half(Real t) {
  return t * polynomial(t, kErfcxHalf);
}

Real erfc(Real x) {
  const Form& form = x.is_double() ? kF64 : kF32;
  const Real near = 1.0 - fma(x, polynomial(x * x, form.near), x);
  const Real a = at_most(abs(x), x.is_double() ? 27.5 : 10.5);
  // A plain division: the polynomial magnifies a last bit of t.
  const Real t = 1.0 / fma(a, kErfcxScale, 1.0);
  const Real q = x.is_double() ? polynomial(t, kErfcxF64) : polynomial(t, kErfcxF32);
  const Square s = square(a);
  const Real far = scaled_negative_exp(s.high) * fma(q, -s.low, q) * 0x1p-64;
  return select(abs(x) < 0.5, near, select(x < 0.0, 2.0 - far, far));
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
