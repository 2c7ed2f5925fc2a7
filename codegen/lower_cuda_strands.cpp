// lower_cuda_strands.cpp -- sums over rows on CUDA: a block has a strand, and goes over its rows.
//
// Where a block has one row at a time, a thread adds its own columns, in registers where the row is
// held and in the workspace where it is not. Where a block has several rows, they are neighbours in
// the strand: their terms meet in shared memory, and each thread adds those of some columns in the
// order of the rows. In the end the sums of the strand go to the workspace; lower_cuda_totals.cpp
// adds strands. The only row of a call ends in lower_cuda_single_row.cpp.
#include <algorithm>
#include <array>
#include <numeric>

#include "codegen/cuda_rows.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Type;
using llvm::Value;

std::vector<ir::NodeId> CudaRows::terms_by_column() const {
  std::vector<NodeId> terms;
  for (std::size_t sum = 0; sum < strands_.count(); ++sum)
    if (!strands_.is_for_all(sum))
      terms.push_back(strands_.operand(sum));
  return terms;
}

std::size_t CudaRows::accumulators_of(std::size_t sum) const {
  if (strands_.is_for_all(sum))
    return 1;
  if (!geometry_.held)
    return 0;
  if (geometry_.rows == 1)
    return static_cast<std::size_t>(geometry_.chunks);
  return columns_each();
}

std::size_t CudaRows::columns_each() const {
  const std::int64_t threads = schedule_.threads;
  return static_cast<std::size_t>((held_width(geometry_) + threads - 1) / threads);
}

/// By sum: one value for all columns; or of the columns of a thread, a vector for each chunk where
/// a block has one row, single ones a block's width apart where it has several.
std::vector<Type*> CudaRows::accumulator_types() const {
  std::vector<Type*> types;
  for (std::size_t sum = 0; sum < strands_.count(); ++sum) {
    const bool by_chunk = !strands_.is_for_all(sum) && geometry_.rows == 1;
    Type* type = value_type(context_, strands_.type(sum), by_chunk ? geometry_.vector : 1);
    types.insert(types.end(), accumulators_of(sum), type);
  }
  return types;
}

void CudaRows::block_sync() {
  statement("bar.sync 0;");
}

void CudaRows::emit_strand() {
  Value* end = wide(arguments_.rows);
  strand_ = wide(special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x));
  // One count for all rows may leave fewer than the strands that were launched.
  if (selection_.may_end_early())
    return emit_if(b_.CreateICmpULT(strand_, end), [&] { emit_rows_of_strand(end); });
  emit_rows_of_strand(end);
}

