// lower_host_rows.cpp -- rows of the host function: stages, groups, stores.
#include <algorithm>

#include "codegen/host_rows.hpp"
#include "codegen/index_arithmetic.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

namespace {

/// Rows of more bytes would push each other out of the cache before their turn.
constexpr std::int64_t kMostFetched = 1 << 17;
constexpr int kCacheLine = 64; ///< bytes

} // namespace

Value* RowLowering::memory_field(Type* type, unsigned index) {
  return b_.CreateLoad(type, b_.CreateConstGEP1_64(b_.getInt64Ty(), function_->getArg(3), index));
}

void RowLowering::emit_body() {
  kept_ = memory_field(b_.getPtrTy(), 0);
  Value* kept_bytes =
      b_.CreateMul(constant(static_cast<std::int64_t>(plan_.kept.size()) * 8), arguments_.columns);
  scratch_ = b_.CreateGEP(b_.getInt8Ty(), kept_,
                          b_.CreateAnd(b_.CreateAdd(kept_bytes, constant(63)), constant(-64)));
  if (tiles_.rows > 0)
    return emit_tiles();
  // One count for all rows may leave fewer rows, or strands, than the call was cut into.
  const auto stop = [&](Value* count) {
    return selection_.may_end_early() ? smaller(end(), count) : end();
  };
  if (!plan_.after_rows)
    return void(emit_loop(begin(), stop(arguments_.rows), 1,
                          [&](Value* row) { emit_selected(row, [&] { emit_row(row); }); }));
  workspace_ = memory_field(b_.getPtrTy(), 1);
  strands_ = smaller(arguments_.rows, constant(ir::kSumStrands));
  auto* rows = BasicBlock::Create(context_, "strands", function_);
  auto* columns = BasicBlock::Create(context_, "columns", function_);
  auto* done = BasicBlock::Create(context_, "both_done", function_);
  b_.CreateCondBr(b_.CreateICmpEQ(memory_field(b_.getInt64Ty(), 2), constant(0)), rows, columns);
  b_.SetInsertPoint(rows);
  emit_loop(begin(), stop(strands_), 1, [&](Value* strand) {
    strand_ = strand;
    if (selection_.is_by_row())
      clear_strand();
    emit_loop(strand, arguments_.rows, ir::kSumStrands, [&](Value* row) {
      is_first_ = selection_.is_by_row() ? b_.getFalse() : b_.CreateICmpEQ(row, strand);
      emit_selected(row, [&] { emit_row(row); });
    });
  });
  b_.CreateBr(done);
  b_.SetInsertPoint(columns);
  emit_after_rows();
  b_.CreateBr(done);
  b_.SetInsertPoint(done);
}

void RowLowering::emit_row(Value* row) {
  bases_ = row_bases(row);
  next_ = row_bases(b_.CreateAdd(row, constant(1)));
  for (std::uint32_t p = 0; p < next_.size(); ++p)
    if (is_fetched(p)) {
      const std::int64_t most = elements_in(job_.kernel.params()[p].dtype, kMostFetched);
      Value* is_short = b_.CreateICmpSLE(arguments_.columns, constant(most));
      next_[p] = b_.CreateSelect(is_short, next_[p], bases_[p]);
    }
  std::ranges::fill(row_values_, nullptr);
  std::ranges::fill(group_values_, nullptr);
  for (int stage = 0; stage <= static_cast<int>(plan_.reductions.size()); ++stage) {
    pass_ = stage - 1;
    if (stage > 0)
      emit_stage(plan_.reductions[static_cast<std::size_t>(stage) - 1]);
    emit_row_values(stage);
  }
  pass_ = static_cast<int>(plan_.reductions.size());
  emit_outputs();
}

void RowLowering::emit_row_values(int stage) {
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (after_[id] || plan_.stage[id] != stage || !is_by_row(made.space) || row_values_[id] ||
        made.op == Op::constant)
      continue;
    if (made.op == Op::scalar)
      row_values_[id] = scalars_[made.param];
    else if (made.op == Op::load)
      row_values_[id] = tensors_.load_row_value(place(bases_, nullptr), made.param);
    else if (made.op == Op::lookup)
      row_values_[id] = emit_lookup(made);
    else
      row_values_[id] = emit_one(id);
  }
}

/// Out of range memory is read that is there in any case.
Value* RowLowering::emit_lookup(const ir::Node& lookup) {
  TableEntry entry = tensors_.entry(emit_one(lookup.args[0]), lookup.param);
  entry.address = b_.CreateSelect(entry.inside, entry.address, scratch());
  return tensors_.load_entry(entry, lookup.param);
}

Value* RowLowering::emit_one(NodeId id) {
  return lower_nodes(b_, job_, 1, std::array{id}, known_values(1, {}, nullptr))[0];
}

