// total_stores.hpp -- what a CUDA kernel stores when all rows are done: outputs [col] and [tensor].
//
// The second launch does it, or the first one of a call of a single row.
#pragma once

#include <span>
#include <vector>

#include <llvm/IR/IRBuilder.h>

#include "codegen/lower.hpp"
#include "codegen/lower_cuda_memory.hpp"
#include "codegen/row_plan.hpp"

namespace swage::codegen {

/// Keeps references to all.
class TotalStores {
public:
  using Values = std::vector<llvm::Value*>;

  TotalStores(llvm::IRBuilderBase& builder, const Job& job, const RowPlan& plan, Tensors& tensors,
              GlobalMemory& memory);

  /// Neighbouring columns of a thread.
  struct Columns {
    Place place;
    llvm::Value* first = nullptr; ///< its number, 64 bits
    int lanes = 1;
    Guard guard; ///< of which of them there are
  };

  bool has_columns() const { return !by_column_.empty(); }
  bool has_tensors() const { return !by_tensor_.empty(); }

  /// By node: what outputs [col] need that has one value for all, read at `place`; `scalars` by
  /// parameter.
  Values shared_by_columns(const Values& scalars, const Place& place);
  /// `sums`: of all rows, by entry of RowPlan::column_sums; of those that have one value a column,
  /// of these columns. `shared` is what shared_by_columns gave.
  void store_columns(const Columns& columns, std::span<llvm::Value* const> sums,
                     const Values& shared);
  /// What sums of columns are is not looked at.
  void store_tensors(const Values& scalars, const Place& place, std::span<llvm::Value* const> sums);

private:
  const ir::Node& node(ir::NodeId id) const { return job_.kernel.node(id); }
  std::vector<ir::NodeId> loads_of(std::span<const ir::Store> stores,
                                   ir::Broadcast broadcast) const;
  Values shared_by(std::span<const ir::Store> stores, const Values& scalars, const Place& place);
  void store(std::span<const ir::Store> stores, const Place& place, int lanes,
             const Values& values);

  llvm::IRBuilderBase& b_;
  const Job& job_;
  const RowPlan& plan_;
  Tensors& tensors_;
  GlobalMemory& memory_;
  std::vector<ir::Store> by_column_, by_tensor_;
};

} // namespace swage::codegen
