// total_stores.cpp -- what a CUDA kernel stores when all rows are done: outputs [col] and [tensor].
#include "codegen/total_stores.hpp"

#include "codegen/index_arithmetic.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::NodeId;
using ir::Op;
using llvm::Value;

TotalStores::TotalStores(llvm::IRBuilderBase& builder, const Job& job, const RowPlan& plan,
                         Tensors& tensors, GlobalMemory& memory)
    : b_(builder), job_(job), plan_(plan), tensors_(tensors), memory_(memory),
      by_column_(stores_of(job.kernel, Broadcast::per_column)),
      by_tensor_(stores_of(job.kernel, Broadcast::per_tensor)) {}

/// The loads of `broadcast` that `stores` need, sums over rows being known.
std::vector<NodeId> TotalStores::loads_of(std::span<const ir::Store> stores,
                                          Broadcast broadcast) const {
  std::vector<NodeId> roots, loads;
  for (const ir::Store& store : stores)
    roots.push_back(store.node);
  const std::vector<bool> needed = needed_nodes(job_.kernel, roots, [&](NodeId id) {
    return ir::info(node(id).op).form != ir::OpForm::over_col;
  });
  for (auto id = static_cast<NodeId>(needed.size()); id-- > 0;)
    if (needed[id] && node(id).op == Op::load && node(id).space.broadcast == broadcast)
      loads.push_back(id);
  return loads;
}

TotalStores::Values TotalStores::shared_by(std::span<const ir::Store> stores, const Values& scalars,
                                           const Place& place) {
  Values values(job_.kernel.nodes().size());
  for (NodeId id = 0; id < values.size(); ++id)
    if (node(id).op == Op::scalar)
      values[id] = scalars[node(id).param];
  for (const NodeId id : loads_of(stores, Broadcast::per_tensor))
    values[id] = tensors_.load_row_value(place, node(id).param);
  return values;
}

TotalStores::Values TotalStores::shared_by_columns(const Values& scalars, const Place& place) {
  return shared_by(by_column_, scalars, place);
}

void TotalStores::store_columns(const Columns& columns, std::span<Value* const> sums,
                                const Values& shared) {
  const int lanes = columns.lanes;
  const auto for_each_lane = [&](Value* value) {
    return lanes == 1 || !value || value->getType()->isVectorTy()
               ? value
               : b_.CreateVectorSplat(static_cast<unsigned>(lanes), value);
  };
  Values values;
  for (Value* value : shared)
    values.push_back(for_each_lane(value));
  for (std::size_t sum = 0; sum < sums.size(); ++sum)
    values[plan_.column_sums[sum]] = for_each_lane(sums[sum]);
  const std::vector<NodeId> loads = loads_of(by_column_, Broadcast::per_column);
  Values fixed;
  for (const ir::Param& param : job_.kernel.params())
    fixed.push_back(
        llvm::PoisonValue::get(value_type(b_.getContext(), compute_type(param.dtype), 1)));
  for (const NodeId id : loads)
    fixed[node(id).param] = nullptr;
  memory_.set_guard(columns.guard);
  const Values loaded = tensors_.load(columns.place, lanes, fixed);
  for (const NodeId id : loads)
    values[id] = loaded[node(id).param];
  for (NodeId id = 0; id < values.size(); ++id)
    if (node(id).op == Op::col_index)
      values[id] = consecutive(b_, columns.first, lanes);
  store(by_column_, columns.place, lanes, values);
  memory_.set_guard({});
}

void TotalStores::store_tensors(const Values& scalars, const Place& place,
                                std::span<Value* const> sums) {
  Values values = shared_by(by_tensor_, scalars, place);
  for (std::size_t sum = 0; sum < sums.size(); ++sum)
    values[plan_.column_sums[sum]] = sums[sum];
  store(by_tensor_, place, 1, values);
}

void TotalStores::store(std::span<const ir::Store> stores, const Place& place, int lanes,
                        const Values& values) {
  const Values bits = lower_stores(b_, job_, lanes, stores, [&](NodeId id) { return values[id]; });
  tensors_.store(place, lanes, stores, bits);
}

} // namespace swage::codegen
