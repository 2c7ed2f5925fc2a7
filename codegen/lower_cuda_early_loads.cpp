// lower_cuda_early_loads.cpp -- what the CUDA kernel loads of a row before it computes, where the
// assembler would leave it for later.
#include "codegen/cuda_rows.hpp"
#include "codegen/needed_nodes.hpp"
#include "codegen/schedule_parts.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

/// What is loaded of the row before anything is computed of it. `meet`: blocks do.
void CudaRows::load_early(bool meet) {
  const bool prepares = prepares_row_values();
  if (prepares)
    load_row_values();
  if (schedule_.ahead) {
    held_.columns = true;
    load_held(needed_loads(Broadcast::none));
    // Else while values of other blocks are under way: threads have the most registers free then.
    if (!meet || loads_columns_early(job_.kernel, schedule_))
      load_held(needed_loads(Broadcast::per_column));
    // Blocks that meet wait for that first; where the end of a row is looked for, the assembler
    // leaves loads of columns where they are (RMSNorm of 1x4096: 1.07 us, else 1.25).
    if (geometry_.held &&
        (bytes_a_column(job_.kernel) == 0 || (job_.specialization.columns_known && !meet)))
      keep_loads_before();
  } else if (geometry_.held &&
             ((meet && holds_many()) || (prepares && !reduces_groups(job_.kernel)))) {
    load_held(needed_loads(Broadcast::none));
    keep_loads_before();
  } else if (prepares) {
    keep_loads_before();
  }
}

/// What is loaded of a row that is held, but for entries of tables and accesses that are not whole,
/// once: what all rows have for the first of them, and what several threads have by one (all
/// threads that ask for one address, SwiGLU of 512x14336 with a given scale on an H200: 52 us for
/// 10).
void CudaRows::fetch_row(Value* row) {
  const std::vector<bool> all = needed_of_rows();
  Value* of_all_rows = b_.CreateICmpEQ(row, wide(std::int64_t{0}));
  Value* first_thread = b_.CreateICmpEQ(thread_, constant(0));
  const auto is_loaded = [&](NodeId id) { return all[id] && node(id).op == Op::load; };
  for (Chunk chunk : chunks_) { // a copy: nothing is loaded of it
    chunk.held = -1;
    chunk.guard.lanes.clear();
    load(chunk, needed_loads(Broadcast::none));
    for (NodeId id = 0; id < nodes(); ++id)
      if (is_loaded(id) && by_group(id))
        fetch_groups(chunk, node(id).param);
    chunk.guard.whole = both(chunk.guard.whole, of_all_rows);
    load(chunk, needed_loads(Broadcast::per_column));
  }
  for (NodeId id = 0; id < nodes(); ++id) {
    if (!is_loaded(id) || !has_row_value(id))
      continue;
    const bool of_tensor = node(id).space.broadcast == Broadcast::per_tensor;
    Value* inside = row_inside_;
    row_inside_ = both(both(inside, first_thread), of_tensor ? of_all_rows : nullptr);
    load_row_value(id);
    row_inside_ = inside;
  }
}

/// Whether elements would wait for something that takes its time and is computed of what a row or
/// all of them have one of, as the reciprocal of a scale does: they are under way meanwhile (SwiGLU
/// to f8e4m3 with a given scale, 16x14336 on an H200: 1.69 us, else 1.92). Not where they are many,
/// for they stay in registers then.
bool CudaRows::prepares_row_values() const {
  constexpr int kMostBytes = 128; // of a thread
  if (bytes_of_inputs(job_.kernel) * thread_elements(schedule_, job_.kernel) > kMostBytes)
    return false;
  const std::vector<bool> needed = needed_of_rows(); // what selects rows is known by then
  std::vector<bool> loaded(nodes(), false);
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    loaded[id] = made.op == Op::load && has_row_value(id);
    for (int i = 0; i < ir::info(made.op).arity; ++i)
      loaded[id] = loaded[id] || loaded[made.args[static_cast<std::size_t>(i)]];
    const bool takes_time = made.op == Op::lookup || instructions(made) > 1;
    if (loaded[id] && needed[id] && takes_time && plan_.stage[id] == 0 && has_row_value(id) &&
        made.op != Op::load)
      return true;
  }
  return false;
}

/// So that all loads are under way before the first of them is waited for (RMSNorm of 64x262144 on
/// an H200: without weights 20.2 us for 22.3, with them 22.4 for 24.0; of 16 rows, softmax, and
/// half the columns 0 to 1 %).
bool CudaRows::holds_many() const {
  constexpr int kMany = 64;
  return geometry_.held && thread_elements(schedule_, job_.kernel) >= kMany;
}

/// Those that are there for the loading.
void CudaRows::load_row_values() {
  for (NodeId id = 0; id < nodes(); ++id)
    if (node(id).op == Op::load && has_row_value(id) && !row_values_[id])
      row_values_[id] = load_row_value(id);
}

std::vector<bool> CudaRows::needed_of_rows() const {
  std::vector<NodeId> roots = terms_by_column();
  for (const auto& stage : plan_.reductions)
    roots.insert(roots.end(), stage.begin(), stage.end());
  for (const ir::Store& store : job_.kernel.stores())
    if (!after_[store.node])
      roots.push_back(store.node);
  return needed_nodes(job_.kernel, roots, [](NodeId) { return true; });
}

std::vector<bool> CudaRows::needed_loads(Broadcast of) const {
  std::vector<bool> needed = needed_of_rows();
  for (NodeId id = 0; id < nodes(); ++id)
    needed[id] = needed[id] && node(id).op == Op::load && node(id).space.broadcast == of;
  return needed;
}

void CudaRows::load_held(const std::vector<bool>& needed) {
  for (Chunk& chunk : chunks_)
    load(chunk, needed);
}

} // namespace swage::codegen
