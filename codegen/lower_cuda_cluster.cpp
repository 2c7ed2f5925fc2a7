// lower_cuda_cluster.cpp -- a row over several blocks, a cluster: each gives the others what it
// has.
//
// A block has neighbouring lanes of the order in every pass, so its sum is a subtree of the lanes.
// Mostly it has fewer of them than threads, so its runs meet in shared memory, where a few warps
// add runs, then lanes. What has no order is one value of a block from the start. These values are
// written into the shared memory of every block, and all threads add up all, in their order. So a
// stage moves a few values and meets once. Stages take turns in two regions: who writes into one
// knows from the barrier between that all have read what was there.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>

#include "codegen/cuda_rows.hpp"

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

namespace {

llvm::Align align_of(std::int64_t bytes) {
  return llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(bytes, 16)));
}

} // namespace

/// What the warps where `wrote` (null: all) have written, all blocks see. For the others it is no
/// fence, which waits for all that a thread has under way: what they did before, the warps that
/// wrote know from a barrier of the block.
void CudaRows::cluster_sync(Value* wrote, const std::function<void()>& meanwhile) {
  await_cluster();
  const auto arrive = [&] { statement("barrier.cluster.arrive.release.aligned;"); };
  if (wrote)
    emit_if(wrote, arrive, [&] { statement("barrier.cluster.arrive.relaxed.aligned;"); });
  else
    arrive();
  if (meanwhile)
    meanwhile();
  statement("barrier.cluster.wait.acquire.aligned;");
}

/// Says that this block runs, and so has shared memory that others may write to.
void CudaRows::enter_cluster() {
  statement("barrier.cluster.arrive.relaxed.aligned;");
}

/// Waits until all blocks of the cluster run, once.
void CudaRows::await_cluster() {
  if (!cluster_runs_)
    statement("barrier.cluster.wait.acquire.aligned;");
  cluster_runs_ = true;
}

/// Writes `value`, of 32 or 64 bits, to where `at` is in the shared memory of block `block`.
void CudaRows::store_to_block(Value* value, Value* at, Value* block) {
  Type* word = b_.getInt32Ty();
  auto* map = llvm::FunctionType::get(word, {word, word}, false);
  Value* mapped = b_.CreateCall(
      map, llvm::InlineAsm::get(map, "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r", false),
      {b_.CreatePtrToInt(at, word), block});
  const auto bits = static_cast<unsigned>(value->getType()->getPrimitiveSizeInBits());
  Type* type = b_.getIntNTy(bits);
  auto* store = llvm::FunctionType::get(b_.getVoidTy(), {word, type}, false);
  b_.CreateCall(store,
                llvm::InlineAsm::get(store, fmt::format("st.shared::cluster.b{} [$0], $1;", bits),
                                     bits == 64 ? "r,l,~{memory}" : "r,r,~{memory}", true),
                {mapped, b_.CreateBitCast(value, type)});
}

/// In a warp: writes `value` to every block, as number `number` from `region` on.
void CudaRows::show_value(NodeId id, Value* value, Value* number, std::int64_t region) {
  const std::int64_t size = size_of(node(id).type);
  emit_if(
      b_.CreateICmpULT(warp_lane_, b_.getInt32(static_cast<std::uint32_t>(geometry_.blocks))), [&] {
        store_to_block(value, shared(region, b_.CreateMul(wide(number), wide(size))), warp_lane_);
      });
}

/// Writes what this thread has of its run to shared memory. Where a warp has several runs it adds
/// them up before: threads with the same lanes give each other halves of them away.
void CudaRows::store_runs(const Partial& partial) {
  const NodeId id = partial.id;
  const std::int64_t size = size_of(node(id).type);
  std::vector<Value*> lanes = lanes_in(partial.slabs[0]);
  for (int distance = geometry_.lanes() / geometry_.vector; distance < 32; distance *= 2)
    lanes = halve(id, lanes, distance);
  const int count = static_cast<int>(lanes.size());
  Value* own = llvm::PoisonValue::get(value_type(context_, node(id).type, count));
  for (std::uint64_t i = 0; i < lanes.size(); ++i)
    own = count == 1 ? lanes[0] : b_.CreateInsertElement(own, lanes[i], i);
  b_.CreateAlignedStore(own, shared(0, b_.CreateMul(wide(thread_), wide(count * size))),
                        align_of(count * size));
}

