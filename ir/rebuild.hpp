// rebuild.hpp -- copying a kernel node by node into a builder, for the passes.
#pragma once

#include <array>
#include <span>

#include "ir/kernel.hpp"

namespace swage::ir {

/// `node`'s operands as they are called in the new kernel: made[old id] is the new id.
inline std::array<NodeId, 3> renamed_args(const Node& node, std::span<const NodeId> made) {
  std::array<NodeId, 3> args{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(info(node.op).arity); ++i)
    args[i] = made[node.args[i]];
  return args;
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
  default:
    return builder.make(node.op,
                        std::span(args.data(), static_cast<std::size_t>(info(node.op).arity)));
  }
}

} // namespace swage::ir