/// Those below `end`, 64 bits. A block of one row goes from one that is selected to the next; one
/// of several, which meet, goes over all of them.
void CudaRows::emit_rows_of_strand(Value* end) {
  constexpr auto kStrands = static_cast<std::uint64_t>(ir::kSumStrands);
  const auto rows = static_cast<std::uint64_t>(geometry_.rows);
  const bool hops = selection_.is_by_row() && rows == 1, selects = selection_.is_by_row() && !hops;
  const std::uint64_t apart = kStrands * rows; // of the rows that a thread goes over
  Value* own = b_.CreateMul(row_in_block_, b_.getInt64(kStrands));
  const auto inside = [&](Value* row) {
    Value* below = b_.CreateICmpULT(row, end);
    return both(below, selects ? selection_.selects(row, below) : nullptr);
  };
  // Of the first row of those that the block has at once.
  const auto following = [&](Value* row) {
    Value* next = b_.CreateAdd(row, b_.getInt64(apart));
    return hops ? selected_from(next, end, b_.getInt64(apart)) : next;
  };
  Value* start = hops ? selected_from(strand_, end, b_.getInt64(apart)) : strand_;
  Value* first = b_.CreateAdd(start, own);
  std::vector<Value*> carried;
  for (Type* type : accumulator_types())
    carried.push_back(llvm::Constant::getNullValue(type));
  const std::size_t sums = carried.size();
  if (selects)
    carried.push_back(b_.getTrue()); // no row was added yet
  const std::size_t kept = carried.size();
  const bool ahead = schedule_.ahead;
  const std::vector<bool> needed = needed_loads(Broadcast::none);
  held_.columns = holds_columns(job_.kernel, geometry_);
  if (held_.columns) {
    begin_row(first, nullptr); // of which no more than the columns are looked at
    load_held(needed_loads(Broadcast::per_column));
  }
  if (ahead) {
    begin_row(first, rows > 1 || hops ? inside(first) : nullptr);
    load_held(needed);
    const std::vector<Value*> bits = held_.bits();
    carried.insert(carried.end(), bits.begin(), bits.end());
  }
  const int turn = turn_;
  Value* next_start = nullptr;
  const auto body = [&](Value* at, const std::vector<Value*>& now) {
    Value* row = b_.CreateAdd(at, own);
    is_first_ = selects ? now[sums] : b_.CreateICmpEQ(at, start);
    accumulators_.assign(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(sums));
    std::vector<Value*> next;
    held_.drop();
    if (ahead) {
      next_start = following(at);
      Value* next_row = b_.CreateAdd(next_start, own);
      begin_row(next_row, inside(next_row));
      load_held(needed);
      next = held_.bits();
      held_.replace({now.begin() + static_cast<std::ptrdiff_t>(kept), now.end()});
    }
    Value* here = rows > 1 ? inside(row) : nullptr;
    std::vector<Value*> all =
        merge_if(selects ? any_meets(here) : nullptr,
                 {now.begin(), now.begin() + static_cast<std::ptrdiff_t>(kept)}, [&] {
                   begin_row(row, here);
                   emit_row();
                   accumulate_block();
                   // The values of the last stage were read, for those of the next row may go there
                   // too; and a warp goes on as one.
                   if (geometry_.warps() == 1 || turn_ != turn)
                     sync();
                   std::vector<Value*> after = accumulators_;
                   if (selects)
                     after.push_back(b_.getFalse());
                   return after;
                 });
    all.insert(all.end(), next.begin(), next.end());
    return all;
  };
  const std::vector<Value*> found = carry(
      start, end, [&](Value* at) { return ahead ? next_start : following(at); }, carried, body);
  accumulators_.assign(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(sums));
  if (selects || hops)
    clear_strand(hops ? b_.CreateICmpUGE(start, end) : found[sums]);
  store_sums();
}

/// The first row that is selected of `row`, and those `apart` each after it; if none is, one that
/// is not below `end`. All of 64 bits, the same in all threads of the block.
Value* CudaRows::selected_from(Value* row, Value* end, Value* apart) {
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* look = llvm::BasicBlock::Create(context_, "look", function);
  auto* ask = llvm::BasicBlock::Create(context_, "ask", function);
  auto* next = llvm::BasicBlock::Create(context_, "next", function);
  auto* found = llvm::BasicBlock::Create(context_, "found", function);
  b_.CreateBr(look);
  b_.SetInsertPoint(look);
  llvm::PHINode* at = b_.CreatePHI(row->getType(), 2);
  at->addIncoming(row, before);
  b_.CreateCondBr(b_.CreateICmpULT(at, end), ask, found);
  b_.SetInsertPoint(ask);
  b_.CreateCondBr(selection_.selects(at, nullptr), found, next);
  b_.SetInsertPoint(next);
  at->addIncoming(b_.CreateAdd(at, apart), next);
  b_.CreateBr(look);
  b_.SetInsertPoint(found);
  return at;
}

/// What `body` makes of some values where `condition` holds (null: always), else those in `before`.
std::vector<Value*> CudaRows::merge_if(Value* condition, const std::vector<Value*>& before,
                                       const std::function<std::vector<Value*>()>& body) {
  if (!condition)
    return body();
  llvm::BasicBlock* from = b_.GetInsertBlock();
  std::vector<Value*> made;
  llvm::BasicBlock* last = nullptr;
  emit_if(condition, [&] {
    made = body();
    last = b_.GetInsertBlock();
  });
  std::vector<Value*> merged;
  for (std::size_t i = 0; i < before.size(); ++i) {
    llvm::PHINode* either = b_.CreatePHI(before[i]->getType(), 2);
    either->addIncoming(before[i], from);
    either->addIncoming(made[i], last);
    merged.push_back(either);
  }
  return merged;
}

