// wide_products.cpp -- finds products of sigmoid or erfc with something of another argument.
#include "codegen/wide_products.hpp"

#include <cmath>
#include <cstdint>

#include "codegen/body.hpp"
#include "ir/rebuild.hpp"

namespace swage::codegen {

namespace {

using ir::NodeId;
using ir::Op;

/// By node: the set of values it depends on, which may differ independently: what is read, and what
/// a reduction makes of many. All bits where there are more of them than bits.
std::vector<std::uint64_t> supports(const ir::Kernel& kernel) {
  std::vector<std::uint64_t> result(kernel.nodes().size());
  int next = 0;
  for (NodeId id = 0; id < result.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    if (node.op != Op::constant && (is_leaf(node) || ir::is_reduction(node.op))) {
      result[id] = next < 64 ? std::uint64_t{1} << next : ~std::uint64_t{0};
      ++next;
      continue;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(ir::info(node.op).arity); ++i)
      result[id] |= result[node.args[i]];
  }
  return result;
}

/// sigmoid and erfc.
bool saturates_at_zero(Op op) {
  const ir::Range& range = ir::info(op).range;
  return range.low == 0 && std::isfinite(range.high);
}

} // namespace

std::vector<std::optional<WideProduct>> find_wide_products(const ir::Kernel& kernel) {
  const std::vector<std::uint64_t> support = supports(kernel);
  const std::vector<std::uint32_t> uses = ir::count_uses(kernel);
  const auto nodes = kernel.nodes();
  std::vector<std::optional<WideProduct>> result(nodes.size());
  // What depends on the function's argument alone is too small to matter where the function is.
  const auto is_wide = [&](const WideProduct& product, NodeId factor) {
    const std::uint64_t function = support[product.function];
    return (support[factor] & ~function) != 0 || function == ~std::uint64_t{0};
  };
  for (NodeId id = 0; id < nodes.size(); ++id) {
    if (nodes[id].op != Op::mul)
      continue;
    for (std::size_t i = 0; i < 2 && !result[id]; ++i) {
      const NodeId part = nodes[id].args[i], other = nodes[id].args[1 - i];
      if (part == other || uses[part] != 1)
        continue;
      if (saturates_at_zero(nodes[part].op)) {
        result[id] = WideProduct{part, std::nullopt, other};
      } else if (result[part] && !result[part]->left) {
        result[id] = WideProduct{result[part]->function, result[part]->right, other};
        result[part].reset();
      }
    }
  }
  for (auto& product : result)
    if (product && !is_wide(*product, product->right) &&
        !(product->left && is_wide(*product, *product->left)))
      product.reset();
  return result;
}

} // namespace swage::codegen
