// lower_cuda_stores.cpp -- what the CUDA kernel stores of a row, and when.
#include <algorithm>
#include <array>
#include <iterator>

#include "codegen/cuda_rows.hpp"
#include "codegen/needed_nodes.hpp"
#include "codegen/schedule_parts.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

/// Elements that need nothing of the row are stored where it is reduced first: the GPU's memory is
/// read and written at the same time then, and there is less to write in the end (RMSNorm of a sum
/// that is stored too).
void CudaRows::find_early_stores() {
  late_ = stores_of(job_.kernel, Broadcast::none);
  if (plan_.reductions.empty())
    return;
  std::vector<NodeId> terms;
  for (const NodeId id : plan_.reductions[0])
    if (!is_count(id))
      terms.push_back(node(id).args[0]);
  if (terms.empty())
    return;
  const std::vector<bool> read = needed_nodes(job_.kernel, terms, [](NodeId) { return true; });
  // What is read later must not be written before; a row that is not held is read anew.
  for (NodeId id = 0; id < nodes(); ++id) {
    if (node(id).op != Op::load)
      continue;
    const ir::Param& param = job_.kernel.params()[node(id).param];
    if (!(geometry_.held && read[id]) &&
        (param.is_written() || tensors_.spec(node(id).param).aliased))
      return;
  }
  const auto is_late = [&](const ir::Store& store) {
    if (is_interleaved(tensors_.spec(store.param).layout))
      return true;
    const std::vector<bool> needed =
        needed_nodes(job_.kernel, std::array{store.node}, [](NodeId) { return true; });
    for (NodeId id = 0; id < nodes(); ++id)
      if (needed[id] &&
          ((node(id).op == Op::load && !read[id]) || ir::is_reduction(node(id).op) || by_group(id)))
        return true;
    return false;
  };
  const auto early = std::ranges::stable_partition(late_, is_late);
  early_.assign(early.begin(), early.end());
  late_.erase(early.begin(), early.end());
}

void CudaRows::emit_outputs() {
  accumulate_row();
  const bool by_column = !terms_by_column().empty() || !late_.empty() ||
                         !stores_of(job_.kernel, Broadcast::per_group).empty();
  if (by_column && geometry_.held) {
    emit_chunks(chunks_);
  } else if (by_column) {
    emit_looped_chunks();
  }
  store_rows();
}

/// A row that is not held, some chunks at a time.
void CudaRows::emit_looped_chunks() {
  Value* first = b_.CreateMul(thread_, constant(static_cast<std::uint64_t>(geometry_.vector)));
  const std::vector<Value*> bases = bases_from(first);
  const int count = schedule_.accesses;
  const bool ahead = schedule_.ahead;
  const auto chunks_from = [&](Value* from) {
    std::vector<Chunk> chunks;
    for (int k = 0; k < count; ++k)
      chunks.push_back(make_chunk(bases, first,
                                  b_.CreateAdd(wide(from), wide(std::int64_t{geometry_.step} * k)),
                                  ahead ? k : -1, false));
    return chunks;
  };
  Value* step = constant(static_cast<std::uint64_t>(geometry_.step * count));
  if (!ahead)
    return emit_loop(constant(0), columns_, step, [&](Value* from) {
      std::vector<Chunk> chunks = chunks_from(from);
      emit_chunks(chunks);
    });
  const std::vector<bool> needed = needed_loads(Broadcast::none);
  const auto load_from = [&](Value* from) {
    held_.drop();
    for (Chunk& chunk : chunks_from(from))
      load(chunk, needed);
    return held_.bits();
  };
  carry(constant(0), columns_, step, load_from(constant(0)),
        [&](Value* from, const std::vector<Value*>& now) {
          const std::vector<Value*> next = load_from(b_.CreateAdd(from, step));
          if (keeps_codes_apart())
            keep_loads_before();
          held_.replace(now);
          std::vector<Chunk> chunks = chunks_from(from);
          emit_chunks(chunks);
          return next;
        });
}

/// Codes of four bits take the assembler so many operations that what it moves where decides
/// (SwiGLU in MXFP4, 8192x14336 on an H200: 202 us where it moves loads ahead and quantised values
/// at will, 170 where neither passes the group's reduction; in MXFP8 1 to 2 % more for many rows,
/// which load ahead, and 2 % less for few).
bool CudaRows::keeps_codes_apart() const {
  return stores_packed_elements(job_.kernel);
}

/// Every load of some chunks before the first store: an output may be an input.
void CudaRows::emit_chunks(std::vector<Chunk>& chunks) {
  constexpr std::size_t kTogether = 4;
  std::vector<NodeId> roots;
  for (const auto& stores : {late_, stores_of(job_.kernel, Broadcast::per_group)})
    std::ranges::transform(stores, std::back_inserter(roots), &ir::Store::node);
  const std::vector<NodeId> terms = terms_by_column();
  roots.insert(roots.end(), terms.begin(), terms.end());
  const std::vector<bool> needed = needed_by(roots);
  for (std::size_t from = 0; from < chunks.size(); from += kTogether) {
    const std::size_t to = std::min(from + kTogether, chunks.size());
    for (std::size_t k = from; k < to; ++k)
      load(chunks[k], needed);
    for (std::size_t k = from; k < to; ++k) {
      emit_groups(chunks[k], needed);
      if (reduces_groups(job_.kernel) && (!schedule_.ahead || keeps_codes_apart()))
        keep_loads_before();
      accumulate(chunks[k]);
      store_groups(chunks[k]);
      store_elements(chunks[k], late_);
    }
  }
}

void CudaRows::store_elements(Chunk& chunk, const std::vector<ir::Store>& stores) {
  if (stores.empty())
    return;
  const int lanes = geometry_.vector;
  const std::vector<Value*> bits = lower_stores(b_, job_, lanes, stores, known(chunk, lanes));
  memory_->set_guard(chunk.guard);
  tensors_.store({chunk.bases, std::vector<Value*>(chunk.bases.size()), chunk.offset}, lanes,
                 stores, bits);
  memory_->set_guard({});
}

/// A value that all threads of a row read may be stored through the same parameter, or one that
/// names the same memory.
bool CudaRows::writes_what_all_read() const {
  for (std::uint32_t p = 0; p < job_.kernel.params().size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    const bool shared =
        param.broadcast == Broadcast::per_row || param.broadcast == Broadcast::per_group;
    if (param.is_tensor() && shared && param.is_read() &&
        (param.is_written() || tensors_.spec(p).aliased))
      return true;
  }
  return false;
}

void CudaRows::store_rows() {
  const std::vector<ir::Store> stores = stores_of(job_.kernel, Broadcast::per_row);
  if (stores.empty())
    return;
  if (writes_what_all_read())
    geometry_.blocks > 1 ? cluster_sync() : sync();
  const Chunk nothing;
  const std::vector<Value*> bits = lower_stores(b_, job_, 1, stores, known(nothing, 1));
  Value* number = part_ ? b_.CreateOr(thread_, part_) : thread_; // 0 in one thread of the row
  emit_if(both(row_inside_, b_.CreateICmpEQ(number, constant(0))), [&] {
    tensors_.store({row_bases_, std::vector<Value*>(row_bases_.size()), nullptr}, 1, stores, bits);
  });
}

} // namespace swage::codegen
