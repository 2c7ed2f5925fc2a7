// strand_sums.cpp -- where the sums of strands lie in the workspace of a call on CUDA.
#include "codegen/strand_sums.hpp"

#include "ir/sum_order.hpp"

namespace swage::codegen {

using llvm::Value;

Value* StrandSums::strands() {
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin,
                                  b_.CreateZExt(arguments_.rows, b_.getInt64Ty()),
                                  b_.getInt64(ir::kSumStrands));
}

Value* StrandSums::address(std::size_t sum, Value* strand, Value* column) {
  std::int64_t for_all = 0, columns = 0; // bytes before: in all, and a column of every strand
  for (std::size_t i = 0; i < plan_.column_sums.size(); ++i)
    if (is_for_all(i) && (i < sum || !is_for_all(sum)))
      for_all += plan_.column_sum_bytes[i] * ir::kSumStrands;
    else if (!is_for_all(i) && i < sum)
      columns += plan_.column_sum_bytes[i];
  Value* base = b_.CreateConstGEP1_64(b_.getInt8Ty(), arguments_.workspace,
                                      static_cast<std::uint64_t>(for_all));
  llvm::Type* type = value_type(b_.getContext(), this->type(sum), 1);
  if (is_for_all(sum))
    return b_.CreateGEP(type, base, strand);
  constexpr auto kPad = static_cast<std::uint64_t>(kWorkspacePitch - 1);
  Value* pitch = b_.CreateAnd(
      b_.CreateAdd(b_.CreateZExt(arguments_.columns, b_.getInt64Ty()), b_.getInt64(kPad)),
      b_.getInt64(~kPad));
  if (columns > 0)
    base = b_.CreateGEP(b_.getInt8Ty(), base,
                        b_.CreateMul(b_.CreateMul(strands(), pitch),
                                     b_.getInt64(static_cast<std::uint64_t>(columns))));
  return b_.CreateGEP(type, base, b_.CreateAdd(b_.CreateMul(strand, pitch), column));
}

Value* StrandSums::plus(Value* a, Value* b) {
  return a->getType()->isFPOrFPVectorTy() ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
}

Value* StrandSums::total(Value* sum) {
  return plus(sum, llvm::Constant::getNullValue(sum->getType()));
}

} // namespace swage::codegen
