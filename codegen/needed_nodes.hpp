// needed_nodes.hpp -- what has to be known of a kernel to know some of its values.
#pragma once

#include <concepts>
#include <span>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// By node: whether it is one of `roots`, or an operand on the way to one. Nodes that
/// `is_of_interest` is false for are left out, and so is what only they need.
template <std::predicate<ir::NodeId> IsOfInterest>
std::vector<bool> needed_nodes(const ir::Kernel& kernel, std::span<const ir::NodeId> roots,
                               const IsOfInterest& is_of_interest) {
  std::vector<bool> needed(kernel.nodes().size(), false);
  const auto mark = [&](ir::NodeId id) { needed[id] = needed[id] || is_of_interest(id); };
  for (const ir::NodeId root : roots)
    mark(root);
  for (auto id = static_cast<ir::NodeId>(needed.size()); id-- > 0;) // users before operands
    for (int i = 0; needed[id] && i < ir::info(kernel.node(id).op).arity; ++i)
      mark(kernel.node(id).args[static_cast<std::size_t>(i)]);
  return needed;
}

} // namespace swage::codegen
