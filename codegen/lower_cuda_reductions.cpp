// lower_cuda_reductions.cpp -- sums and maxima along a row: of a thread, a warp, a block.
#include <algorithm>
#include <bit>

#include "codegen/cuda_rows.hpp"
#include "codegen/llvm_compat.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

bool CudaRows::is_ordered(NodeId id) const {
  return has_order(node(id));
}

/// Neighbours first.
Value* CudaRows::tree(NodeId id, std::vector<Value*> values) {
  while (values.size() > 1) {
    std::vector<Value*> half;
    for (std::size_t i = 0; i < values.size(); i += 2)
      half.push_back(i + 1 < values.size() ? combine(id, values[i], values[i + 1]) : values[i]);
    values = std::move(half);
  }
  return values[0];
}

std::vector<Value*> CudaRows::lanes_in(Value* vector) {
  const int count = lanes_of(vector);
  if (count == 1)
    return {vector};
  std::vector<Value*> lanes;
  for (int i = 0; i < count; ++i)
    lanes.push_back(b_.CreateExtractElement(vector, static_cast<std::uint64_t>(i)));
  return lanes;
}

Value* CudaRows::lanes_tree(NodeId id, Value* vector) {
  return tree(id, lanes_in(vector));
}

/// Whether `id` counts the columns of a row, in numbers that hold every count on the way: the sum
/// is the number of columns then, whatever its order.
bool CudaRows::is_count(NodeId id) const {
  constexpr std::int64_t kExact = std::int64_t{1} << 24; // in f32
  const ir::Node& term = node(node(id).args[0]);
  if (node(id).op != Op::row_sum || term.op != Op::constant)
    return false;
  const std::int64_t bound = job_.specialization.columns_at_most;
  return is_float(term.type) ? term.real() == 1 && bound > 0 && bound <= kExact
                             : term.integer() == 1;
}

void CudaRows::emit_stage(const std::vector<NodeId>& all) {
  std::vector<NodeId> reductions;
  for (const NodeId id : all)
    if (!is_count(id)) {
      reductions.push_back(id);
    } else {
      Type* type = value_type(context_, node(id).type, 1);
      row_values_[id] = type->isFloatingPointTy() ? b_.CreateUIToFP(columns_, type)
                                                  : b_.CreateZExtOrTrunc(columns_, type);
    }
  if (reductions.empty())
    return;
  std::vector<Partial> partials =
      geometry_.held ? held_partials(reductions) : looped_partials(reductions);
  finish(partials);
}

std::vector<Value*> CudaRows::terms(Chunk& chunk, const std::vector<NodeId>& reductions) {
  std::vector<NodeId> operands;
  for (const NodeId id : reductions)
    operands.push_back(node(id).args[0]);
  emit_groups(chunk, needed_by(operands));
  for (const KeptValue& kept : kept_)
    if (kept.pass == pass_)
      operands.push_back(kept.node);
  std::vector<Value*> found = values(chunk, operands);
  for (std::size_t i = reductions.size(); i < operands.size(); ++i)
    keep(chunk, operands[i], found[i]);
  found.resize(reductions.size());
  if (pass_ == 0)
    store_elements(chunk, early_);
  if (chunk.inside)
    for (std::size_t i = 0; i < found.size(); ++i)
      found[i] =
          b_.CreateSelect(chunk.inside, found[i], identity(reductions[i], found[i]->getType()));
  return found;
}

std::vector<CudaRows::Partial> CudaRows::partials_of(std::vector<Chunk>& chunks,
                                                     const std::vector<NodeId>& reductions) {
  std::vector<NodeId> operands;
  for (const NodeId id : reductions)
    operands.push_back(node(id).args[0]);
  const std::vector<bool> needed = needed_by(operands);
  for (Chunk& chunk : chunks) // all of them under way before the first is waited for
    load(chunk, needed);
  std::vector<std::vector<Value*>> by_chunk;
  for (Chunk& chunk : chunks)
    by_chunk.push_back(terms(chunk, reductions));
  std::vector<Partial> partials;
  const auto slabs = static_cast<std::size_t>(geometry_.slabs);
  for (std::size_t i = 0; i < reductions.size(); ++i) {
    Partial partial{reductions[i], {}};
    const std::size_t apart = is_ordered(reductions[i]) ? slabs : 1;
    for (std::size_t slab = 0; slab < apart && slab < chunks.size(); ++slab) {
      std::vector<Value*> passes;
      for (std::size_t k = slab; k < chunks.size(); k += apart)
        passes.push_back(by_chunk[k][i]);
      partial.slabs.push_back(tree(reductions[i], passes));
    }
    partials.push_back(std::move(partial));
  }
  return partials;
}

