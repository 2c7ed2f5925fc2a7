// lower_cuda_tiles.cpp -- tiles of the CUDA kernel of groups of rows, and the passes over them.
#include <algorithm>
#include <bit>

#include "codegen/cuda_tiles.hpp"
#include "codegen/index_arithmetic.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

CudaTiles::CudaTiles(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                     const std::string& entry)
    : CudaFunction(module, job, schedule, entry), plan_(make_tile_plan(job.kernel)),
      geometry_(make_tile_geometry(job.kernel, plan_, job.specialization, schedule)),
      late_(stores_late(job.kernel, job.specialization)), facts_(job),
      memory_of_rows_(b_, *memory_, job.kernel),
      tensors_(b_, job, memory_of_rows_, arguments_, true) {
  memory_of_rows_.anew = true;
}

Value* CudaTiles::splat(Value* value) {
  return lanes_ == 1 ? value : b_.CreateVectorSplat(static_cast<unsigned>(lanes_), value);
}

void CudaTiles::find_needed() {
  held_.clear();
  needed_.clear();
  used_.clear();
  if (geometry_.held) {
    std::vector<bool> may_hold(nodes(), true);
    for (NodeId id = 0; id < nodes(); ++id) // a part of a product has no value of its own
      may_hold[id] = facts_.wide.folded.empty() || !facts_.wide.folded[id];
    held_ = passed_on(job_.kernel, plan_, late_, geometry_.warps, may_hold);
  }
  for (int pass = 0; pass < plan_.passes(); ++pass) {
    std::vector<NodeId> roots;
    for (const NodeId id : plan_.reductions[static_cast<std::size_t>(pass)])
      roots.push_back(node(id).args[0]);
    if (pass == 0) // what is held is found then, whoever needs it first
      std::ranges::copy_if(held_, std::back_inserter(roots),
                           [&](NodeId id) { return node(id).op != Op::load; });
    for (const ir::Store& store : job_.kernel.stores())
      if (job_.kernel.params()[store.param].broadcast != Broadcast::per_column_group &&
          pass_of(plan_, store, late_) == pass)
        roots.push_back(store.node);
    needed_.push_back(needed_nodes(job_.kernel, roots, [&](NodeId id) {
      const bool by_row = space(id) == Broadcast::none || space(id) == Broadcast::per_row ||
                          space(id) == Broadcast::per_group;
      const bool is_held =
          pass > 0 && node(id).op != Op::load && std::ranges::find(held_, id) != held_.end();
      return by_row && !is_held;
    }));
    // Addresses of others would be found in the first pass, and held to the last.
    std::vector<bool>& used = used_.emplace_back(job_.kernel.params().size(), false);
    for (NodeId id = 0; id < nodes(); ++id)
      if (needed_.back()[id] && node(id).op == Op::load) {
        used[node(id).param] = true;
        if (const TensorSpec& spec = tensors_.spec(node(id).param); is_interleaved(spec.layout))
          used[spec.partner] = true;
      }
    for (const ir::Store& store : job_.kernel.stores())
      if (pass_of(plan_, store, late_) == pass)
        used[store.param] = true;
  }
}

void CudaTiles::emit_body() {
  scalars_ = tensors_.scalars();
  select_by(tensors_, scalars_);
  find_needed();
  const auto lanes = static_cast<std::uint64_t>(geometry_.vector);
  const auto each = static_cast<std::uint64_t>(geometry_.columns());
  Value* thread = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
  Value* block = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
  lane_ = b_.CreateAnd(thread, constant(31));
  warp_ = b_.CreateLShr(thread, constant(5));
  Value* tile = block;
  if (geometry_.warps == 1)
    tile = b_.CreateAdd(
        b_.CreateMul(block, constant(static_cast<std::uint64_t>(schedule_.threads / 32))), warp_);
  Value* across = b_.CreateLShr(b_.CreateAdd(arguments_.columns, constant(each - 1)),
                                constant(static_cast<std::uint64_t>(std::countr_zero(each))));
  Value* rows = arguments_.rows; // of which a count leaves no whole groups
  if (selection_.may_end_early())
    rows = b_.CreateAdd(rows, constant(plan_.rows - 1));
  Value* groups = b_.CreateUDiv(rows, constant(plan_.rows));
  emit_if(b_.CreateICmpULT(tile, b_.CreateMul(groups, across)), [&] {
    Value* group = b_.CreateUDiv(tile, across);
    Value* first = b_.CreateMul(b_.CreateSub(tile, b_.CreateMul(group, across)), constant(each));
    Value* column = b_.CreateAdd(first, b_.CreateMul(lane_, constant(lanes)));
    group_ = wide(group);
    emit_selected([&] { emit_columns_from(column); });
  });
}