/// In a warp of those that add up runs: the sum of its lanes.
Value* CudaRows::sum_of_runs(NodeId id) {
  const std::int64_t size = size_of(node(id).type);
  const std::int64_t each = geometry_.lanes() / (32 * geometry_.adding_warps());
  Type* type = value_type(context_, node(id).type, static_cast<int>(each));
  std::vector<Value*> runs;
  for (int run = 0; run < std::min(geometry_.runs, geometry_.warps()); ++run)
    runs.push_back(b_.CreateAlignedLoad(
        type,
        shared(run * geometry_.lanes() * size, b_.CreateMul(wide(thread_), wide(each * size))),
        align_of(each * size)));
  Value* sum = lanes_tree(id, tree(id, runs));
  // Threads that gave halves away have neighbouring lanes.
  int distance = 16;
  for (; distance >= geometry_.lanes() / geometry_.vector; distance /= 2)
    sum = combine(id, sum, shuffle(sum, distance));
  for (int low = 1; low <= distance; low *= 2)
    sum = combine(id, sum, shuffle(sum, low));
  return sum;
}

bool CudaRows::has_runs(NodeId id) const {
  return geometry_.runs > 1 && is_ordered(id);
}

/// In the first `warps` warps of the block.
Value* CudaRows::is_adding(int warps) {
  return b_.CreateICmpULT(thread_, constant(32 * static_cast<std::uint64_t>(warps)));
}

/// Writes what this block has of `partials` to all blocks, each to its place. Gives the warps that
/// did.
int CudaRows::show_partials(const std::vector<Partial>& partials,
                            const std::vector<std::int64_t>& places) {
  std::vector<Partial> without_runs;
  std::ranges::copy_if(partials, std::back_inserter(without_runs),
                       [&](const Partial& partial) { return !has_runs(partial.id); });
  const auto first =
      std::ranges::find_if(partials, [&](const Partial& partial) { return has_runs(partial.id); });
  const bool any_runs = first != partials.end();
  if (any_runs)
    store_runs(*first);
  const std::vector<Value*> of_block = block_tree(without_runs);
  if (any_runs && without_runs.empty())
    sync(); // else the tree has one
  const int warps = geometry_.adding_warps();
  for (std::size_t i = 0, next = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    if (!has_runs(id)) {
      emit_if(is_adding(1), [&] { show_value(id, of_block[next++], part_, places[i]); });
      continue;
    }
    if (&partials[i] != &*first) {
      sync(); // the runs before were read
      store_runs(partials[i]);
      sync();
    }
    emit_if(is_adding(warps), [&] {
      Value* number = b_.CreateAdd(b_.CreateMul(part_, constant(static_cast<std::uint64_t>(warps))),
                                   b_.CreateLShr(thread_, constant(5)));
      show_value(id, sum_of_runs(id), number, places[i]);
    });
  }
  return any_runs ? warps : 1;
}

std::vector<Value*> CudaRows::cluster_tree(const std::vector<Partial>& partials) {
  await_cluster(); // before anything is written to another block
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < partials.size(); ++i)
    places.push_back(exchange_bytes_ + 2 * value_bytes_ +
                     cluster_turn_ * cluster_bytes(plan_, geometry_) +
                     static_cast<std::int64_t>(i) * cluster_bytes(geometry_));
  cluster_turn_ = (cluster_turn_ + 1) % cluster_regions(plan_);
  const int warps = show_partials(partials, places);
  const bool is_last = pass_ + 1 == static_cast<int>(plan_.reductions.size());
  cluster_sync(is_adding(warps), [&] {
    if (is_last && schedule_.ahead)
      load_held(needed_loads(ir::Broadcast::per_column));
  });
  std::vector<Value*> totals;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    const int count = geometry_.blocks * (has_runs(id) ? warps : 1);
    Type* type = value_type(context_, node(id).type, count);
    Value* all = b_.CreateAlignedLoad(type, shared(places[i], wide(std::int64_t{0})),
                                      align_of(count * size_of(node(id).type)));
    totals.push_back(lanes_tree(id, all));
  }
  return totals;
}

} // namespace swage::codegen
