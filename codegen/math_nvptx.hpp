// math_nvptx.hpp -- instructions of NVIDIA GPUs that LLVM IR has no operation for, on every lane.
#pragma once

#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/math_emit.hpp"

namespace swage::codegen::math::nvptx {

using emit::Real;

/// Applies `scalar` to each lane: the hardware's instructions take one value.
template <typename Scalar>
Real by_lane(Real x, Scalar scalar) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x.v->getType());
  Real result = x;
  if (!vector) {
    result.v = scalar(x.v);
    return result;
  }
  for (unsigned lane = 0; lane < vector->getNumElements(); ++lane) {
    llvm::Value* value = scalar(x.b->CreateExtractElement(x.v, lane));
    result.v = x.b->CreateInsertElement(result.v, value, lane);
  }
  return result;
}

/// An f32 instruction of one operand.
Real call(llvm::Intrinsic::ID id, Real x);
/// ex2.approx.f32; `flush`: .ftz
Real ex2(Real x, bool flush);
/// rcp.approx.ftz.f32
Real rcp(Real x);

} // namespace swage::codegen::math::nvptx
