// kept_values.cpp -- what several passes over a row need and is costly.
#include "codegen/kept_values.hpp"

#include <algorithm>

#include "codegen/needed_nodes.hpp"
#include "codegen/schedule.hpp"

namespace swage::codegen {

namespace {

using ir::Broadcast;
using ir::NodeId;
using ir::OpForm;

/// Instructions that a load and a store are worth: below, computing anew is as fast.
constexpr std::size_t kWorthKeeping = 16;
/// A row of each is memory of every thread.
constexpr std::size_t kMostKept = 4;

bool is_by_element(const ir::Kernel& kernel, NodeId id) {
  const ir::Node& node = kernel.node(id);
  return node.space.broadcast == Broadcast::none && node.op != ir::Op::constant;
}

/// By node: whether `roots` need its value in every element.
std::vector<bool> needed_by_elements(const ir::Kernel& kernel, const std::vector<NodeId>& roots) {
  return needed_nodes(kernel, roots, [&](NodeId id) { return is_by_element(kernel, id); });
}

/// What each pass computes of every element: the operands of its reductions; last, what is stored
/// or added up over rows.
std::vector<std::vector<NodeId>> roots_of_passes(const ir::Kernel& kernel, const RowPlan& plan) {
  std::vector<std::vector<NodeId>> roots;
  for (const auto& stage : plan.reductions) {
    roots.emplace_back();
    for (const NodeId id : stage)
      roots.back().push_back(kernel.node(id).args[0]);
  }
  roots.emplace_back();
  for (const NodeId id : plan.column_sums)
    roots.back().push_back(kernel.node(id).args[0]);
  for (const ir::Store& store : kernel.stores())
    if (kernel.params()[store.param].broadcast == Broadcast::none)
      roots.back().push_back(store.node);
  return roots;
}

/// Whether it takes that many instructions from memory to the value of `root`. Looks no further
/// than it has to, for any value of a large kernel may be asked about.
bool is_costly(const ir::Kernel& kernel, NodeId root) {
  std::vector<NodeId> ahead{root}, seen;
  std::size_t sum = 0;
  while (!ahead.empty() && sum < kWorthKeeping) {
    const NodeId id = ahead.back();
    ahead.pop_back();
    if (!is_by_element(kernel, id) || std::ranges::find(seen, id) != seen.end())
      continue;
    seen.push_back(id);
    const ir::Node& node = kernel.node(id);
    sum += instructions(node);
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      ahead.push_back(node.args[static_cast<std::size_t>(i)]);
  }
  return sum >= kWorthKeeping;
}

} // namespace

std::vector<KeptValue> kept_values(const ir::Kernel& kernel, const RowPlan& plan) {
  if (plan.group > 0)
    return {};
  const std::size_t nodes = kernel.nodes().size();
  std::vector<int> first(nodes, -1); // pass that needs it first
  std::vector<bool> wanted(nodes, false);
  int pass = 0;
  for (const std::vector<NodeId>& roots : roots_of_passes(kernel, plan)) {
    const std::vector<bool> needed = needed_by_elements(kernel, roots);
    const auto want = [&](NodeId id) { wanted[id] = wanted[id] || (first[id] >= 0 && needed[id]); };
    for (const NodeId root : roots)
      want(root);
    for (NodeId id = 0; id < nodes; ++id)
      if (needed[id] && first[id] < 0) // computed here for the first time: of what was before?
        for (int i = 0; i < ir::info(kernel.node(id).op).arity; ++i)
          want(kernel.node(id).args[static_cast<std::size_t>(i)]);
    for (NodeId id = 0; id < nodes; ++id)
      if (needed[id] && first[id] < 0)
        first[id] = pass;
    ++pass;
  }
  std::vector<KeptValue> kept;
  for (NodeId id = 0; id < nodes; ++id)
    if (kept.size() < kMostKept && wanted[id] && kernel.node(id).type != DType::boolean &&
        is_costly(kernel, id))
      kept.push_back({id, first[id]});
  return kept;
}

} // namespace swage::codegen
