// lower_cuda_groups.cpp -- groups of neighbouring columns: within the accesses of a warp, and
// wider.
#include <bit>

#include "codegen/cuda_rows.hpp"
#include "codegen/llvm_compat.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

/// Lanes of a value by group in a chunk: one a group that a warp has, or one a column.
int CudaRows::group_lanes() const {
  if (plan_.group == 0 || !small_groups_)
    return geometry_.vector;
  return std::max(geometry_.vector / static_cast<int>(plan_.group), 1);
}

Value* CudaRows::spread(Value* groups, int lanes) {
  const int count = lanes_of(groups);
  if (count == 1)
    return b_.CreateVectorSplat(static_cast<unsigned>(lanes), groups);
  llvm::SmallVector<int, 32> mask;
  for (int i = 0; i < lanes; ++i)
    mask.push_back(i * count / lanes);
  return b_.CreateShuffleVector(groups, mask);
}

/// The group that lane `lane` of a value by group is of, 64 bits.
Value* CudaRows::group_of(const Chunk& chunk, int lane) {
  const int columns = geometry_.vector / group_lanes();
  Value* column = b_.CreateAdd(chunk.column, constant(static_cast<std::uint64_t>(lane * columns)));
  return wide(b_.CreateUDiv(column, constant(plan_.group)));
}

Guard CudaRows::group_guard(const Chunk& chunk, int lane) {
  if (chunk.guard.lanes.empty())
    return {chunk.guard.whole, {}};
  return {chunk.guard.lanes[static_cast<std::size_t>(lane * geometry_.vector / group_lanes())], {}};
}

Value* CudaRows::load_groups(Chunk& chunk, std::uint32_t param) {
  const int lanes = group_lanes();
  const DType type = compute_type(job_.kernel.params()[param].dtype);
  Value* all = llvm::PoisonValue::get(value_type(context_, type, lanes));
  for (int lane = 0; lane < lanes; ++lane) {
    memory_->set_guard(group_guard(chunk, lane));
    Value* one = tensors_.load_row_value(
        {row_bases_, std::vector<Value*>(row_bases_.size()), group_of(chunk, lane)}, param);
    memory_->set_guard({});
    if (lanes == 1)
      return one;
    all = b_.CreateInsertElement(all, one, static_cast<std::uint64_t>(lane));
  }
  return all;
}

/// See CudaFunction::fetch_and_wait.
void CudaRows::fetch_groups(const Chunk& chunk, std::uint32_t param) {
  for (int lane = 0; lane < group_lanes(); ++lane) {
    memory_->set_guard({both(chunk.guard.whole, is_first_of_group(chunk, lane)), {}});
    tensors_.load_row_value(
        {row_bases_, std::vector<Value*>(row_bases_.size()), group_of(chunk, lane)}, param);
    memory_->set_guard({});
  }
}

/// Whether a thread has the first column of the group of lane `lane`.
Value* CudaRows::is_first_of_group(const Chunk& chunk, int lane) {
  const int columns = geometry_.vector / group_lanes();
  Value* column = b_.CreateAdd(chunk.column, constant(static_cast<std::uint64_t>(lane * columns)));
  return b_.CreateICmpEQ(b_.CreateURem(column, constant(plan_.group)), constant(0));
}

void CudaRows::emit_groups(Chunk& chunk, const std::vector<bool>& needed) {
  bool any = false;
  for (NodeId id = 0; id < nodes(); ++id)
    any = any || (needed[id] && by_group(id));
  if (!any)
    return;
  if (!small_groups_)
    emit_wide_groups(chunk, needed);
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (!needed[id] || !by_group(id) || chunk.groups.contains(id))
      continue;
    if (made.op == Op::load)
      chunk.groups[id] = load_groups(chunk, made.param);
    else if (ir::is_reduction(made.op))
      chunk.groups[id] = reduce_within_warp(chunk, id);
    else
      chunk.groups[id] =
          lower_nodes(b_, job_, group_lanes(), std::array{id}, known(chunk, group_lanes()))[0];
  }
}