void CudaTiles::emit_columns_from(Value* column) {
  Value* begins = b_.CreateICmpULT(column, arguments_.columns);
  if (plan_.group > 0 || geometry_.warps > 1) { // the accesses divide what there is, and all meet
    inside_ = begins;
    return emit_tile(b_.CreateSelect(begins, column, constant(0)), geometry_.vector);
  }
  inside_ = nullptr;
  const int least = ir::has_packed_tensors(job_.kernel) ? 2 : 1; // divides the columns
  if (geometry_.vector == least || job_.specialization.exact)
    return emit_if(begins, [&] { emit_tile(column, geometry_.vector); });
  Value* end = b_.CreateAdd(column, constant(static_cast<std::uint64_t>(geometry_.vector)));
  emit_if(
      b_.CreateICmpULE(end, arguments_.columns), [&] { emit_tile(column, geometry_.vector); },
      [&] {
        emit_loop(column, arguments_.columns, constant(static_cast<std::uint64_t>(least)),
                  [&](Value* some) { emit_tile(some, least); });
      });
}

void CudaTiles::emit_tile(Value* column, int lanes) {
  lanes_ = lanes;
  column_ = wide(column);
  reduced_.clear();
  kept_.clear();
  memory_of_rows_.drop();
  const std::vector<bool> wanted(job_.kernel.params().size(), true);
  column_bases_ = bases_at(nullptr, wanted);
  memory_of_rows_.begin(-1);
  column_loaded_ = load(column_bases_, wanted, true);
  emit_shared();
  columns_ = std::make_unique<Body>(b_, job_, facts_, calls_, lanes_,
                                    [this](NodeId id) { return column_value(id); });
  for (int pass = 0; pass < plan_.passes(); ++pass) {
    emit_columns(pass);
    memory_of_rows_.next_stage();
    emit_pass(pass);
  }
  store_columns();
}

void CudaTiles::emit_shared() {
  shared_ = std::make_unique<Body>(b_, job_, facts_, calls_, 1, [this](NodeId id) -> Value* {
    if (node(id).op == Op::scalar)
      return scalars_[node(id).param];
    if (node(id).op != Op::load || space(id) != Broadcast::per_tensor)
      return nullptr;
    return tensors_.load_row_value(
        {column_bases_, std::vector<Value*>(column_bases_.size()), nullptr}, node(id).param);
  });
  for (NodeId id = 0; id < nodes(); ++id)
    if (space(id) == Broadcast::per_tensor && node(id).op != Op::constant) {
      shared_->emit(id);
      shared_->value(id); // loads come first, and once
    }
}

Value* CudaTiles::column_value(NodeId id) {
  if (space(id) == Broadcast::per_tensor)
    return splat(shared_->value(id));
  if (node(id).op == Op::load && space(id) != Broadcast::none)
    return column_loaded_[node(id).param];
  if (node(id).op == Op::col_index)
    return consecutive(b_, column_, lanes_);
  const auto found = reduced_.find(id);
  return found == reduced_.end() ? nullptr : found->second;
}

void CudaTiles::emit_columns(int stage) {
  for (NodeId id = 0; id < nodes(); ++id)
    if ((space(id) == Broadcast::per_column || space(id) == Broadcast::per_column_group) &&
        plan_.stage[id] == stage && !ir::is_reduction(node(id).op)) {
      columns_->emit(id);
      columns_->value(id); // here, not in a loop that needs it first
    }
}

