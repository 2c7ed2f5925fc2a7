// lower_cuda_cluster.cpp -- a row over several blocks, a cluster: each gives the others what it
// has.
//
// Every block has contiguous runs of passes, as every run of threads has within a block, so what it
// has of a sum is a subtree, lane by lane. Each block adds up a part of the lanes, neighbours, for
// all: the others write theirs into its shared memory, a warp adds blocks, then lanes, and writes
// the sum, a subtree again, to every block. What has no order is one value of a block from the
// start. So a stage moves the lanes once, and meets twice, or once where nothing has an order.
// Stages take turns in two regions: who writes into one knows from the barriers between that all
// have read what was there.
#include <algorithm>
#include <bit>

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

void CudaRows::cluster_sync() {
  await_cluster();
  statement("barrier.cluster.arrive.aligned;");
  statement("barrier.cluster.wait.aligned;");
}

/// Says that this block runs, and so has shared memory that others may write to.
void CudaRows::enter_cluster() {
  statement("barrier.cluster.arrive.aligned;");
}

/// Waits until all blocks of the cluster run, once.
void CudaRows::await_cluster() {
  if (!cluster_runs_)
    statement("barrier.cluster.wait.aligned;");
  cluster_runs_ = true;
}

/// Writes `value` to shared memory `at`, of this block, in block `block` of the cluster, 32 bits.
void CudaRows::store_to_block(Value* value, Value* at, Value* block) {
  Type* word = b_.getInt32Ty();
  auto* map = llvm::FunctionType::get(word, {word, word}, false);
  Value* mapped = b_.CreateCall(
      map, llvm::InlineAsm::get(map, "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r", false),
      {b_.CreatePtrToInt(at, word), block});
  const auto words = static_cast<int>(value->getType()->getPrimitiveSizeInBits() / 32);
  Value* bits =
      b_.CreateBitCast(value, llvm::FixedVectorType::get(word, static_cast<unsigned>(words)));
  for (int first = 0; first < words;) {
    const int count = std::min(words - first, 4); // a power of two, as `words` is
    std::string named, constraints = "r";
    std::vector<Value*> given{mapped};
    for (int i = 0; i < count; ++i) {
      named += fmt::format("{}${}", i == 0 ? "" : ", ", i + 1);
      constraints += ",r";
      given.push_back(b_.CreateExtractElement(bits, static_cast<std::uint64_t>(first + i)));
    }
    const std::string text =
        count == 1
            ? fmt::format("st.shared::cluster.b32 [$0+{}], $1;", 4 * first)
            : fmt::format("st.shared::cluster.v{}.b32 [$0+{}], {{{}}};", count, 4 * first, named);
    auto* function =
        llvm::FunctionType::get(b_.getVoidTy(), std::vector<Type*>(given.size(), word), false);
    b_.CreateCall(function, llvm::InlineAsm::get(function, text, constraints + ",~{memory}", true),
                  given);
    first += count;
  }
}

/// Writes `value`, one of this block, to every block, into places by block from `region` on.
void CudaRows::show_value(NodeId id, Value* value, std::int64_t region) {
  const std::int64_t size = size_of(node(id).type);
  emit_if(b_.CreateICmpULT(thread_, constant(static_cast<std::uint64_t>(geometry_.blocks))), [&] {
    store_to_block(value, shared(region, b_.CreateMul(wide(part_), wide(size))),
                   b_.CreateTrunc(thread_, b_.getInt32Ty()));
  });
}

/// Adds up this block's part of the lanes, in one warp, and shows the others the sum.
void CudaRows::sum_part_of_lanes(NodeId id, std::int64_t lanes_region, std::int64_t region) {
  const std::int64_t size = size_of(node(id).type);
  const std::int64_t part = ir::kSumLanes / geometry_.blocks, each = part / 32;
  Type* type = value_type(context_, node(id).type, static_cast<int>(each));
  std::vector<Value*> blocks;
  for (int block = 0; block < geometry_.blocks; ++block)
    blocks.push_back(b_.CreateAlignedLoad(
        type,
        shared(lanes_region + block * part * size, b_.CreateMul(wide(thread_), wide(each * size))),
        align_of(each * size)));
  Value* sum = lanes_tree(id, tree(id, blocks));
  for (int distance = 1; distance < 32; distance *= 2)
    sum = combine(id, sum, shuffle(sum, distance));
  show_value(id, sum, region);
}

std::vector<Value*> CudaRows::cluster_tree(const std::vector<Partial>& partials) {
  await_cluster(); // before anything is written to another block
  const std::int64_t bytes = cluster_bytes(plan_, job_.kernel, geometry_);
  std::int64_t region = exchange_bytes_ + 2 * value_bytes_ + cluster_turn_ * bytes;
  cluster_turn_ = (cluster_turn_ + 1) % cluster_regions(plan_);
  std::vector<std::int64_t> lanes(partials.size()), values(partials.size());
  std::vector<Partial> without_order;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const bool ordered = is_ordered(partials[i].id);
    const std::int64_t size = size_of(node(partials[i].id).type);
    lanes[i] = region;
    values[i] = region + (ordered ? ir::kSumLanes * size : 0);
    region += cluster_bytes(geometry_, ordered, static_cast<int>(size));
    if (!ordered)
      without_order.push_back(partials[i]);
  }
  const bool any_order = without_order.size() < partials.size();
  for (std::size_t i = 0; i < partials.size(); ++i) {
    if (!is_ordered(partials[i].id))
      continue;
    // Threads have lanes in their order, so a contiguous part of the threads has a block's part.
    Value* own = partials[i].slabs[0];
    const std::int64_t size = size_of(node(partials[i].id).type);
    const auto threads = static_cast<std::uint64_t>(ir::kSumLanes / lanes_of(own));
    const auto of_part = threads / static_cast<std::uint64_t>(geometry_.blocks);
    Value* block =
        b_.CreateLShr(thread_, constant(static_cast<std::uint64_t>(std::countr_zero(of_part))));
    Value* place = b_.CreateAnd(thread_, constant(of_part - 1));
    place = b_.CreateAdd(b_.CreateMul(wide(part_), wide(static_cast<std::int64_t>(of_part))),
                         wide(place));
    store_to_block(own, shared(lanes[i], b_.CreateMul(place, wide(lanes_of(own) * size))),
                   b_.CreateTrunc(block, b_.getInt32Ty()));
  }
  const std::vector<Value*> of_block = block_tree(without_order);
  for (std::size_t i = 0, next = 0; i < partials.size(); ++i)
    if (!is_ordered(partials[i].id))
      show_value(partials[i].id, of_block[next++], values[i]);
  cluster_sync();
  if (any_order) {
    emit_if(b_.CreateICmpULT(thread_, constant(32)), [&] {
      for (std::size_t i = 0; i < partials.size(); ++i)
        if (is_ordered(partials[i].id))
          sum_part_of_lanes(partials[i].id, lanes[i], values[i]);
    });
    cluster_sync();
  }
  std::vector<Value*> totals;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    const std::int64_t size = size_of(node(id).type);
    Type* type = value_type(context_, node(id).type, geometry_.blocks);
    Value* all = b_.CreateAlignedLoad(type, shared(values[i], wide(std::int64_t{0})),
                                      align_of(geometry_.blocks * size));
    totals.push_back(lanes_tree(id, all));
  }
  return totals;
}

} // namespace swage::codegen
