// math_nvptx.cpp -- f32 functions on the approximations that NVIDIA GPUs have in hardware.
//
// Errors as PTX states them: ex2 2^-22.5, lg2 2^-22 absolute near 1 and relative elsewhere, rcp
// 1 ulp, div.full 2 ulp, sqrt and rsqrt 2^-22.9, tanh 2^-11, sin and cos 2^-20.5 absolute within
// [-pi, pi].
#include <llvm/IR/InlineAsm.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/math_functions.hpp"
#include "codegen/math_nvptx.hpp"
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

} // namespace

Real ex2(Real x, bool flush) {
  const Intrinsic::ID id = flush ? Intrinsic::nvvm_ex2_approx_ftz : Intrinsic::nvvm_ex2_approx;
  return by_lane(
      x, [&](llvm::Value* lane) { return x.b->CreateIntrinsic(id, {lane->getType()}, {lane}); });
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
  const Intrinsic::ID id = flush ? Intrinsic::nvvm_div_full_ftz : Intrinsic::nvvm_div_full;
  unsigned index = 0;
  return by_lane(a, [&](llvm::Value* lane) {
    llvm::Value* divisor =
        b.v->getType()->isVectorTy() ? b.b->CreateExtractElement(b.v, index++) : b.v;
    return a.b->CreateIntrinsic(id, {}, {lane, divisor});
  });
}

Real sigmoid(Real x) {
  return sigmoid_from(x, exp(-abs(x), false));
}

Real sigmoid_of_silu(Real x, bool is_bf16) {
  // 2^-20 below e^-|x|: more than ex2 and rcp may err by together.
  const Real e =
      is_bf16 ? ex2(fma(-abs(x), kLog2e, -0x1p-20 * kLog2e), false) : exp(-abs(x), false);
  return sigmoid_from(x, e, 1 + 0x1p-23);
}

Real sigmoid_fast(Real x) {
  return rcp(ex2(x * -kLog2e, true) + 1.0);
}

Real sigmoid_triton(Real x) {
  return divide(x.constant(1), exp(0.0 - x, false) + 1.0, false);
}

Real tanh_fast(Real x) {
  llvm::Type* f32 = x.b->getFloatTy();
  llvm::InlineAsm* instruction = llvm::InlineAsm::get(llvm::FunctionType::get(f32, {f32}, false),
                                                      "tanh.approx.f32 $0, $1;", "=f,f", false);
  return by_lane(x, [&](llvm::Value* lane) { return x.b->CreateCall(instruction, {lane}); });
}

Real tanh(Real x) {
  // (1 - t) / (1 + t), t = e^(-2|x|), cancels near zero: a polynomial takes over there.
  const Real a = abs(x);
  const Real t = ex2(a * (-2 * kLog2e), false);
  const Real large = (1.0 - t) * rcp(t + 1.0);
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

} // namespace swage::codegen::math
