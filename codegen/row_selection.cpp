// row_selection.cpp -- which rows of a call are computed.
#include "codegen/row_selection.hpp"

#include "codegen/index_arithmetic.hpp"

namespace swage::codegen {

using llvm::Value;

Value* RowSelection::count(Value* index, Value* inside) {
  const int bytes = job_.specialization.counts64 ? 8 : 4;
  Value* address =
      b_.CreateGEP(b_.getIntNTy(8u * static_cast<unsigned>(bytes)), arguments_.valid_rows, index);
  return b_.CreateSExt(read_(address, bytes, inside), b_.getInt64Ty());
}

void RowSelection::begin() {
  if (!may_end_early())
    return;
  llvm::Type* index = arguments_.rows->getType();
  Value* all = b_.CreateZExt(arguments_.rows, b_.getInt64Ty());
  Value* valid = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, count(b_.getInt64(0), nullptr),
                                          b_.getInt64(0));
  arguments_.rows =
      b_.CreateTrunc(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, valid, all), index);
}

/// In the index type.
Value* RowSelection::batch_of(Value* row) {
  if (!arguments_.batch_factor)
    return b_.CreateUDiv(row, arguments_.batch_rows);
  return divided(b_, row, arguments_.batch_factor, arguments_.batch_shift);
}

Value* RowSelection::selects(Value* row, Value* inside) {
  if (!is_by_row())
    return nullptr;
  Value* index = b_.CreateTrunc(row, arguments_.batch_rows->getType());
  Value* batch = batch_of(index);
  Value* within = b_.CreateSub(index, b_.CreateMul(batch, arguments_.batch_rows));
  Value* valid = count(b_.CreateZExt(batch, b_.getInt64Ty()), inside);
  return b_.CreateICmpSLT(b_.CreateZExt(within, b_.getInt64Ty()), valid);
}

} // namespace swage::codegen
