// contract.cpp -- products and sums that become one fma.
//
// The rule is a function of the graph alone, so every schedule and back end computes the same bits.
// It follows LLVM's combiner where both operands of a sum are products: the left one is taken.
#include <optional>
#include <utility>

#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

/// -value, without the negations that `simplify` would take away again.
NodeId negated(KernelBuilder& builder, NodeId value) {
  const Node node = builder.node(value);
  if (node.op == Op::neg)
    return node.args[0];
  if (node.op == Op::constant)
    return builder.real(node.type, -node.real());
  return builder.make(Op::neg, {value});
}

Kernel contract_once(const Kernel& kernel) {
  const std::vector<std::uint32_t> uses = count_uses(kernel);
  KernelBuilder builder(kernel.name(), kernel.math(),
                        {kernel.params().begin(), kernel.params().end()});
  std::vector<NodeId> made;
  made.reserve(kernel.nodes().size());

  const auto is_product = [&](NodeId id) { return kernel.node(id).op == Op::mul && uses[id] == 1; };
  const auto fused = [&](const Node& node) -> std::optional<NodeId> {
    if ((node.op != Op::add && node.op != Op::sub) || !is_float(node.type))
      return std::nullopt;
    const bool left = is_product(node.args[0]);
    if (!left && !is_product(node.args[1]))
      return std::nullopt;
    const auto product = renamed_args(kernel.node(node.args[left ? 0 : 1]), made);
    const NodeId addend = made[node.args[left ? 1 : 0]];
    if (node.op == Op::add)
      return builder.make(Op::fma, {product[0], product[1], addend});
    if (left) // a * b - c
      return builder.make(Op::fma, {product[0], product[1], negated(builder, addend)});
    return builder.make(Op::fma, {negated(builder, product[0]), product[1], addend});
  };

  for (const Node& node : kernel.nodes()) {
    const std::optional<NodeId> fma = fused(node);
    made.push_back(fma ? *fma : rebuild(builder, node, made));
  }
  for (const Store& store : kernel.stores())
    builder.store(store.param, made[store.node]);
  return std::move(builder).build();
}

} // namespace

Kernel contract(const Kernel& kernel) {
  // A new fma may equal one that was there, which leaves a product with fewer uses than before.
  Kernel result = contract_once(kernel);
  for (Kernel next = contract_once(result); next != result; next = contract_once(result))
    result = std::move(next);
  return result;
}

} // namespace swage::ir
