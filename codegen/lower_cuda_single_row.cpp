// lower_cuda_single_row.cpp -- sums over rows of a call of one row on CUDA: they are known where
// the strand ends, in registers of its threads, which store what is made of them. No second launch
// follows then.
#include "codegen/cuda_rows.hpp"
#include "codegen/total_stores.hpp"

namespace swage::codegen {

using llvm::Value;

void CudaRows::store_sums() {
  if (!stores_single_row(job_.kernel, job_.specialization, schedule_))
    return store_strand();
  emit_if(
      b_.CreateICmpEQ(arguments_.rows, constant(1)), [&] { store_single_row(); },
      [&] { store_strand(); });
}

/// The columns of a thread, as its accumulators have them.
std::vector<CudaRows::Chunk> CudaRows::columns_of_sums() {
  if (geometry_.rows == 1) {
    begin_row(wide(std::int64_t{0}), nullptr); // of which no more than the columns are looked at
    return chunks_;
  }
  Value* thread = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < columns_each(); ++i) {
    Chunk chunk;
    chunk.bases = arguments_.base;
    chunk.column =
        b_.CreateAdd(thread, constant(i * static_cast<std::uint64_t>(schedule_.threads)));
    chunk.offset = wide(chunk.column);
    chunk.guard.whole = b_.CreateICmpULT(chunk.column, columns_);
    chunks.push_back(chunk);
  }
  return chunks;
}

/// Sums over rows of the columns that accumulator `index` of each is of.
std::vector<Value*> CudaRows::totals_of(std::size_t index) {
  std::vector<Value*> totals;
  std::size_t first = 0;
  for (std::size_t sum = 0; sum < strands_.count(); first += accumulators_of(sum++))
    totals.push_back(strands_.total(accumulators_[first + (strands_.is_for_all(sum) ? 0 : index)]));
  return totals;
}

void CudaRows::store_single_row() {
  TotalStores stores(b_, job_, plan_, tensors_, *memory_);
  if (overwrites_what_rows_read())
    block_sync();
  held_.begin(-1);
  const Place of_all{arguments_.base, std::vector<Value*>(arguments_.base.size()), nullptr};
  if (stores.has_columns()) {
    const TotalStores::Values shared = stores.shared_by_columns(scalars_, of_all);
    const std::vector<Chunk> chunks = columns_of_sums();
    const int lanes = geometry_.rows == 1 ? geometry_.vector : 1;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const Place place{chunks[i].bases, of_all.offset, chunks[i].offset};
      stores.store_columns({place, wide(chunks[i].column), lanes, chunks[i].guard}, totals_of(i),
                           shared);
    }
  }
  if (!stores.has_tensors())
    return;
  Value* thread = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
  emit_if(b_.CreateICmpEQ(thread, constant(0)),
          [&] { stores.store_tensors(scalars_, of_all, totals_of(0)); });
}

/// One thread may store in place what others read for their rows.
bool CudaRows::overwrites_what_rows_read() const {
  for (std::uint32_t p = 0; p < job_.kernel.params().size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    if (param.is_tensor() && is_shared(param.broadcast) && param.is_read() &&
        (param.is_written() || tensors_.spec(p).aliased))
      return true;
  }
  return false;
}

} // namespace swage::codegen
