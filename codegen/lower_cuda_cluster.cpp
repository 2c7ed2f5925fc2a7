// lower_cuda_cluster.cpp -- a row over several blocks, a cluster: each gives the others what it
// has.
//
// A block has neighbouring lanes of the order in every pass, so its sum is a subtree of the lanes.
// Mostly it has fewer of them than threads, so its runs meet in shared memory, where a few warps
// add runs, then lanes. What has no order is one value of a block from the start. These values are
// written into the shared memory of every block, and all threads add up all, in their order.
//
// An mbarrier of each block counts the bytes that arrive there, so that threads wait for the values
// alone. (A barrier of the cluster would need a fence before it, which takes longer than all else:
// softmax of 64x131072 on an H200 13.1 us for 16.2, of 16x14336 2.2 for 2.6.) Stages take turns in
// two regions, each with its mbarrier. Who writes into one has got the values of the stage between
// from all blocks, and each of them sent its own after all its threads had met, and so had read
// what was there. No block ends before it has got all that the others send.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>

#include "codegen/cuda_rows.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

llvm::Align align_of(std::int64_t bytes) {
  return llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(bytes, 16)));
}

} // namespace

/// What was read and written before it, in any block, is done.
void CudaRows::cluster_sync() {
  await_cluster();
  statement("barrier.cluster.arrive.release.aligned;");
  statement("barrier.cluster.wait.acquire.aligned;");
}

/// Says that this block runs, and so has shared memory that others may write to, and mbarriers.
void CudaRows::enter_cluster() {
  emit_if(b_.CreateICmpEQ(thread_, constant(0)), [&] {
    for (int turn = 0; turn < cluster_regions(plan_); ++turn)
      arrivals(turn, "mbarrier.init.shared::cta.b64 [$0], 1;");
    statement("fence.mbarrier_init.release.cluster;");
  });
  statement("barrier.cluster.arrive.relaxed.aligned;");
}

/// Waits until all blocks of the cluster run, once.
void CudaRows::await_cluster() {
  if (!cluster_runs_)
    statement("barrier.cluster.wait.acquire.aligned;");
  cluster_runs_ = true;
}

/// Where region `turn` begins, which its mbarrier does.
std::int64_t CudaRows::region_at(int turn) const {
  return exchange_bytes_ + 2 * value_bytes_ + turn * region_bytes(plan_, geometry_);
}

Value* CudaRows::arrivals_at(int turn) {
  return b_.CreatePtrToInt(shared(region_at(turn), wide(std::int64_t{0})), b_.getInt32Ty());
}

/// `text` of the mbarrier of region `turn`, $0.
void CudaRows::arrivals(int turn, const std::string& text) {
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getInt32Ty()}, false);
  b_.CreateCall(type, llvm::InlineAsm::get(type, text, "r,~{memory}", true), {arrivals_at(turn)});
}

/// Waits until all that `turn`'s mbarrier was told to expect is there, in its phase `phase`.
void CudaRows::await_arrivals(int turn, int phase) {
  auto* wait = BasicBlock::Create(context_, "wait", function_);
  auto* there = BasicBlock::Create(context_, "there", function_);
  Value* at = arrivals_at(turn);
  b_.CreateBr(wait);
  b_.SetInsertPoint(wait);
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getInt32Ty()}, false);
  const std::string text = fmt::format("{{\n\t.reg .pred p;\n\t"
                                       "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 "
                                       "p, [$1], {};\n\tselp.b32 $0, 1, 0, p;\n\t}}",
                                       phase % 2);
  Value* done = b_.CreateCall(type, llvm::InlineAsm::get(type, text, "=r,r,~{memory}", true), {at});
  b_.CreateCondBr(b_.CreateICmpNE(done, b_.getInt32(0)), there, wait);
  b_.SetInsertPoint(there);
}