void CudaTiles::emit_pass(int pass) {
  const std::vector<NodeId>& reductions = plan_.reductions[static_cast<std::size_t>(pass)];
  std::vector<Value*> accumulators;
  for (const NodeId id : reductions)
    accumulators.push_back(reduction_identity(node(id).op, node(id).type,
                                              value_type(context_, node(id).type, lanes_)));
  const int rows = geometry_.own_rows, together = geometry_.rows;
  Value* first = b_.CreateMul(group_, wide(std::int64_t{plan_.rows}));
  if (geometry_.warps > 1)
    first = b_.CreateAdd(first, b_.CreateMul(wide(warp_), wide(rows)));
  if (counted_) {
    accumulators = emit_some_rows(pass, first, accumulators);
  } else if (geometry_.whole) {
    for (int row = 0; row < rows; row += together)
      emit_rows(pass, b_.CreateAdd(first, wide(row)), row, std::min(together, rows - row),
                accumulators);
  } else {
    const int looped = rows / together * together;
    accumulators = carry(wide(std::int64_t{0}), wide(looped), wide(together), accumulators,
                         [&](Value* row, const std::vector<Value*>& now) {
                           std::vector<Value*> next = now;
                           emit_rows(pass, b_.CreateAdd(first, row), together, together, next);
                           return next;
                         });
    if (looped < rows)
      emit_rows(pass, b_.CreateAdd(first, wide(looped)), looped, rows - looped, accumulators);
  }
  store_gathered();
  if (geometry_.warps > 1 && !reductions.empty())
    accumulators = meet(pass, accumulators);
  for (std::size_t i = 0; i < reductions.size(); ++i)
    reduced_[reductions[i]] = accumulators[i];
}

void CudaTiles::emit_rows(int pass, Value* row, int first, int count,
                          std::vector<Value*>& accumulators) {
  std::vector<std::unique_ptr<Row>> rows;
  const std::vector<bool>& used = used_[static_cast<std::size_t>(pass)];
  std::vector<Value*> bases = bases_at(row, used);
  const auto begin = [&](int i) {
    Value* here = i == 0 ? row : b_.CreateAdd(row, wide(i));
    if (i > 0)
      bases = next_bases(bases, here, used);
    tensors_.set_row(here);
    rows.push_back(begin_row(pass, bases, first + i));
  };
  const bool loads = pass == 0 || !geometry_.held; // which are all under way before they are used
  for (int i = 0; i < count && loads; ++i)
    begin(i);
  const std::vector<NodeId>& reductions = plan_.reductions[static_cast<std::size_t>(pass)];
  for (int i = 0; i < count; ++i) {
    if (!loads)
      begin(i);
    Row& one = *rows[static_cast<std::size_t>(i)];
    emit_row(pass, one);
    for (std::size_t k = 0; k < reductions.size(); ++k) {
      const ir::Node& made = node(reductions[k]);
      accumulators[k] = combine_terms(b_, job_, made.op, made.type, accumulators[k],
                                      one.elements->value(made.args[0]));
    }
    if (pass == 0 && !held_.empty())
      keep(one, first + i);
    store_row(pass, one);
    for (const ir::Store& store : job_.kernel.stores())
      if (is_transposed(store.param) && pass_of(plan_, store, late_) == pass)
        gather(store.param, one, first + i, one.elements->stored_bits(store));
  }
  if (!geometry_.whole)
    store_gathered();
}

void CudaTiles::store_columns() {
  const auto stores = job_.kernel.stores();
  std::vector<Value*> bits(stores.size());
  bool any = false;
  for (std::size_t s = 0; s < stores.size(); ++s)
    if (job_.kernel.params()[stores[s].param].broadcast == Broadcast::per_column_group) {
      bits[s] = columns_->stored_bits(stores[s]);
      any = true;
    }
  if (!any)
    return;
  Value* writes = inside_;
  if (geometry_.warps > 1)
    writes = b_.CreateAnd(inside_, b_.CreateICmpEQ(warp_, constant(0)));
  memory_->set_guard({writes, {}});
  memory_of_rows_.begin(-1);
  for (const bool is_spread : {false, true}) {
    std::vector<Value*> some = bits;
    for (std::size_t s = 0; s < stores.size(); ++s)
      if (is_spread_over_columns(stores[s].param) != is_spread)
        some[s] = nullptr;
    tensors_.store(
        {column_bases_, std::vector<Value*>(column_bases_.size()), is_spread ? column_ : nullptr},
        lanes_, some);
  }
  memory_->set_guard({});
}

} // namespace swage::codegen
