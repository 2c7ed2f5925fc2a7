// math_nvptx.cpp -- f32 functions on the approximations that NVIDIA GPUs have in hardware.
//
// Errors as PTX states them: ex2 2^-22.5, lg2 2^-22 absolute near 1 and relative elsewhere, rcp
// 1 ulp, div.full 2 ulp, sqrt and rsqrt 2^-22.9, tanh 2^-11, sin and cos 2^-20.5 absolute within
// [-pi, pi].

#include "codegen/math_nvptx.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/math_functions.hpp"
#include "codegen/quotient.hpp"

namespace swage::codegen::math {
namespace nvptx {
namespace {

using namespace emit;
namespace Intrinsic = llvm::Intrinsic;

constexpr double kLog2e = 0x1.715476p+0; // 0f3FB8AA3B
constexpr double kLn2 = 0x1.62e43p-1;

/// sigmoid from e = e^-|x|. 1 + e lies in [1, 2], so the reciprocal neither meets nor makes a
/// subnormal number; the numerator e keeps results down to the subnormal ones.
/// `one` is 1, or the number above it to keep the result below 1.
Real sigmoid_from(Real x, Real e, double one = 1) {
  return select(x < 0.0, e, 1.0) * rcp(e + one);
}

/// The same in two factors, from h = e^-(|x| / 2).
Factors factors_from(Real x, Real h, double one = 1) {
  const Real root = select(x < 0.0, h, 1.0);
  return {root, root * rcp(fma(h, h, one))};
}

/// e^(x^2) erfc(x) for x >= 0.
Real erfcx(Real x) {
  return erfcx_half(rcp(erfcx_denominator(x)));
}

} // namespace

Real ex2(Real x, bool flush) {
  return by_lane(x, [&](llvm::Value* lane) { return compat::ex2_approx(*x.b, lane, flush); });
}
Real rcp(Real x) {
  return call(Intrinsic::nvvm_rcp_approx_ftz_f, x);
}
Real call(Intrinsic::ID id, Real x) {
  return by_lane(x, [&](llvm::Value* lane) { return x.b->CreateIntrinsic(id, {}, {lane}); });
}

Real exp(Real x, bool flush) {
  return ex2(x * kLog2e, flush);
}
Real exp_half(Real x) {
  // The root of a subnormal result is normal, so the instruction may flush. Where it may not, the
  // assembler compares every operand, halves those below -126 and squares their results.
  const Real root = ex2(x * (kLog2e / 2), true);
  return root * root;
}
Real exp2(Real x, bool flush) {
  return ex2(x, flush);
}

Real log2(Real x) {
  return call(Intrinsic::nvvm_lg2_approx_ftz_f, x);
}
Real log(Real x) {
  return log2(x) * kLn2;
}

Real sqrt(Real x, bool flush) {
  return call(flush ? Intrinsic::nvvm_sqrt_approx_ftz_f : Intrinsic::nvvm_sqrt_approx_f, x);
}
Real rsqrt(Real x, bool flush) {
  return call(flush ? Intrinsic::nvvm_rsqrt_approx_ftz_f : Intrinsic::nvvm_rsqrt_approx_f, x);
}
Real sin_fast(Real x) {
  return call(Intrinsic::nvvm_sin_approx_ftz_f, x);
}
Real cos_fast(Real x) {
  return call(Intrinsic::nvvm_cos_approx_ftz_f, x);
}
Real rcp_fast(Real x) {
  return rcp(x);
}

Real divide(Real a, Real b, bool flush) {
  unsigned index = 0;
  return by_lane(a, [&](llvm::Value* lane) {
    llvm::Value* divisor =
        b.v->getType()->isVectorTy() ? b.b->CreateExtractElement(b.v, index++) : b.v;
    return compat::div_full(*a.b, lane, divisor, flush);
  });
}

Real divide_by_shared(Real a, Real b) {
  // A divisor whose reciprocal is no normal number is scaled, and so is the quotient.
  const Real size = abs(b);
  const Real scale =
      select(size > 0x1p100, b.constant(0x1p-64), select(size < 0x1p-100, b.constant(0x1p64), 1.0));
  return a * rcp(b * scale) * scale;
}

Real sigmoid(Real x) {
  // 1 - q is exactly 1 where q is small, whatever the reciprocal of 1 is approximated by.
  const Real e = exp_half(-abs(x));
  const Real q = e * rcp(e + 1.0);
  return select(x < 0.0, q, 1.0 - q);
}

Factors sigmoid_factors(Real x) {
  return factors_from(x, ex2(abs(x) * (kLog2e * -0.5), false));
}

Factors sigmoid_factors_of_silu(Real x, bool is_bf16) {
  // h^2 is 2^-19 below e^-|x|: more than ex2, rcp and four roundings may err by together.
  const Real h = is_bf16 ? ex2(fma(-abs(x), kLog2e / 2, -0x1p-20 * kLog2e), false)
                         : ex2(abs(x) * (kLog2e * -0.5), false);
  return factors_from(x, h, 1 + 0x1p-23);
}

Real erfc(Real x) {
  const Real a = abs(x);
  const Real far = ex2(a * a * -kLog2e, false) * erfcx(a);
  return select(x < 0.0, 2.0 - far, far);
}

Factors erfc_factors(Real x) {
  const Real a = abs(x);
  const Real h = ex2(a * a * (kLog2e * -0.5), false);
  const Real inner = h * erfcx(a);
  return {select(x < 0.0, 2.0 - h * inner, h), select(x < 0.0, 1.0, inner)};
}

Real sigmoid_of_silu(Real x, bool is_bf16) {
  // 2^-20 below e^-|x|: more than ex2 and rcp may err by together.
  const Real e =
      is_bf16 ? ex2(fma(-abs(x), kLog2e, -0x1p-20 * kLog2e), false) : exp(-abs(x), false);
  return sigmoid_from(x, e, 1 + 0x1p-23);
}

Real sigmoid_fast(Real x) {
  // The reciprocal of 1 need not be 1.
  return select(x > 18.0, 1.0, rcp(ex2(x * -kLog2e, true) + 1.0));
}

Real sigmoid_triton(Real x) {
  return divide(x.constant(1), exp(0.0 - x, false) + 1.0, false);
}

Real tanh_fast(Real x) {
  Real approximate = x;
  approximate.v = codegen::by_lane(*x.b, {x.v}, "tanh.approx.f32 $0, $1;", "=f,f");
  return select(abs(x) > 9.5, copysign(x.constant(1), x), approximate);
}

Real tanh(Real x) {
  // 1 - 2t / (1 + t), t = e^(-2|x|), is exactly 1 where t is small, whatever the reciprocal of 1 is
  // approximated by. It cancels near zero: a polynomial takes over there.
  const Real a = abs(x);
  const Real two_t = ex2(fma(a, -2 * kLog2e, 1.0), true); // subnormal, it does not show
  const Real large = fma(-two_t, rcp(fma(two_t, 0.5, 1.0)), 1.0);
  return copysign(select(a < 0.5, tanh_near_zero(a), large), x);
}

/// What `quotient` computes with.
struct LaneArithmetic {
  Real fma(Real a, Real b, Real c) const { return emit::fma(a, b, c); }
  Real series_up(Real e) const {
    return by_lane(e, [&](llvm::Value* lane) {
      return e.b->CreateIntrinsic(Intrinsic::nvvm_fma_rp_f, {}, {lane, lane, lane});
    });
  }
  Real one(Real like) const { return like.constant(1); }
};

} // namespace nvptx

Real divide_in_range(Real n, Real d) {
  const bool is_nvptx = compat::is_nvptx(*n.b->GetInsertBlock()->getModule());
  if (n.is_double() || !is_nvptx)
    return n / d;
  return quotient(nvptx::LaneArithmetic{}, n, d, nvptx::rcp(d));
}

Real power_over(double power, Real d) {
  if (d.is_double())
    return d.constant(power) / d;
  const bool is_nvptx = compat::is_nvptx(*d.b->GetInsertBlock()->getModule());
  const Real inverse =
      is_nvptx ? reciprocal(nvptx::LaneArithmetic{}, d, nvptx::rcp(d)) : d.constant(1) / d;
  return power == 1 ? inverse : inverse * power;
}

} // namespace swage::codegen::math