std::vector<CudaRows::Partial> CudaRows::held_partials(const std::vector<NodeId>& reductions) {
  return partials_of(chunks_, reductions);
}

/// Sums keep one subtree a level, in memory of the thread, as the counter of iterations says.
std::vector<CudaRows::Partial> CudaRows::looped_partials(const std::vector<NodeId>& reductions) {
  constexpr std::uint64_t kLevels = 32;
  const int passes = geometry_.passes();
  const std::uint64_t columns_a_turn = static_cast<std::uint64_t>(passes) * ir::kSumLanes;
  const auto shift = static_cast<std::uint64_t>(std::countr_zero(columns_a_turn));
  // Iterations of this thread, and its first column.
  Value* turns =
      b_.CreateLShr(b_.CreateAdd(columns_, constant(columns_a_turn - 1)), constant(shift));
  Value* first = nullptr;
  if (geometry_.runs == 1) {
    first = first_column(nullptr);
  } else {
    // Runs of 2^k turns, as few as reach the end.
    const auto runs = static_cast<std::uint64_t>(geometry_.runs);
    Value* each = b_.CreateLShr(b_.CreateAdd(turns, constant(runs - 1)),
                                constant(static_cast<std::uint64_t>(std::countr_zero(runs))));
    Value* below = b_.CreateSub(b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, each, constant(1)),
                                constant(1));
    const std::uint64_t bits = wide_ ? 64 : 32;
    Value* zeros = b_.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, below, b_.getFalse());
    Value* power = b_.CreateShl(constant(1), b_.CreateSub(constant(bits), zeros));
    first = first_column(b_.CreateMul(power, constant(static_cast<std::uint64_t>(passes))));
    const std::uint64_t of_run = ir::kSumLanes / static_cast<std::uint64_t>(geometry_.vector);
    Value* run =
        b_.CreateLShr(thread_, constant(static_cast<std::uint64_t>(std::countr_zero(of_run))));
    Value* before = b_.CreateMul(run, power);
    Value* left =
        b_.CreateSub(turns, b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, turns, before));
    turns = b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, left, power);
  }
  const std::vector<Value*> bases = bases_from(first);

  const auto lanes = static_cast<unsigned>(geometry_.vector);
  std::vector<Type*> types;
  std::vector<Value*> carried, stacks;
  std::vector<std::size_t> slabs;
  for (const NodeId id : reductions) {
    Type* type = value_type(context_, node(id).type, static_cast<int>(lanes));
    types.push_back(type);
    slabs.push_back(is_ordered(id) ? static_cast<std::size_t>(geometry_.slabs) : 1);
    carried.push_back(identity(id, type));
    llvm::IRBuilder<> at(&function_->getEntryBlock(), function_->getEntryBlock().begin());
    if (!is_ordered(id)) {
      stacks.push_back(nullptr);
      continue;
    }
    auto* levels = llvm::ArrayType::get(type, kLevels * slabs.back());
    stacks.push_back(at.CreateAlloca(levels));
  }
  const auto cell = [&](std::size_t i, Value* level, std::size_t slab) {
    Value* index =
        b_.CreateAdd(b_.CreateMul(wide(level), wide(static_cast<std::int64_t>(slabs[i]))),
                     wide(static_cast<std::int64_t>(slab)));
    return b_.CreateGEP(types[i], stacks[i], index);
  };
  const auto align = [&](std::size_t i) {
    return llvm::Align(static_cast<std::uint64_t>(size_of(node(reductions[i]).type)));
  };

  carried = carry(
      constant(0), turns, constant(1), carried, [&](Value* turn, const std::vector<Value*>& sofar) {
        Value* from = b_.CreateMul(turn, constant(columns_a_turn));
        std::vector<Chunk> chunks;
        for (int k = 0; k < geometry_.chunks; ++k)
          chunks.push_back(make_chunk(
              bases, first, b_.CreateAdd(wide(from), wide(geometry_.offset(k))), -1, false));
        std::vector<Partial> partials = partials_of(chunks, reductions);
        std::vector<Value*> next;
        for (std::size_t i = 0; i < reductions.size(); ++i) {
          if (!stacks[i]) {
            next.push_back(combine(reductions[i], sofar[i], partials[i].slabs[0]));
            continue;
          }
          next.push_back(sofar[i]);
          // The counter's ones say which levels are complete.
          Value* ones =
              b_.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, b_.CreateNot(turn), b_.getFalse());
          std::vector<Value*> sums =
              carry(constant(0), ones, constant(1), partials[i].slabs,
                    [&](Value* level, const std::vector<Value*>& now) {
                      std::vector<Value*> higher;
                      for (std::size_t s = 0; s < now.size(); ++s)
                        higher.push_back(combine(
                            reductions[i],
                            b_.CreateAlignedLoad(types[i], cell(i, level, s), align(i)), now[s]));
                      return higher;
                    });
          for (std::size_t s = 0; s < sums.size(); ++s)
            b_.CreateAlignedStore(sums[s], cell(i, ones, s), align(i));
        }
        return next;
      });

  std::vector<Partial> results;
  for (std::size_t i = 0; i < reductions.size(); ++i) {
    Partial partial{reductions[i], {}};
    if (!stacks[i]) {
      partial.slabs.push_back(carried[i]);
      results.push_back(std::move(partial));
      continue;
    }
    Value* any = b_.CreateICmpNE(turns, constant(0));
    Value* some = b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, turns, constant(1));
    Value* lowest = b_.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, some, b_.getFalse());
    Value* bits = constant(wide_ ? 64 : 32);
    Value* highest =
        b_.CreateSub(bits, b_.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, some, b_.getFalse()));
    std::vector<Value*> sums;
    for (std::size_t s = 0; s < slabs[i]; ++s) {
      Value* bottom = b_.CreateAlignedLoad(types[i], cell(i, lowest, s), align(i));
      sums.push_back(b_.CreateSelect(any, bottom, identity(reductions[i], types[i])));
    }
    partial.slabs = carry(
        b_.CreateAdd(lowest, constant(1)), highest, constant(1), sums,
        [&](Value* level, const std::vector<Value*>& now) {
          Value* is_set = b_.CreateTrunc(b_.CreateLShr(some, level), b_.getInt1Ty());
          std::vector<Value*> next;
          for (std::size_t s = 0; s < now.size(); ++s) {
            Value* more = b_.CreateAlignedLoad(types[i], cell(i, level, s), align(i));
            next.push_back(b_.CreateSelect(is_set, combine(reductions[i], more, now[s]), now[s]));
          }
          return next;
        });
    results.push_back(std::move(partial));
  }
  return results;
}

