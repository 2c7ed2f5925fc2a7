// index_arithmetic.cpp -- integers that say where an element is, as code.
#include "codegen/index_arithmetic.hpp"

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/IntrinsicsNVPTX.h>
#include <llvm/IR/Module.h>

#include "codegen/llvm_compat.hpp"

namespace swage::codegen {

using llvm::Value;

Value* consecutive(llvm::IRBuilderBase& b, Value* first, int lanes) {
  if (lanes == 1)
    return first;
  llvm::SmallVector<llvm::Constant*, 64> steps;
  for (int i = 0; i < lanes; ++i)
    steps.push_back(llvm::ConstantInt::get(first->getType(), static_cast<std::uint64_t>(i)));
  return b.CreateAdd(b.CreateVectorSplat(static_cast<unsigned>(lanes), first),
                     llvm::ConstantVector::get(steps));
}

Value* divided(llvm::IRBuilderBase& b, Value* item, Value* factor, Value* shift) {
  llvm::Type* type = item->getType();
  const auto id =
      type->isIntegerTy(64) ? llvm::Intrinsic::nvvm_mulhi_ull : llvm::Intrinsic::nvvm_mulhi_ui;
  Value* twice = b.CreateShl(item, llvm::ConstantInt::get(type, 1));
  Value* high =
      b.CreateCall(compat::declare(*b.GetInsertBlock()->getModule(), id), {twice, factor});
  return b.CreateLShr(high, b.CreateZExt(shift, type));
}

} // namespace swage::codegen