KnownValue RowLowering::known_values(int lanes, const std::vector<Value*>& loaded, Value* column) {
  return [this, lanes, loaded, column](NodeId id) -> Value* {
    Value* value = row_values_[id] ? row_values_[id] : group_values_[id];
    if (value)
      return lanes == 1 ? value : b_.CreateVectorSplat(static_cast<unsigned>(lanes), value);
    if (const auto total = column_values_.find(id); total != column_values_.end())
      return total->second;
    for (std::size_t i = 0; i < plan_.kept.size() && column; ++i)
      if (plan_.kept[i].node == id && plan_.kept[i].pass < pass_)
        return b_.CreateAlignedLoad(value_type(context_, node(id).type, lanes), kept(i, column),
                                    kept_align(i));
    if (column && node(id).space.broadcast == Broadcast::per_column_group &&
        node(id).op != Op::load)
      if (const std::size_t at = tile_index(id);
          at < tiles_.values.size() && tiles_.stage[id] <= tile_stage_)
        return load_tile_value(at, column, lanes);
    if (node(id).op == Op::col_index && column)
      return consecutive(b_, column, lanes);
    return node(id).op == Op::load && !loaded.empty() ? loaded[node(id).param] : nullptr;
  };
}

Value* RowLowering::kept(std::size_t index, Value* column) {
  Value* before = b_.CreateMul(constant(static_cast<std::int64_t>(index) * 8), arguments_.columns);
  return b_.CreateGEP(value_type(context_, node(plan_.kept[index].node).type, 1),
                      b_.CreateGEP(b_.getInt8Ty(), kept_, before), column);
}

llvm::Align RowLowering::kept_align(std::size_t index) const {
  return llvm::Align(static_cast<std::uint64_t>(size_of(node(plan_.kept[index].node).type)));
}

void RowLowering::emit_stage(const std::vector<NodeId>& reductions) {
  Value* region = scratch();
  if (plan_.group > 0)
    region = b_.CreateConstGEP1_64(
        b_.getInt8Ty(), region,
        static_cast<std::uint64_t>(sum_arrays(plan_.group) * ir::kSumLanes * 8));
  const std::vector<Value*> results =
      emit_reductions(reductions, constant(0), arguments_.columns, region);
  for (std::size_t i = 0; i < reductions.size(); ++i)
    row_values_[reductions[i]] = results[i];
}

void RowLowering::emit_outputs() {
  const std::vector<ir::Store> elements = stores_of(job_.kernel, Broadcast::none);
  const std::vector<ir::Store> groups = stores_of(job_.kernel, Broadcast::per_group);
  const auto store_elements = [&](Value* column, int lanes) {
    fetch_next(column, lanes);
    accumulate_columns(column, lanes); // before anything is overwritten
    store(elements, place(bases_, column), lanes);
  };
  std::vector<NodeId> roots;
  for (const auto* stores : {&elements, &groups})
    for (const ir::Store& store : *stores)
      roots.push_back(store.node);
  for (const std::size_t sum : column_sums(false))
    roots.push_back(node(plan_.column_sums[sum]).args[0]);
  const bool by_element = !elements.empty() || !column_sums(false).empty();
  accumulate_rows();
  if (!groups.empty() || needs_groups(roots))
    emit_groups(constant(0), arguments_.columns, roots, [&](Value* group, Value* from, Value* to) {
      store(groups, place(bases_, group), 1);
      if (by_element)
        emit_columns(from, to, store_elements);
    });
  else if (by_element)
    emit_elements(store_elements);
  for (const ir::Store& each : job_.kernel.stores())
    if (job_.kernel.params()[each.param].broadcast == Broadcast::per_row)
      store({each}, place(bases_, nullptr), 1);
}

bool RowLowering::is_fetched(std::uint32_t param) const {
  const ir::Param& input = job_.kernel.params()[param];
  return input.is_tensor() && input.is_read() && input.broadcast == Broadcast::none &&
         tensors_.spec(param).layout == Layout::unit;
}

void RowLowering::fetch_next(Value* column, int lanes) {
  constexpr std::uint32_t kToRead = 0, kNearest = 3, kData = 1;
  if (lanes < schedule_.lanes)
    return; // what is left of a row is no line
  for (std::uint32_t p = 0; p < next_.size(); ++p) {
    if (!is_fetched(p))
      continue;
    const DType type = job_.kernel.params()[p].dtype;
    Value* at = tensors_.address(place(next_, column), p);
    for (int byte = 0; byte < bytes_of(type, lanes); byte += kCacheLine)
      b_.CreateIntrinsic(
          llvm::Intrinsic::prefetch, {b_.getPtrTy()},
          {b_.CreateConstGEP1_64(b_.getInt8Ty(), at, static_cast<std::uint64_t>(byte)),
           b_.getInt32(kToRead), b_.getInt32(kNearest), b_.getInt32(kData)});
  }
}

void RowLowering::emit_elements(const Columns& body) {
  Value* at = constant(0);
  const auto loop = [&](int lanes) {
    return [this, &body, lanes](Value* first, Value* last) {
      return emit_loop(first, b_.CreateSub(last, constant(lanes - 1)), lanes,
                       [&](Value* column) { body(column, lanes); });
    };
  };
  if (schedule_.streaming && schedule_.lanes > 1 && leading_output())
    at = emit_streaming(bases_, at, arguments_.columns, loop(narrowest()), loop(schedule_.lanes));
  emit_columns(at, arguments_.columns, body);
}