void CudaRows::finish(std::vector<Partial>& partials) {
  if (geometry_.blocks == 1)
    combine_runs(partials);
  const std::vector<Value*> totals =
      geometry_.blocks > 1 ? cluster_tree(partials) : block_tree(partials);
  for (std::size_t i = 0; i < partials.size(); ++i)
    row_values_[partials[i].id] = complete(partials[i].id, totals[i]);
}

Value* CudaRows::shared(std::int64_t offset, Value* bytes) {
  Value* at = b_.CreateConstGEP1_64(b_.getInt8Ty(), shared_, static_cast<std::uint64_t>(offset));
  return b_.CreateGEP(b_.getInt8Ty(), at, bytes);
}

void CudaRows::combine_runs(std::vector<Partial>& partials) {
  if (geometry_.runs == 1)
    return;
  bool used = false;
  for (Partial& partial : partials) {
    if (!is_ordered(partial.id))
      continue;
    if (used)
      sync(); // the values before were read
    used = true;
    const std::int64_t size = size_of(node(partial.id).type);
    Value* of_row = b_.CreateMul(row_in_block_, wide(geometry_.step * size));
    Value* own = b_.CreateAdd(of_row, b_.CreateMul(wide(thread_), wide(geometry_.vector * size)));
    const auto wide_align = [&](std::int64_t count) {
      return llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(count * size, 16)));
    };
    b_.CreateAlignedStore(partial.slabs[0], shared(0, own), wide_align(geometry_.vector));
    sync();
    const std::int64_t lanes = ir::kSumLanes / geometry_.threads;
    Type* type = value_type(context_, node(partial.id).type, static_cast<int>(lanes));
    Value* mine = b_.CreateAdd(of_row, b_.CreateMul(wide(thread_), wide(lanes * size)));
    std::vector<Value*> runs;
    for (int run = 0; run < geometry_.runs; ++run)
      runs.push_back(
          b_.CreateAlignedLoad(type, shared(run * ir::kSumLanes * size, mine), wide_align(lanes)));
    partial.slabs = {tree(partial.id, runs)};
  }
}

// With several slabs each thread gives half of them away at each of the lowest levels, so that
// slabs - 1 and not slabs exchanges make up for their number.
std::vector<Value*> CudaRows::warp_tree(NodeId id, std::vector<Value*> slabs, int& distributed) {
  distributed = 0;
  const int threads = std::min(geometry_.threads, 32);
  for (int distance = 1; distance < threads; distance *= 2) {
    if (slabs.size() == 1) {
      slabs[0] = combine(id, slabs[0], shuffle(slabs[0], distance));
      continue;
    }
    slabs = halve(id, slabs, distance);
    ++distributed;
  }
  return slabs;
}