/// Neighbours first: within the thread, then by shuffles.
Value* CudaRows::reduce_within_warp(Chunk& chunk, NodeId id) {
  Value* terms = values(chunk, std::array{node(id).args[0]})[0];
  const auto size = static_cast<int>(plan_.group);
  const int lanes = group_lanes(), columns = std::min(size, geometry_.vector);
  Value* all = llvm::PoisonValue::get(value_type(context_, node(id).type, lanes));
  for (int lane = 0; lane < lanes; ++lane) {
    std::vector<Value*> own;
    for (int i = 0; i < columns; ++i)
      own.push_back(
          geometry_.vector == 1
              ? terms
              : b_.CreateExtractElement(terms, static_cast<std::uint64_t>(lane * columns + i)));
    Value* one = tree(id, own);
    for (int distance = 1; distance * geometry_.vector < size; distance *= 2)
      one = combine(id, one, shuffle(one, distance));
    one = complete(id, one);
    if (lanes == 1)
      return one;
    all = b_.CreateInsertElement(all, one, static_cast<std::uint64_t>(lane));
  }
  return all;
}

void CudaRows::store_groups(Chunk& chunk) {
  const std::vector<ir::Store> stores = stores_of(job_.kernel, Broadcast::per_group);
  if (stores.empty())
    return;
  if (writes_what_all_read())
    statement("bar.warp.sync 0xffffffff;");
  const int lanes = group_lanes();
  const std::vector<Value*> bits = lower_stores(b_, job_, lanes, stores, known(chunk, lanes));
  for (int lane = 0; lane < lanes; ++lane) {
    Value* first = is_first_of_group(chunk, lane);
    std::vector<Value*> of_lane = bits;
    for (Value*& each : of_lane)
      if (lanes > 1)
        each = b_.CreateExtractElement(each, static_cast<std::uint64_t>(lane));
    memory_->set_guard({both(group_guard(chunk, lane).whole, first), {}});
    tensors_.store({row_bases_, std::vector<Value*>(row_bases_.size()), group_of(chunk, lane)}, 1,
                   stores, of_lane);
    memory_->set_guard({});
  }
}

/// A warp goes over the groups that its columns lie in, one after the other of what it has of
/// neighbours, and computes each with all of its threads.
void CudaRows::emit_wide_groups(Chunk& chunk, const std::vector<bool>& needed) {
  std::vector<NodeId> reductions;
  for (NodeId id = 0; id < nodes(); ++id)
    if (needed[id] && by_group(id) && ir::is_reduction(node(id).op))
      reductions.push_back(id);
  if (reductions.empty())
    return;
  const int lanes = geometry_.vector;
  const int threads = geometry_.neighbours() / lanes;
  Value* lane = b_.CreateAnd(b_.CreateZExt(warp_lane_, index_),
                             constant(static_cast<std::uint64_t>(threads - 1)));
  Value* own_first =
      b_.CreateSub(chunk.column, b_.CreateMul(lane, constant(static_cast<std::uint64_t>(lanes))));
  std::vector<Value*> own;
  for (int i = 0; i < lanes; ++i)
    own.push_back(b_.CreateTrunc(group_of(chunk, i), index_));
  std::vector<Value*> found;
  for (const NodeId id : reductions)
    found.push_back(llvm::Constant::getNullValue(value_type(context_, node(id).type, lanes)));
  for (int thread = 0; thread < 32; thread += threads) {
    Value* first = threads == 32 ? own_first : value_in(thread, own_first);
    Value* end = b_.CreateBinaryIntrinsic(
        llvm::Intrinsic::umin,
        b_.CreateAdd(first, constant(static_cast<std::uint64_t>(geometry_.neighbours()))),
        columns_);
    Value* from = b_.CreateUDiv(first, constant(plan_.group));
    Value* to = b_.CreateUDiv(b_.CreateAdd(end, constant(plan_.group - 1)), constant(plan_.group));
    found =
        carry(from, to, constant(1), found, [&](Value* group, const std::vector<Value*>& sofar) {
          const std::map<NodeId, Value*> known = group_values(group, needed);
          std::vector<Value*> next;
          for (std::size_t r = 0; r < reductions.size(); ++r) {
            Value* value = known.at(reductions[r]);
            Value* all = sofar[r];
            for (int i = 0; i < lanes; ++i) {
              Value* is_own = b_.CreateICmpEQ(own[static_cast<std::size_t>(i)], group);
              if (lanes == 1)
                all = b_.CreateSelect(is_own, value, all);
              else
                all = b_.CreateInsertElement(
                    all,
                    b_.CreateSelect(is_own, value,
                                    b_.CreateExtractElement(all, static_cast<std::uint64_t>(i))),
                    static_cast<std::uint64_t>(i));
            }
            next.push_back(all);
          }
          return next;
        });
  }
  for (std::size_t r = 0; r < reductions.size(); ++r)
    chunk.groups[reductions[r]] = found[r];
}