/// Sends `value`, of 32 or 64 bits, to where `at` is in the shared memory of block `block`, and
/// tells the mbarrier of its region `turn`.
void CudaRows::send_to_block(Value* value, Value* at, Value* block, int turn) {
  Type* word = b_.getInt32Ty();
  auto* map = llvm::FunctionType::get(word, {word, word}, false);
  const auto mapped = [&](Value* own) {
    return b_.CreateCall(
        map, llvm::InlineAsm::get(map, "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r", false),
        {own, block});
  };
  Value* there = mapped(b_.CreatePtrToInt(at, word));
  const auto bits = static_cast<unsigned>(value->getType()->getPrimitiveSizeInBits());
  Type* type = b_.getIntNTy(bits);
  auto* send = llvm::FunctionType::get(b_.getVoidTy(), {word, type, word}, false);
  const std::string text = fmt::format(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.b{} [$0], $1, [$2];", bits);
  b_.CreateCall(
      send,
      llvm::InlineAsm::get(send, text, bits == 64 ? "r,l,r,~{memory}" : "r,r,r,~{memory}", true),
      {there, b_.CreateBitCast(value, type), mapped(arrivals_at(turn))});
}

/// In a warp: sends `value` to every block, as number `number` from `place` on.
void CudaRows::send_value(NodeId id, Value* value, Value* number, std::int64_t place, int turn) {
  const std::int64_t size = size_of(node(id).type);
  emit_if(b_.CreateICmpULT(warp_lane_, b_.getInt32(static_cast<std::uint32_t>(geometry_.blocks))),
          [&] {
            send_to_block(value, shared(place, b_.CreateMul(wide(number), wide(size))), warp_lane_,
                          turn);
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

/// How many numbers a block sends of `id`.
int CudaRows::numbers_sent(NodeId id) const {
  return has_runs(id) ? geometry_.adding_warps() : 1;
}

/// Sends what this block has of `partials` to all blocks, each to its place.
void CudaRows::send_partials(const std::vector<Partial>& partials,
                             const std::vector<std::int64_t>& places, int turn) {
  std::vector<Partial> without_runs;
  std::ranges::copy_if(partials, std::back_inserter(without_runs),
                       [&](const Partial& partial) { return !has_runs(partial.id); });
  const auto first =
      std::ranges::find_if(partials, [&](const Partial& partial) { return has_runs(partial.id); });
  const bool any_runs = first != partials.end();
  if (any_runs) {
    if (runs_stored_)
      sync(); // those of an earlier stage were read
    runs_stored_ = true;
    store_runs(*first);
  }
  const std::vector<Value*> of_block = block_tree(without_runs);
  if (any_runs && without_runs.empty())
    sync(); // else the tree has one
  const int warps = geometry_.adding_warps();
  for (std::size_t i = 0, next = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    if (!has_runs(id)) {
      emit_if(is_adding(1), [&] { send_value(id, of_block[next++], part_, places[i], turn); });
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
      send_value(id, sum_of_runs(id), number, places[i], turn);
    });
  }
}

std::vector<Value*> CudaRows::cluster_tree(const std::vector<Partial>& partials) {
  await_cluster(); // before anything is sent to another block
  const int turn = exchanges_ % cluster_regions(plan_);
  const int phase = exchanges_++ / cluster_regions(plan_);
  std::vector<std::int64_t> places;
  std::int64_t expected = 0;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    places.push_back(region_at(turn) + kArrivalBytes +
                     static_cast<std::int64_t>(i) * cluster_bytes(geometry_));
    expected += std::int64_t{geometry_.blocks} * numbers_sent(partials[i].id) *
                size_of(node(partials[i].id).type);
  }
  // Others may send before: bytes that came and are not expected yet keep the phase open, too.
  emit_if(b_.CreateICmpEQ(thread_, constant(0)), [&] {
    arrivals(turn, fmt::format("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], {};", expected));
  });
  send_partials(partials, places, turn);
  const bool is_last = pass_ + 1 == static_cast<int>(plan_.reductions.size());
  if (is_last && schedule_.ahead && bytes_a_column(job_.kernel) > 0 &&
      !loads_columns_early(job_.kernel, schedule_))
    load_held(needed_loads(ir::Broadcast::per_column));
  await_arrivals(turn, phase);
  std::vector<Value*> totals;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    const int count = geometry_.blocks * numbers_sent(id);
    Type* type = value_type(context_, node(id).type, count);
    Value* all = b_.CreateAlignedLoad(type, shared(places[i], wide(std::int64_t{0})),
                                      align_of(count * size_of(node(id).type)));
    totals.push_back(lanes_tree(id, all));
  }
  return totals;
}

} // namespace swage::codegen
