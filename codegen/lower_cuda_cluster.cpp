// lower_cuda_cluster.cpp -- a row over several blocks, a cluster: each shows the others what it
// has.
//
// Every block has contiguous runs of passes, as every run of threads has within a block, so what it
// has of a sum is a subtree, lane by lane. The blocks read each other's lanes and all add them,
// each for itself: one barrier of the cluster a stage. The regions take turns, so that a block may
// go on to the next stage while others still read; the barrier of that stage says that they have.
#include <algorithm>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>

#include "codegen/cuda_rows.hpp"

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

void CudaRows::cluster_sync() {
  statement("barrier.cluster.arrive.aligned;");
  statement("barrier.cluster.wait.aligned;");
}

/// What is at shared memory `at` of this block, in block `block` of the cluster.
Value* CudaRows::load_of_block(Type* type, Value* at, int block) {
  Type* word = b_.getInt32Ty();
  Value* own = b_.CreatePtrToInt(at, word);
  auto* map = llvm::FunctionType::get(word, {word, word}, false);
  Value* mapped = b_.CreateCall(
      map, llvm::InlineAsm::get(map, "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r", false),
      {own, b_.getInt32(static_cast<unsigned>(block))});
  const auto words = static_cast<int>(type->getPrimitiveSizeInBits().getFixedValue() / 32);
  auto* all = llvm::FixedVectorType::get(word, static_cast<unsigned>(words));
  Value* bits = llvm::PoisonValue::get(all);
  for (int first = 0; first < words;) {
    const int count = std::min(words - first, 4); // a power of two, as `words` is
    std::string results, constraints;
    for (int i = 0; i < count; ++i) {
      results += fmt::format("{}${}", i == 0 ? "" : ", ", i);
      constraints += "=r,";
    }
    const std::string text = count == 1
                                 ? fmt::format("ld.shared::cluster.b32 $0, [$1+{}];", 4 * first)
                                 : fmt::format("ld.shared::cluster.v{}.b32 {{{}}}, [${}+{}];",
                                               count, results, count, 4 * first);
    Type* result = count == 1
                       ? word
                       : llvm::StructType::get(
                             context_, std::vector<Type*>(static_cast<std::size_t>(count), word));
    auto* function = llvm::FunctionType::get(result, {word}, false);
    Value* loaded = b_.CreateCall(
        function, llvm::InlineAsm::get(function, text, constraints + "r,~{memory}", true),
        {mapped});
    for (int i = 0; i < count; ++i)
      bits = b_.CreateInsertElement(
          bits, count == 1 ? loaded : b_.CreateExtractValue(loaded, static_cast<unsigned>(i)),
          static_cast<std::uint64_t>(first + i));
    first += count;
  }
  return b_.CreateBitCast(bits, type);
}

void CudaRows::combine_blocks(std::vector<Partial>& partials) {
  if (geometry_.blocks == 1)
    return;
  const std::int64_t each = cluster_bytes(plan_, job_.kernel, geometry_);
  std::int64_t region = exchange_bytes_ + 2 * value_bytes_ + cluster_turn_ * each;
  cluster_turn_ = (cluster_turn_ + 1) % cluster_regions(plan_);
  std::vector<Value*> shown;
  for (Partial& partial : partials) {
    const bool ordered = is_ordered(partial.id);
    const std::int64_t size = size_of(node(partial.id).type);
    Value* own = ordered ? partial.slabs[0] : lanes_tree(partial.id, partial.slabs[0]);
    const int lanes = lanes_of(own);
    shown.push_back(shared(region, b_.CreateMul(wide(thread_), wide(lanes * size))));
    b_.CreateAlignedStore(
        own, shown.back(),
        llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(lanes * size, 16))));
    partial.slabs = {own};
    region += cluster_bytes(geometry_, ordered, static_cast<int>(size));
  }
  cluster_sync();
  for (std::size_t i = 0; i < partials.size(); ++i) {
    std::vector<Value*> blocks;
    for (int block = 0; block < geometry_.blocks; ++block)
      blocks.push_back(load_of_block(partials[i].slabs[0]->getType(), shown[i], block));
    partials[i].slabs = {tree(partials[i].id, blocks)};
  }
}

} // namespace swage::codegen