/// The sums of a strand without rows that a thread keeps in the workspace.
void CudaRows::clear_strand(Value* is_empty) {
  if (geometry_.held || geometry_.rows > 1)
    return;
  emit_if(is_empty, [&] {
    for (std::size_t sum = 0; sum < strands_.count(); ++sum)
      if (!strands_.is_for_all(sum))
        emit_loop(wide(special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x)), stored_columns(),
                  wide(std::int64_t{schedule_.threads}), [&](Value* column) {
                    b_.CreateStore(
                        llvm::Constant::getNullValue(value_type(context_, strands_.type(sum), 1)),
                        strands_.address(sum, strand_, column));
                  });
  });
}

/// What there is one value a row of, known to all of its threads.
void CudaRows::accumulate_row() {
  std::size_t index = 0;
  for (std::size_t sum = 0; sum < strands_.count(); index += accumulators_of(sum++)) {
    if (!strands_.is_for_all(sum))
      continue;
    const Chunk nothing;
    Value* term = lower_nodes(b_, job_, 1, std::array{strands_.operand(sum)}, known(nothing, 1))[0];
    if (geometry_.rows == 1) {
      accumulators_[index] = strands_.plus(accumulators_[index], term);
      continue;
    }
    term = b_.CreateSelect(row_inside_, term, llvm::Constant::getNullValue(term->getType()));
    emit_if(b_.CreateICmpEQ(thread_, constant(0)), [&] {
      b_.CreateAlignedStore(term, term_at(sum, row_in_block_, nullptr),
                            llvm::Align(static_cast<std::uint64_t>(size_of(strands_.type(sum)))));
    });
  }
}

void CudaRows::accumulate(Chunk& chunk) {
  const std::vector<NodeId> operands = terms_by_column();
  if (operands.empty())
    return;
  const std::vector<Value*> terms = values(chunk, operands);
  std::size_t index = 0, next = 0;
  for (std::size_t sum = 0; sum < strands_.count(); index += accumulators_of(sum++)) {
    if (strands_.is_for_all(sum))
      continue;
    Value* term = terms[next++];
    const auto size = static_cast<std::uint64_t>(size_of(strands_.type(sum)));
    const llvm::Align align(
        std::min<std::uint64_t>(size * static_cast<unsigned>(geometry_.vector), 16));
    llvm::Constant* zero = llvm::Constant::getNullValue(term->getType());
    if (geometry_.rows > 1) {
      term = b_.CreateSelect(row_inside_, term, zero);
      b_.CreateAlignedStore(term, term_at(sum, row_in_block_, wide(chunk.column)), align);
    } else if (geometry_.held) {
      Value*& so_far = accumulators_[index + static_cast<std::size_t>(chunk.held)];
      so_far = strands_.plus(so_far, term);
    } else {
      emit_if(b_.CreateICmpULT(chunk.column, columns_), [&] {
        Value* at = strands_.address(sum, strand_, wide(chunk.column));
        // Nobody has written it before the first row: it is not even read then.
        Value* before = merge_if(b_.CreateNot(is_first_), {zero}, [&] {
          return std::vector<Value*>{b_.CreateAlignedLoad(term->getType(), at, align)};
        })[0];
        b_.CreateAlignedStore(strands_.plus(before, term), at, align);
      });
    }
  }
}

/// Where a row of the block has its term; `column` null where it has one for all.
Value* CudaRows::term_at(std::size_t sum, Value* row, Value* column) {
  const std::int64_t before =
      exchange_bytes_ + 2 * value_bytes_ + terms_offset(plan_, geometry_, sum);
  Value* index = row;
  if (!strands_.is_for_all(sum))
    index = b_.CreateMul(row, wide(held_width(geometry_)));
  if (column)
    index = b_.CreateAdd(index, column);
  return shared(before, b_.CreateMul(index, wide(std::int64_t{plan_.column_sum_bytes[sum]})));
}

