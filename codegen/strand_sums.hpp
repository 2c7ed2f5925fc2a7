// strand_sums.hpp -- where the sums of strands lie in the workspace of a call on CUDA.
//
// First those that are one value for all columns, kSumStrands of each; then those of columns, for
// each strand as many as there are, padded to kWorkspacePitch, so that accesses are aligned. So
// much is there for every schedule: cuda_workspace_bytes in row_plan.hpp.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "codegen/lower.hpp"
#include "codegen/row_plan.hpp"

namespace swage::codegen {

/// Keeps references to all.
class StrandSums {
public:
  StrandSums(llvm::IRBuilderBase& builder, const Job& job, const RowPlan& plan,
             const Arguments& arguments)
      : b_(builder), job_(job), plan_(plan), arguments_(arguments) {}

  DType type(std::size_t sum) const { return job_.kernel.node(plan_.column_sums[sum]).type; }
  ir::NodeId operand(std::size_t sum) const {
    return job_.kernel.node(plan_.column_sums[sum]).args[0];
  }
  std::size_t count() const { return plan_.column_sums.size(); }
  bool is_for_all(std::size_t sum) const { return plan_.column_sum_for_all[sum]; }
  /// Strands of the call, 64 bits.
  llvm::Value* strands();
  /// The address of the sum of `strand` in `column`, both 64 bits; `column` null where one value
  /// is for all.
  llvm::Value* address(std::size_t sum, llvm::Value* strand, llvm::Value* column);
  /// a + b in the type of `sum`.
  llvm::Value* plus(llvm::Value* a, llvm::Value* b);
  /// The sum over all rows, of what all strands add up to: no sum is -0.
  llvm::Value* total(llvm::Value* sum);

private:
  llvm::IRBuilderBase& b_;
  const Job& job_;
  const RowPlan& plan_;
  const Arguments& arguments_;
};

} // namespace swage::codegen
