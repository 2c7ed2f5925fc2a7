// rebuild.hpp -- walking a kernel and copying it node by node into a builder, for the passes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::ir {

/// How often each node is used: as an operand, counting every occurrence, by a store, or to skip.
inline std::vector<std::uint32_t> count_uses(const Kernel& kernel) {
  std::vector<std::uint32_t> uses(kernel.nodes().size(), 0);
  for (const Node& node : kernel.nodes())
    for (int i = 0; i < info(node.op).arity; ++i)
      ++uses[node.args[static_cast<std::size_t>(i)]];
  for (const Store& store : kernel.stores())
    ++uses[store.node];
  if (kernel.skip())
    ++uses[*kernel.skip()];
  return uses;
}

/// `node`'s operands as they are called in the new kernel: made[old id] is the new id.
inline std::array<NodeId, 3> renamed_args(const Node& node, std::span<const NodeId> made) {
  std::array<NodeId, 3> args{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(info(node.op).arity); ++i)
    args[i] = made[node.args[i]];
  return args;
}

/// The columns, or rows, that a group reduction goes over, else 0.
inline std::uint32_t group_of(const Node& node) {
  return takes_size(info(node.op).form) ? node.space.group : 0;
}

/// Makes `node` in `builder` with its operands renamed.
inline NodeId rebuild(KernelBuilder& builder, const Node& node, std::span<const NodeId> made) {
  const auto args = renamed_args(node, made);
  switch (node.op) {
  case Op::load: return builder.load(node.param);
  case Op::scalar: return builder.scalar(node.param);
  case Op::constant:
    return is_float(node.type) ? builder.real(node.type, node.real())
                               : builder.integer(node.type, node.integer());
  case Op::cast: return builder.cast(node.storage, args[0]);
  case Op::lookup: return builder.lookup(node.param, args[0]);
  case Op::col_index: return builder.col_index();
  default:
    return builder.make(node.op,
                        std::span(args.data(), static_cast<std::size_t>(info(node.op).arity)),
                        group_of(node));
  }
}

/// Skips the rows in `builder` that `kernel` skips.
inline void rebuild_skip(KernelBuilder& builder, const Kernel& kernel,
                         std::span<const NodeId> made) {
  if (kernel.skip())
    builder.skip(made[*kernel.skip()]);
}

} // namespace swage::ir