std::vector<Value*> CudaRows::halve(NodeId id, const std::vector<Value*>& values, int distance) {
  Value* is_high = b_.CreateICmpNE(
      b_.CreateAnd(warp_lane_, b_.getInt32(static_cast<std::uint32_t>(distance))), b_.getInt32(0));
  std::vector<Value*> kept;
  const std::size_t half = values.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    Value* given = b_.CreateSelect(is_high, values[i], values[i + half]);
    Value* keep = b_.CreateSelect(is_high, values[i + half], values[i]);
    kept.push_back(combine(id, keep, shuffle(given, distance)));
  }
  return kept;
}

std::vector<Value*> CudaRows::block_tree(const std::vector<Partial>& partials) {
  if (partials.empty())
    return {};
  struct Value_of {
    std::vector<Value*> slabs;
    int distributed;
    int count; ///< slabs in all
  };
  std::vector<Value_of> of_warp;
  for (const Partial& partial : partials) {
    std::vector<Value*> slabs;
    for (Value* vector : partial.slabs)
      slabs.push_back(lanes_tree(partial.id, vector));
    while (!std::has_single_bit(slabs.size()))
      slabs.push_back(identity(partial.id, slabs[0]->getType()));
    const int count = static_cast<int>(slabs.size());
    int distributed = 0;
    slabs = warp_tree(partial.id, std::move(slabs), distributed);
    of_warp.push_back({std::move(slabs), distributed, count});
  }
  std::vector<Value*> totals;
  const int warps = geometry_.warps();
  if (warps == 1) {
    for (std::size_t i = 0; i < partials.size(); ++i) {
      Value* total = tree(partials[i].id, of_warp[i].slabs);
      for (int bit = of_warp[i].distributed - 1; bit >= 0; --bit)
        total = combine(partials[i].id, total, shuffle(total, 1 << bit));
      totals.push_back(total);
    }
    return totals;
  }
  const std::int64_t base = exchange_bytes_ + turn_ * value_bytes_;
  turn_ ^= 1;
  Value* warp = wide(b_.CreateLShr(thread_, constant(5)));
  std::int64_t region = 0;
  std::vector<std::int64_t> regions;
  std::vector<Value*> of_row;
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const std::int64_t size = size_of(node(partials[i].id).type);
    const std::int64_t count = std::int64_t{of_warp[i].count} * warps;
    regions.push_back(base + region);
    region += geometry_.rows * count * 8;
    of_row.push_back(b_.CreateMul(row_in_block_, wide(count * size)));
    // Which slab a lane has: the first exchange decided its highest bit.
    Value* slab = b_.getInt32(0);
    for (int bit = 0; bit < of_warp[i].distributed; ++bit) {
      Value* has = b_.CreateAnd(
          b_.CreateLShr(warp_lane_, b_.getInt32(static_cast<std::uint32_t>(bit))), b_.getInt32(1));
      slab = b_.CreateOr(slab, b_.CreateShl(has, b_.getInt32(static_cast<std::uint32_t>(
                                                     of_warp[i].distributed - 1 - bit))));
    }
    Value* index = b_.CreateAdd(b_.CreateMul(wide(slab), wide(warps)), warp);
    Value* at = b_.CreateAdd(of_row[i], b_.CreateMul(index, wide(size)));
    emit_if(b_.CreateICmpULT(warp_lane_, b_.getInt32(static_cast<std::uint32_t>(of_warp[i].count))),
            [&] {
              b_.CreateAlignedStore(of_warp[i].slabs[0], shared(regions[i], at),
                                    llvm::Align(static_cast<std::uint64_t>(size)));
            });
  }
  sync();
  for (std::size_t i = 0; i < partials.size(); ++i) {
    const NodeId id = partials[i].id;
    const std::int64_t size = size_of(node(id).type);
    const int count = of_warp[i].count * warps;
    Type* type = value_type(context_, node(id).type, count);
    Value* all = b_.CreateAlignedLoad(
        type, shared(regions[i], of_row[i]),
        llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(count * size, 16))));
    totals.push_back(lanes_tree(id, all));
  }
  return totals;
}

Value* CudaRows::complete(NodeId id, Value* total) {
  if (ir::is_extreme(node(id).op))
    return total;
  Type* type = total->getType();
  if (!is_float(node(id).type))
    return total;
  total = b_.CreateFAdd(total, llvm::ConstantFP::get(type, 0.0)); // so that no sum is -0
  if (node(id).op != Op::row_mean)
    return total;
  return b_.CreateFDiv(total, b_.CreateUIToFP(columns_, type));
}

} // namespace swage::codegen
