// reduction.hpp -- the terms of sums and maxima in LLVM IR, for both targets.
#pragma once

#include "codegen/lower.hpp"

namespace swage::codegen {

/// What changes nothing, of type `type` (a scalar or a vector of `dtype`): 0, or the far end of the
/// order. `op` is a reduction.
llvm::Constant* reduction_identity(ir::Op op, DType dtype, llvm::Type* type);

/// Two terms of reduction `op`, of compute type `dtype`, as one: their sum, or the larger or the
/// smaller; NaN wins.
llvm::Value* combine_terms(llvm::IRBuilderBase& builder, const Job& job, ir::Op op, DType dtype,
                           llvm::Value* a, llvm::Value* b);

} // namespace swage::codegen
