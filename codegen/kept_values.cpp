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

/// Whether it takes `enough` instructions from memory to the value of `root`. Looks no further than
/// it has to, for any value of a large kernel may be asked about.
bool is_costly(const ir::Kernel& kernel, NodeId root, std::size_t enough) {
  std::vector<NodeId> ahead{root}, seen;
  std::size_t sum = 0;
  while (!ahead.empty() && sum < enough) {
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
  return sum >= enough;
}

/// The values that passes after the one that computes them first begin with, in the order of nodes.
std::vector<KeptValue> passed_on(const ir::Kernel& kernel,
                                 const std::vector<std::vector<NodeId>>& passes) {
  const std::size_t nodes = kernel.nodes().size();
  std::vector<int> first(nodes, -1); // pass that needs it first
  std::vector<bool> wanted(nodes, false);
  int pass = 0;
  for (const std::vector<NodeId>& roots : passes) {
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
  std::vector<KeptValue> values;
  for (NodeId id = 0; id < nodes; ++id)
    if (wanted[id] && kernel.node(id).type != DType::boolean)
      values.push_back({id, first[id]});
  return values;
}

std::vector<NodeId> roots_after(const std::vector<std::vector<NodeId>>& passes, int pass) {
  std::vector<NodeId> later;
  for (auto next = static_cast<std::size_t>(pass) + 1; next < passes.size(); ++next)
    later.insert(later.end(), passes[next].begin(), passes[next].end());
  return later;
}

/// What a thread has of each element between two passes.
struct Held {
  int bytes = 0;        ///< of what is read its bits
  int bytes_values = 0; ///< of what is read its values
  std::size_t anew = 0; ///< instructions that the later passes take to make of it what they need
};

/// With `kept` for what later passes, those of `roots`, need.
Held held_with(const ir::Kernel& kernel, const std::vector<NodeId>& roots,
               const std::vector<KeptValue>& kept) {
  const auto is_kept = [&](NodeId id) {
    return std::ranges::find(kept, id, &KeptValue::node) != kept.end();
  };
  const std::vector<bool> needed = needed_nodes(
      kernel, roots, [&](NodeId id) { return is_by_element(kernel, id) && !is_kept(id); });
  std::vector<bool> is_used(needed.size(), false);
  for (const NodeId root : roots)
    is_used[root] = true;
  Held held;
  for (NodeId id = 0; id < needed.size(); ++id) {
    if (!needed[id])
      continue;
    const ir::Node& node = kernel.node(id);
    const int bytes = node.op == ir::Op::load ? size_of(kernel.params()[node.param].dtype) : 0;
    held.bytes += bytes;
    held.bytes_values += bytes > 0 ? std::max(bytes, 4) : 0;
    held.anew += bytes == 0 ? instructions(node) : bytes < 4;
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      is_used[node.args[static_cast<std::size_t>(i)]] = true;
  }
  for (const KeptValue& value : kept)
    if (is_used[value.node]) {
      held.bytes += kept_bytes(kernel.node(value.node));
      held.bytes_values += std::max(kept_bytes(kernel.node(value.node)), 4);
      held.anew += kept_bytes(kernel.node(value.node)) < 4;
    }
  return held;
}

} // namespace

int kept_bytes(const ir::Node& node) noexcept {
  const bool is_rounded =
      node.op == ir::Op::cast && (node.storage == DType::bf16 || node.storage == DType::f16);
  return is_rounded && node.type == DType::f32 ? 2 : std::max(size_of(node.type), 4);
}

std::vector<KeptValue> kept_values(const ir::Kernel& kernel, const RowPlan& plan) {
  if (plan.group > 0 || plan.group_rows > 0)
    return {};
  std::vector<KeptValue> kept;
  for (const KeptValue& value : passed_on(kernel, roots_of_passes(kernel, plan)))
    if (kept.size() < kMostKept && is_costly(kernel, value.node, kWorthKeeping))
      kept.push_back(value);
  return kept;
}

std::vector<KeptValue> kept_in_registers(const ir::Kernel& kernel, const RowPlan& plan) {
  constexpr std::size_t kMostTried = 16; // each looks at the whole kernel
  const std::vector<std::vector<NodeId>> passes = roots_of_passes(kernel, plan);
  std::vector<KeptValue> candidates = passed_on(kernel, passes);
  std::erase_if(candidates, [&](const KeptValue& value) {
    return kernel.node(value.node).op == ir::Op::load ||
           kernel.node(value.node).op == ir::Op::col_index;
  });
  // By pass, and what is made of others before them.
  std::ranges::reverse(candidates);
  std::ranges::stable_sort(candidates, {}, &KeptValue::pass);
  if (candidates.size() > kMostTried)
    candidates.resize(kMostTried);
  std::vector<KeptValue> kept;
  for (const KeptValue& value : candidates) {
    if (kept.size() == kMostKept)
      break;
    const std::vector<NodeId> later = roots_after(passes, value.pass);
    const Held without = held_with(kernel, later, kept);
    kept.push_back(value);
    const Held with = held_with(kernel, later, kept);
    if (with.bytes > without.bytes || with.anew >= without.anew)
      kept.pop_back();
  }
  return kept;
}

int held_bytes(const ir::Kernel& kernel, const RowPlan& plan, const std::vector<KeptValue>& kept,
               bool as_values) {
  int most = 0; // all that is read, on its way
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.is_read() && param.broadcast == Broadcast::none)
      most += size_of(param.dtype);
  const std::vector<std::vector<NodeId>> passes = roots_of_passes(kernel, plan);
  std::vector<KeptValue> sofar;
  for (int pass = 0; pass + 1 < static_cast<int>(passes.size()); ++pass) {
    std::ranges::copy_if(kept, std::back_inserter(sofar),
                         [&](const KeptValue& value) { return value.pass == pass; });
    const Held held = held_with(kernel, roots_after(passes, pass), sofar);
    most = std::max(most, as_values ? held.bytes_values : held.bytes);
  }
  return most;
}

} // namespace swage::codegen
