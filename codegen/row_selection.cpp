// row_selection.cpp -- which rows of a call are computed.
#include "codegen/row_selection.hpp"

#include <array>

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

RowSelection::InBatch RowSelection::in_batch(Value* row) {
  Value* index = b_.CreateTrunc(row, arguments_.batch_rows->getType());
  Value* batch = arguments_.batch_factor
                     ? divided(b_, index, arguments_.batch_factor, arguments_.batch_shift)
                     : b_.CreateUDiv(index, arguments_.batch_rows);
  return {batch, b_.CreateSub(index, b_.CreateMul(batch, arguments_.batch_rows))};
}

Value* RowSelection::selects(Value* row, Value* inside) {
  Value* counted = nullptr;
  if (leaves_out_runs())
    counted = is_counted(in_batch(row), inside);
  if (!skips())
    return counted;
  if (!counted)
    return takes(row, inside);
  // Of a row that does not count nothing is read.
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* read = llvm::BasicBlock::Create(b_.getContext(), "counted", function);
  auto* done = llvm::BasicBlock::Create(b_.getContext(), "selected", function);
  b_.CreateCondBr(inside ? b_.CreateAnd(inside, counted) : counted, read, done);
  b_.SetInsertPoint(read);
  Value* taken = takes(row, nullptr);
  llvm::BasicBlock* read_end = b_.GetInsertBlock();
  b_.CreateBr(done);
  b_.SetInsertPoint(done);
  llvm::PHINode* result = b_.CreatePHI(b_.getInt1Ty(), 2);
  result->addIncoming(b_.getFalse(), before);
  result->addIncoming(taken, read_end);
  return result;
}

Value* RowSelection::takes(Value* row, Value* inside) {
  const ir::NodeId condition = *job_.kernel.skip();
  // Each leaf is read once, and before what needs it.
  std::vector<Value*> leaves(job_.kernel.nodes().size());
  for (ir::NodeId id = 0; id <= condition; ++id)
    leaves[id] = leaf(job_.kernel.node(id), row, inside);
  return b_.CreateNot(lower_nodes(b_, job_, 1, std::array{condition},
                                  [&](ir::NodeId id) { return leaves[id]; })[0]);
}

/// The value of a scalar or of an input, null for all else.
Value* RowSelection::leaf(const ir::Node& node, Value* row, Value* inside) {
  if (node.op == ir::Op::scalar)
    return scalars_[node.param];
  if (node.op != ir::Op::load)
    return nullptr;
  Place place{arguments_.base, std::vector<Value*>(job_.kernel.params().size()), nullptr};
  place.base[node.param] = arguments_.row_base(b_, job_.kernel, node.param, row);
  return read_row_(node.param, place, inside);
}

Value* RowSelection::counted_from(Value* first, std::int64_t size) {
  Value* all = b_.getInt64(static_cast<std::uint64_t>(size));
  if (job_.specialization.valid_rows == ValidRows::all)
    return all;
  Value* before = first;
  Value* valid = b_.CreateZExt(arguments_.rows, b_.getInt64Ty());
  if (!may_end_early()) {
    const InBatch at = in_batch(first);
    before = b_.CreateZExt(at.row, b_.getInt64Ty());
    valid = valid_of(at, nullptr);
  }
  Value* last = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, valid, b_.CreateAdd(before, all));
  return b_.CreateSub(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, last, before), before);
}

Value* RowSelection::valid_of(const InBatch& at, Value* inside) {
  return count(b_.CreateZExt(at.batch, b_.getInt64Ty()), inside);
}

Value* RowSelection::is_counted(const InBatch& at, Value* inside) {
  return b_.CreateICmpSLT(b_.CreateZExt(at.row, b_.getInt64Ty()), valid_of(at, inside));
}

Value* RowSelection::leaves_out(Value* first, Value* last) {
  const InBatch begin = in_batch(first);
  Value* counted = is_counted(begin, nullptr);
  return b_.CreateAnd(b_.CreateNot(counted), b_.CreateICmpEQ(begin.batch, in_batch(last).batch));
}

} // namespace swage::codegen
