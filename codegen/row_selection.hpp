// row_selection.hpp -- which rows of a call are computed, where that is known on the device alone.
//
// A row that is left out is neither read nor written. One count for all rows takes the place of
// their number, so that whatever follows from it (blocks, strands) is that of the rows that count.
// Counts by batch select row by row.
#pragma once

#include <functional>

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

  /// Before anything else: `Arguments::rows` are those that count from here on, which may be none.
  void begin();
  /// Whether `begin` may leave fewer rows than the call was launched for.
  bool may_end_early() const { return job_.specialization.valid_rows == ValidRows::one; }
  /// Whether some of the rows may be left out, as `selects` says.
  bool is_by_row() const { return job_.specialization.valid_rows == ValidRows::per_batch; }
  /// Whether the call is of all its rows.
  bool takes_all() const { return job_.specialization.valid_rows == ValidRows::all; }
  /// Whether `row`, of 64 bits and below Arguments::rows, is computed; null: it is. Nothing is read
  /// where `inside` (null: it holds) does not hold; what is returned then is not to be relied on.
  llvm::Value* selects(llvm::Value* row, llvm::Value* inside);

private:
  /// Count `index` of 64 bits, as 64 bits with a sign.
  llvm::Value* count(llvm::Value* index, llvm::Value* inside);
  llvm::Value* batch_of(llvm::Value* row);

  llvm::IRBuilderBase& b_;
  const Job& job_;
  Arguments& arguments_;
  Read read_;
};

} // namespace swage::codegen
