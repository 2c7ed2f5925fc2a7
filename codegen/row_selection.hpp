// row_selection.hpp -- which rows of a call are computed, where that is known on the device alone.
//
// A row that is left out is neither read nor written. One count for all rows takes the place of
// their number, so that whatever follows from it (blocks, strands) is that of the rows that count.
// Counts by batch, and the kernel's own `skip where`, select row by row.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <llvm/IR/IRBuilder.h>

#include "codegen/lower.hpp"

namespace swage::codegen {

/// Keeps references to all.
class RowSelection {
public:
  /// Reads `unit` bytes at `address`, as an integer, where `inside` holds (null: always).
  using Read = std::function<llvm::Value*(llvm::Value* address, int unit, llvm::Value* inside)>;

  RowSelection(llvm::IRBuilderBase& builder, const Job& job, Arguments& arguments, Read read)
      : b_(builder), job_(job), arguments_(arguments), read_(std::move(read)) {}

  /// Reads the value of parameter `param`, one a row or for all, at a place of its row.
  using ReadRow =
      std::function<llvm::Value*(std::uint32_t param, const Place& place, llvm::Value* inside)>;
  /// What the condition of a kernel that skips rows is made of; `scalars` by parameter.
  void set_leaves(std::vector<llvm::Value*> scalars, ReadRow read) {
    scalars_ = std::move(scalars);
    read_row_ = std::move(read);
  }

  /// Before anything else: `Arguments::rows` are those that count from here on, which may be none.
  void begin();
  /// Whether `begin` may leave fewer rows than the call was launched for.
  bool may_end_early() const { return job_.specialization.valid_rows == ValidRows::one; }
  /// Whether some of the rows may be left out, as `selects` says.
  bool is_by_row() const { return leaves_out_runs() || skips(); }
  /// Whether the call is of all its rows.
  bool takes_all() const { return !may_end_early() && !is_by_row(); }
  /// Whether `row`, of 64 bits and below Arguments::rows, is computed; null: it is. Nothing is read
  /// where `inside` (null: it holds) does not hold; what is returned then is not to be relied on.
  llvm::Value* selects(llvm::Value* row, llvm::Value* inside);
  /// Whether there are counts by batch, so that many neighbouring rows may be left out.
  bool leaves_out_runs() const { return job_.specialization.valid_rows == ValidRows::per_batch; }
  /// Whether `first` to `last`, rows as `selects` takes them, are of one batch and none of them
  /// counts. Only where it `leaves_out_runs`.
  llvm::Value* leaves_out(llvm::Value* first, llvm::Value* last);

  /// Of `size` rows from `first` on, which lie in one batch, those that the counts leave: the first
  /// ones. All of 64 bits.
  llvm::Value* counted_from(llvm::Value* first, std::int64_t size);
  /// Whether the kernel itself says of rows that the counts leave whether they are computed.
  bool skips() const { return job_.kernel.skip().has_value(); }
  /// Whether it computes `row`, one that counts; as `selects` where `inside` does not hold.
  llvm::Value* takes(llvm::Value* row, llvm::Value* inside);

private:
  /// Count `index` of 64 bits, as 64 bits with a sign.
  llvm::Value* count(llvm::Value* index, llvm::Value* inside);
  /// A row by its batch.
  struct InBatch {
    llvm::Value *batch, *row; ///< in the index type
  };
  InBatch in_batch(llvm::Value* row);
  /// Of a batch, as `count` gives it.
  llvm::Value* valid_of(const InBatch& at, llvm::Value* inside);
  llvm::Value* is_counted(const InBatch& at, llvm::Value* inside);
  llvm::Value* leaf(const ir::Node& node, llvm::Value* row, llvm::Value* inside);

  llvm::IRBuilderBase& b_;
  const Job& job_;
  Arguments& arguments_;
  Read read_;
  std::vector<llvm::Value*> scalars_;
  ReadRow read_row_;
};

} // namespace swage::codegen
