// index_arithmetic.hpp -- integers that say where an element is, as code.
#pragma once

#include <llvm/IR/IRBuilder.h>

namespace swage::codegen {

/// `first` and the integers after it, a lane each; `first` itself for one lane.
llvm::Value* consecutive(llvm::IRBuilderBase& builder, llvm::Value* first, int lanes);

/// CUDA: `item`, of 32 or 64 bits, by the divisor that `divider` (arguments.hpp) made `factor` and
/// `shift` of.
llvm::Value* divided(llvm::IRBuilderBase& builder, llvm::Value* item, llvm::Value* factor,
                     llvm::Value* shift);

} // namespace swage::codegen
