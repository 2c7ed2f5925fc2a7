// silu.cpp -- finds what a sigmoid shares with its argument.
#include "codegen/silu.hpp"

#include <algorithm>

#include "ir/rebuild.hpp"

namespace swage::codegen {

namespace {

using ir::NodeId;
using ir::Op;

/// Whether a result of f32 is NaN where any of the operands is.
bool passes_nan(const ir::Node& node) {
  switch (node.op) {
  case Op::add:
  case Op::sub:
  case Op::mul:
  case Op::div:
  case Op::neg:
  case Op::fma: return node.type == DType::f32;
  case Op::cast: return node.storage == DType::bf16 || node.storage == DType::f16;
  default: return false;
  }
}

bool is_one(const ir::Node& node) {
  return node.op == Op::constant && node.type == DType::f32 && node.real() == 1;
}

} // namespace

std::optional<NodeId> sigmoid_of_silu(const ir::Kernel& kernel, const ir::Node& node) {
  if (node.op != Op::mul)
    return std::nullopt;
  for (const std::size_t i : {0, 1})
    if (const ir::Node& function = kernel.node(node.args[i]);
        function.op == Op::sigmoid && function.args[0] == node.args[1 - i])
      return node.args[i];
  return std::nullopt;
}

bool nan_comes_from_argument(const ir::Kernel& kernel, NodeId id) {
  enum : char { apart, is_nan, misses_it };
  std::vector<char> state(kernel.nodes().size(), apart);
  const NodeId x = kernel.node(id).args[0];
  for (NodeId each = 0; each < state.size(); ++each) {
    const ir::Node& node = kernel.node(each);
    const auto any = [&](char wanted) {
      for (int i = 0; i < ir::info(node.op).arity; ++i)
        if (state[node.args[static_cast<std::size_t>(i)]] == wanted)
          return true;
      return false;
    };
    if (each == x || (passes_nan(node) && any(is_nan)))
      state[each] = is_nan;
    else if (each == id || any(misses_it))
      state[each] = misses_it;
  }
  return std::ranges::none_of(
      kernel.stores(), [&](const ir::Store& store) { return state[store.node] == misses_it; });
}

std::optional<Slope> slope_of(const ir::Kernel& kernel, NodeId id) {
  const ir::Node& node = kernel.node(id);
  if (node.op != Op::fma || !is_one(kernel.node(node.args[2])))
    return std::nullopt;
  for (const std::size_t i : {0, 1}) {
    const ir::Node& rest = kernel.node(node.args[i]);
    if (rest.op != Op::sub || !is_one(kernel.node(rest.args[0])))
      continue;
    const ir::Node& function = kernel.node(rest.args[1]);
    if (function.op == Op::sigmoid && function.args[0] == node.args[1 - i])
      return Slope{function.args[0], rest.args[1], node.args[i]};
  }
  return std::nullopt;
}

std::vector<std::optional<SlopeProduct>> find_slope_products(const ir::Kernel& kernel) {
  const auto nodes = kernel.nodes();
  const std::vector<std::uint32_t> uses = ir::count_uses(kernel);
  std::vector<std::optional<SlopeProduct>> result(nodes.size());
  const auto is_silu = [&](const Slope& slope) {
    return std::ranges::any_of(nodes, [&](const ir::Node& node) {
      return sigmoid_of_silu(kernel, node) == slope.sigmoid;
    });
  };
  for (NodeId id = 0; id < nodes.size(); ++id)
    for (const std::size_t i : {0, 1}) {
      if (nodes[id].op != Op::mul || result[id])
        continue;
      const NodeId product = nodes[id].args[i], factor = nodes[id].args[1 - i];
      const auto slope = slope_of(kernel, factor);
      if (!slope || uses[factor] != 1 || !is_silu(*slope))
        continue;
      if (product == slope->sigmoid)
        result[id] = SlopeProduct{std::nullopt, slope->x, slope->sigmoid, slope->complement};
      for (const std::size_t j : {0, 1})
        if (nodes[product].op == Op::mul && nodes[product].args[j] == slope->sigmoid &&
            uses[product] == 1)
          result[id] =
              SlopeProduct{nodes[product].args[1 - j], slope->x, slope->sigmoid, slope->complement};
    }
  return result;
}

} // namespace swage::codegen
