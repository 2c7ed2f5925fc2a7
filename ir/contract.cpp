// contract.cpp -- products and sums that become one fma.
//
// The rule is a function of the graph alone, so every schedule and back end computes the same bits.
// It follows the combiner of LLVM's NVPTX back end, which Triton kernels go through: sums are taken
// from the last to the first, and of two products the one that fewer others use is fused, the left
// one where that is even. The combiner also fuses a product that stays because others use it. That
// saves nothing, so it is done in triton mode only, where those bits are the promise. In torch mode
// nothing is fused: every operator of PyTorch is a kernel of its own.
#include <utility>

#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

enum class Fusion : std::uint8_t {
  none,
  left,          ///< a * b + c, a * b - c
  right,         ///< c + a * b, c - a * b
  left_negative, ///< -(a * b) - c
};

/// Which sums of a kernel are fused with which operand.
class Decisions {
public:
  explicit Decisions(const Kernel& kernel)
      : kernel_(kernel), uses_(count_uses(kernel)), fusions_(kernel.nodes().size(), Fusion::none) {
    for (auto id = static_cast<NodeId>(kernel.nodes().size()); id-- > 0;)
      decide(id);
  }

  Fusion operator[](NodeId id) const { return fusions_[id]; }

private:
  void decide(NodeId id) {
    const Node& sum = kernel_.node(id);
    if ((sum.op != Op::add && sum.op != Op::sub) || !is_float(sum.type))
      return;
    const auto [a, b, unused] = sum.args;
    const bool left = is_free(a, Op::mul), right = is_free(b, Op::mul);
    if (left && right)
      fuse(id, uses_[a] > uses_[b] ? Fusion::right : Fusion::left, uses_[a] > uses_[b] ? b : a);
    else if (left || right)
      fuse(id, left ? Fusion::left : Fusion::right, left ? a : b);
    else if (sum.op == Op::sub && is_free(a, Op::neg) && is_free(kernel_.node(a).args[0], Op::mul))
      fusions_[id] = Fusion::left_negative;
  }

  bool is_free(NodeId id, Op op) const {
    return kernel_.node(id).op == op && (kernel_.math() == MathMode::triton || uses_[id] == 1);
  }

  void fuse(NodeId sum, Fusion fusion, NodeId product) {
    fusions_[sum] = fusion;
    if (--uses_[product] == 0)
      return;
    // The product stays, and its factors have one user more.
    for (std::size_t i = 0; i < 2; ++i)
      ++uses_[kernel_.node(product).args[i]];
  }

  const Kernel& kernel_;
  std::vector<std::uint32_t> uses_;
  std::vector<Fusion> fusions_;
};

/// -value, without the negations that `simplify` would take away again.
NodeId negated(KernelBuilder& builder, NodeId value) {
  const Node node = builder.node(value);
  if (node.op == Op::neg)
    return node.args[0];
  if (node.op == Op::constant)
    return builder.real(node.type, -node.real());
  return builder.make(Op::neg, {value});
}

NodeId fused(KernelBuilder& builder, const Kernel& kernel, const Node& sum, Fusion fusion,
             std::span<const NodeId> made) {
  const bool right = fusion == Fusion::right;
  NodeId product = sum.args[right ? 1 : 0];
  if (fusion == Fusion::left_negative)
    product = kernel.node(product).args[0];
  auto [a, b, unused] = renamed_args(kernel.node(product), made);
  NodeId c = made[sum.args[right ? 0 : 1]];
  const bool difference = sum.op == Op::sub;
  if ((difference && right) || fusion == Fusion::left_negative)
    a = negated(builder, a);
  if (difference && !right)
    c = negated(builder, c);
  return builder.make(Op::fma, {a, b, c});
}

Kernel contract_once(const Kernel& kernel) {
  const Decisions decisions(kernel);
  KernelBuilder builder(kernel.name(), kernel.math(),
                        {kernel.params().begin(), kernel.params().end()});
  std::vector<NodeId> made;
  made.reserve(kernel.nodes().size());
  for (NodeId id = 0; id < kernel.nodes().size(); ++id) {
    const Node& node = kernel.node(id);
    made.push_back(decisions[id] == Fusion::none
                       ? rebuild(builder, node, made)
                       : fused(builder, kernel, node, decisions[id], made));
  }
  rebuild_skip(builder, kernel, made);
  for (const Store& store : kernel.stores())
    builder.store(store.param, made[store.node]);
  return std::move(builder).build();
}

} // namespace

Kernel contract(const Kernel& kernel) {
  if (kernel.math() == MathMode::torch)
    return kernel;
  // A new fma may equal one that was there, which leaves a product with fewer uses than before.
  Kernel result = contract_once(kernel);
  for (Kernel next = contract_once(result); next != result; next = contract_once(result))
    result = std::move(next);
  return result;
}

} // namespace swage::ir
