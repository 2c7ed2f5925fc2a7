// lower_cuda_shared_tiles.cpp -- tiles that the warps of a block share: what each has of a column,
// all have.
//
// Each warp writes what it found down its rows to shared memory, a place of its own for every pass,
// so one barrier is enough. Maxima and sums of integers need no order; check_schedule admits no
// others.
#include <algorithm>

#include "codegen/cuda_tiles.hpp"

namespace swage::codegen {

using llvm::Value;

std::vector<Value*> CudaTiles::meet(int pass, const std::vector<Value*>& accumulators) {
  if (!meeting_) {
    auto* type = llvm::ArrayType::get(b_.getInt8Ty(), static_cast<std::uint64_t>(tile_shared_bytes(
                                                          job_.kernel, plan_, geometry_)));
    meeting_ = new llvm::GlobalVariable(module_, type, false, llvm::GlobalValue::InternalLinkage,
                                        llvm::PoisonValue::get(type), "swage_shared_tile", nullptr,
                                        llvm::GlobalValue::NotThreadLocal, 3);
    meeting_->setAlignment(llvm::Align(16));
  }
  const std::int64_t values = std::int64_t{geometry_.warps} * geometry_.columns();
  std::int64_t begin = 0; // of the pass
  for (int before = 0; before < pass; ++before)
    for (const NodeId id : plan_.reductions[static_cast<std::size_t>(before)])
      begin += values * size_of(node(id).type);
  const std::vector<NodeId>& reductions = plan_.reductions[static_cast<std::size_t>(pass)];
  std::vector<std::int64_t> regions;
  for (const NodeId id : reductions) {
    regions.push_back(begin);
    begin += values * size_of(node(id).type);
  }
  const auto place = [&](std::size_t i, Value* warp) {
    Value* thread = b_.CreateAdd(b_.CreateMul(warp, constant(32)), lane_);
    return b_.CreateGEP(
        value_type(context_, node(reductions[i]).type, lanes_),
        b_.CreateConstGEP1_64(b_.getInt8Ty(), meeting_, static_cast<std::uint64_t>(regions[i])),
        wide(thread));
  };
  const auto align = [&](std::size_t i) {
    const auto bytes = static_cast<std::uint64_t>(size_of(node(reductions[i]).type) * lanes_);
    return llvm::Align(std::min<std::uint64_t>(bytes, 16));
  };
  for (std::size_t i = 0; i < reductions.size(); ++i)
    b_.CreateAlignedStore(accumulators[i], place(i, warp_), align(i));
  statement("bar.sync 0;");
  std::vector<Value*> all(reductions.size());
  for (std::size_t i = 0; i < reductions.size(); ++i)
    for (int warp = 0; warp < geometry_.warps; ++warp) {
      Value* one =
          b_.CreateAlignedLoad(accumulators[i]->getType(),
                               place(i, constant(static_cast<std::uint64_t>(warp))), align(i));
      const ir::Node& made = node(reductions[i]);
      all[i] = warp == 0 ? one : combine_terms(b_, job_, made.op, made.type, all[i], one);
    }
  return all;
}

} // namespace swage::codegen