void CudaRows::accumulate_block() {
  if (geometry_.rows == 1 || strands_.count() == 0)
    return;
  block_sync();
  Value* thread = wide(special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x));
  std::size_t index = 0;
  for (std::size_t sum = 0; sum < strands_.count(); index += accumulators_of(sum++)) {
    const bool for_all = strands_.is_for_all(sum);
    const llvm::Align align(static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]));
    std::vector<Value*> columns;
    for (std::size_t i = 0; i < accumulators_of(sum); ++i) {
      Value* column = b_.CreateAdd(thread, wide(static_cast<std::int64_t>(i) * schedule_.threads));
      // Who has none reads the last one.
      columns.push_back(for_all ? nullptr
                                : b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, column,
                                                           wide(held_width(geometry_) - 1)));
    }
    constexpr int kTogether = 8;
    const int together = std::gcd(geometry_.rows, kTogether);
    const auto add_some = [&](Value* from, std::vector<Value*> now) {
      for (int row = 0; row < together; ++row)
        for (std::size_t i = 0; i < now.size(); ++i) {
          Value* at = term_at(sum, b_.CreateAdd(from, wide(std::int64_t{row})), columns[i]);
          now[i] = strands_.plus(now[i], b_.CreateAlignedLoad(now[i]->getType(), at, align));
        }
      return now;
    };
    const auto begin = accumulators_.begin() + static_cast<std::ptrdiff_t>(index);
    std::vector<Value*> now(begin, begin + static_cast<std::ptrdiff_t>(columns.size()));
    now = geometry_.rows == together
              ? add_some(wide(std::int64_t{0}), now)
              : carry(wide(std::int64_t{0}), wide(std::int64_t{geometry_.rows}),
                      wide(std::int64_t{together}), now,
                      [&](Value* from, const std::vector<Value*>& before) {
                        return add_some(from, before);
                      });
    std::ranges::copy(now, begin);
  }
  block_sync(); // the terms of the next rows go where these were
}

/// Up to which columns the stores of a strand reach: a thread has several together where a block
/// has one row.
Value* CudaRows::stored_columns() {
  const int together = geometry_.rows == 1 ? std::min(geometry_.vector, kTotalsLanes) : 1;
  return rounded_up(wide(columns_), together);
}

Value* CudaRows::rounded_up(Value* count, std::int64_t power_of_two) {
  return b_.CreateAnd(b_.CreateAdd(count, wide(power_of_two - 1)), wide(-power_of_two));
}

/// The columns that fill up the last access to a strand, which the second launch reads and drops,
/// where no store reaches them.
void CudaRows::clear_padding(Value* thread) {
  if (geometry_.rows == 1 && geometry_.vector >= kTotalsLanes)
    return;
  Value* column = b_.CreateAdd(stored_columns(), thread);
  emit_if(b_.CreateICmpULT(column, rounded_up(wide(columns_), kTotalsLanes)), [&] {
    for (std::size_t sum = 0; sum < strands_.count(); ++sum)
      if (!strands_.is_for_all(sum))
        b_.CreateStore(llvm::Constant::getNullValue(value_type(context_, strands_.type(sum), 1)),
                       strands_.address(sum, strand_, column));
  });
}

void CudaRows::store_strand() {
  Value* thread = wide(special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x));
  clear_padding(thread);
  std::size_t index = 0;
  for (std::size_t sum = 0; sum < strands_.count(); index += accumulators_of(sum++)) {
    const auto size = static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]);
    if (strands_.is_for_all(sum)) {
      emit_if(b_.CreateICmpEQ(thread, wide(std::int64_t{0})), [&] {
        b_.CreateAlignedStore(accumulators_[index], strands_.address(sum, strand_, nullptr),
                              llvm::Align(size));
      });
      continue;
    }
    Value* first = geometry_.held && geometry_.rows == 1
                       ? first_column(constant(static_cast<std::uint64_t>(geometry_.chunks)))
                       : nullptr;
    for (std::size_t i = 0; i < accumulators_of(sum); ++i) {
      Value* column =
          first ? b_.CreateAdd(wide(first), wide(geometry_.offset(static_cast<int>(i))))
                : b_.CreateAdd(thread, wide(static_cast<std::int64_t>(i) * schedule_.threads));
      const std::uint64_t lanes = first ? static_cast<unsigned>(geometry_.vector) : 1;
      emit_if(b_.CreateICmpULT(column, wide(columns_)), [&] {
        b_.CreateAlignedStore(accumulators_[index + i], strands_.address(sum, strand_, column),
                              llvm::Align(std::min<std::uint64_t>(size * lanes, 16)));
      });
    }
  }
}

} // namespace swage::codegen