void RowLowering::store(const std::vector<ir::Store>& stores, const Place& at, int lanes) {
  if (stores.empty())
    return;
  const Broadcast broadcast = job_.kernel.params()[stores[0].param].broadcast;
  const bool by_element = broadcast != Broadcast::per_row && broadcast != Broadcast::per_group &&
                          broadcast != Broadcast::per_tensor;
  const std::vector<Value*> loaded = by_element ? load(at, lanes) : std::vector<Value*>{};
  const std::vector<Value*> bits = lower_stores(
      b_, job_, lanes, stores, known_values(lanes, loaded, by_element ? at.column : nullptr));
  tensors_.store(at, lanes, stores, bits);
}

std::vector<Value*> RowLowering::emit_elements_of(const std::vector<NodeId>& ids, Value* column,
                                                  int lanes) {
  const std::vector<Value*> loaded = load(place(bases_, column), lanes);
  std::vector<NodeId> roots = ids;
  std::vector<std::size_t> made; // of the kept ones
  for (std::size_t i = 0; i < plan_.kept.size(); ++i)
    if (plan_.kept[i].pass == pass_) {
      made.push_back(i);
      roots.push_back(plan_.kept[i].node);
    }
  std::vector<Value*> values =
      lower_nodes(b_, job_, lanes, roots, known_values(lanes, loaded, column));
  for (std::size_t i = 0; i < made.size(); ++i)
    b_.CreateAlignedStore(values[ids.size() + i], kept(made[i], column), kept_align(made[i]));
  values.resize(ids.size());
  return values;
}

std::vector<Value*> RowLowering::load(const Place& at, int lanes) {
  std::vector<Value*> fixed = scalars_;
  for (std::size_t p = 0; p < fixed.size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    const bool by_column = param.broadcast == Broadcast::none ||
                           param.broadcast == Broadcast::per_column ||
                           param.broadcast == Broadcast::per_column_group;
    if (param.is_tensor() && !by_column) // known to whoever needs it
      fixed[p] = llvm::PoisonValue::get(value_type(context_, compute_type(param.dtype), 1));
  }
  return tensors_.load(at, lanes, fixed);
}

void RowLowering::emit_columns(Value* first, Value* last, const Columns& body) {
  constexpr int kSmallestRemainder = 128; // bits
  Value* at = first;
  const auto loop = [&](int lanes) {
    at = emit_loop(at, b_.CreateSub(last, constant(lanes - 1)), lanes,
                   [&](Value* column) { body(column, lanes); });
  };
  loop(schedule_.lanes);
  if (nodes() <= kRemainderNodes)
    for (int lanes = schedule_.lanes / 4; lanes * 32 >= kSmallestRemainder; lanes /= 4)
      loop(lanes);
  if (schedule_.lanes > narrowest())
    loop(narrowest());
}

bool RowLowering::needs_groups(std::span<const NodeId> roots) const {
  const std::vector<bool> needed = needed_by(roots);
  for (NodeId id = 0; id < nodes(); ++id)
    if (needed[id] && is_by_group(node(id).space))
      return true;
  return false;
}

std::vector<bool> RowLowering::needed_by(std::span<const NodeId> roots) const {
  return needed_nodes(job_.kernel, roots,
                      [&](NodeId id) { return !row_values_[id] && !group_values_[id]; });
}

void RowLowering::emit_groups(Value* first, Value* last, std::span<const NodeId> roots,
                              const std::function<void(Value*, Value*, Value*)>& body) {
  const std::vector<bool> needed = needed_by(roots);
  Value* size = constant(plan_.group);
  Value* from_group = b_.CreateUDiv(first, size);
  Value* to_group =
      b_.CreateUDiv(b_.CreateAdd(last, constant(std::int64_t{plan_.group} - 1)), size);
  emit_loop(from_group, to_group, 1, [&](Value* group) {
    Value* start = b_.CreateMul(group, size);
    emit_group_values(group, start, needed);
    Value* from = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, first, start);
    body(group, from, smaller(last, b_.CreateAdd(start, size)));
    std::ranges::fill(group_values_, nullptr);
  });
}

void RowLowering::emit_group_values(Value* group, Value* start, const std::vector<bool>& needed) {
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (!needed[id] || !is_by_group(made.space))
      continue;
    if (made.op == Op::load)
      group_values_[id] = tensors_.load_row_value(place(bases_, group), made.param);
    else if (ir::is_reduction(made.op))
      group_values_[id] = emit_reductions({id}, start, constant(made.space.group), scratch())[0];
    else
      group_values_[id] = emit_one(id);
  }
}

void lower_host_rows(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                     const std::string& entry) {
  RowLowering(module, job, schedule).run(entry, 4);
}

} // namespace swage::codegen