std::map<ir::NodeId, Value*> CudaRows::group_values(Value* group, const std::vector<bool>& needed) {
  std::map<NodeId, Value*> known;
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (!needed[id] || !by_group(id))
      continue;
    if (made.op == Op::load) {
      memory_->set_guard({row_inside_, {}});
      known[id] = tensors_.load_row_value(
          {row_bases_, std::vector<Value*>(row_bases_.size()), wide(group)}, made.param);
      memory_->set_guard({});
    } else if (ir::is_reduction(made.op)) {
      known[id] = reduce_group(group, id, known);
    } else {
      known[id] = lower_nodes(b_, job_, 1, std::array{id}, [&](NodeId wanted) -> Value* {
        if (row_values_[wanted])
          return row_values_[wanted];
        const auto at = known.find(wanted);
        return at == known.end() ? nullptr : at->second;
      })[0];
    }
  }
  return known;
}

Value* CudaRows::reduce_group(Value* group, NodeId id, const std::map<NodeId, Value*>& known) {
  const std::int64_t size = plan_.group;
  const NodeId operand = node(id).args[0];
  const std::vector<bool> needed = needed_by(std::array{operand});
  Value* start = b_.CreateMul(wide(group), wide(size));
  const auto term = [&](Value* within) { // column of the group, index type
    Value* inside = b_.CreateICmpULT(within, constant(static_cast<std::uint64_t>(size)));
    memory_->set_guard({both(row_inside_, inside), {}});
    held_.begin(-1);
    const Place place{row_bases_, std::vector<Value*>(row_bases_.size()),
                      b_.CreateAdd(start, wide(within))};
    const std::vector<Value*> loaded = tensors_.load(place, 1, load_fixed(needed));
    memory_->set_guard({});
    Value* value = lower_nodes(b_, job_, 1, std::array{operand}, [&](NodeId wanted) -> Value* {
      if (row_values_[wanted])
        return row_values_[wanted];
      if (const auto at = known.find(wanted); at != known.end())
        return at->second;
      if (node(wanted).op == Op::col_index)
        return b_.CreateAdd(start, wide(within));
      return node(wanted).op == Op::load ? loaded[node(wanted).param] : nullptr;
    })[0];
    return b_.CreateSelect(inside, value, identity(id, value->getType()));
  };
  const Op op = node(id).op;
  const DType type = node(id).type;
  const std::int64_t passes = (size + ir::kSumLanes - 1) / ir::kSumLanes;
  const std::int64_t blocks = (std::min(size, ir::kSumLanes) + 31) / 32;
  Value* total = sum_in_order(blocks, op, type, [&](Value* block) {
    Value* lane = b_.CreateAdd(b_.CreateShl(block, constant(5)), b_.CreateZExt(warp_lane_, index_));
    Value* one = sum_in_order(passes, op, type, [&](Value* pass) {
      return term(b_.CreateAdd(lane, b_.CreateMul(pass, constant(ir::kSumLanes))));
    });
    for (int distance = 1; distance < 32; distance *= 2)
      one = combine(op, type, one, shuffle(one, distance));
    return one;
  });
  return complete(id, total);
}

Value* CudaRows::sum_in_order(std::int64_t count, Op op, DType type,
                              const std::function<Value*(Value*)>& item) {
  if (count == 1)
    return item(constant(0));
  const auto levels = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(count)));
  llvm::Type* of = value_type(context_, type, 1);
  const std::vector<Value*> zeros(levels, llvm::Constant::getNullValue(of));
  const std::vector<Value*> complete =
      carry(constant(0), constant(static_cast<std::uint64_t>(count)), constant(1), zeros,
            [&](Value* at, const std::vector<Value*>& now) {
              Value* sum = item(at);
              Value* goes_up = b_.getTrue();
              std::vector<Value*> next = now;
              for (std::size_t level = 0; level < levels; ++level) {
                Value* is_set = b_.CreateTrunc(b_.CreateLShr(at, constant(level)), b_.getInt1Ty());
                Value* merged = combine(op, type, now[level], sum);
                next[level] =
                    b_.CreateSelect(b_.CreateAnd(goes_up, b_.CreateNot(is_set)), sum, now[level]);
                goes_up = b_.CreateAnd(goes_up, is_set);
                sum = b_.CreateSelect(goes_up, merged, sum);
              }
              return next;
            });
  Value* total = nullptr;
  for (std::size_t level = 0; level < levels; ++level)
    if (count >> level & 1)
      total = total ? combine(op, type, complete[level], total) : complete[level];
  return total;
}

} // namespace swage::codegen
