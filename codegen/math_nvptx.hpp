// math_nvptx.hpp -- instructions of NVIDIA GPUs that LLVM IR has no operation for, on every lane.
#pragma once

#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/convert.hpp"
#include "codegen/math_emit.hpp"

namespace swage::codegen::math::nvptx {

using emit::Real;

/// Applies `scalar` to each lane: the hardware's instructions take one value.
template <typename Scalar>
Real by_lane(Real x, Scalar scalar) {
  Real result = x;
  result.v = codegen::by_lane(*x.b, {x.v},
                              [&](llvm::ArrayRef<llvm::Value*> lane) { return scalar(lane[0]); });
  return result;
}

/// An f32 instruction of one operand.
Real call(llvm::Intrinsic::ID id, Real x);
/// ex2.approx.f32; `flush`: .ftz
Real ex2(Real x, bool flush);
/// rcp.approx.ftz.f32
Real rcp(Real x);

} // namespace swage::codegen::math::nvptx
