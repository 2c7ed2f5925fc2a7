// accuracy.cpp -- which values of a kernel owe full accuracy: those that something can jump on.
#include "ir/accuracy.hpp"

#include <cmath>

namespace swage::ir {

namespace {

/// Long chains of approximations would add up to something that 16 bits show.
constexpr int kMaxApproximate = 8;

/// Numbers so far apart that an error would show where it moves one to the next: powers of two, and
/// those of 4 bits.
bool is_coarse(DType type) noexcept {
  return type == DType::e8m0 || type == DType::f4e2m1;
}

bool is_half(DType type) noexcept {
  return type == DType::f16 || type == DType::bf16 || (is_byte_float(type) && !is_coarse(type));
}

/// By node: whether its value is never below zero, however its functions err.
std::vector<bool> never_negative(const Kernel& kernel) {
  std::vector<bool> known(kernel.nodes().size(), false);
  for (NodeId id = 0; id < known.size(); ++id) {
    const Node& node = kernel.node(id);
    if (!is_float(node.type))
      continue;
    const auto arg = [&](std::size_t i) { return known[node.args[i]]; };
    const auto all_from = [&](std::size_t first) {
      for (std::size_t i = first; i < static_cast<std::size_t>(info(node.op).arity); ++i)
        if (!arg(i))
          return false;
      return true;
    };
    if (node.op == Op::constant)
      known[id] = node.real() >= 0;
    if (node.op == Op::cast)
      known[id] = arg(0);
    switch (info(node.op).sign) {
    case Sign::any: break;
    case Sign::never_negative: known[id] = true; break;
    case Sign::if_a: known[id] = arg(0); break;
    case Sign::if_all: known[id] = all_from(node.op == Op::select ? 1 : 0); break;
    case Sign::if_some: known[id] = arg(0) || arg(1); break;
    case Sign::if_factors: // and what is added to them
      known[id] = (node.args[0] == node.args[1] || (arg(0) && arg(1))) && all_from(2);
      break;
    }
  }
  return known;
}

} // namespace

bool jumps(Op op, int operand) noexcept {
  return (info(op).jumps >> operand & 1) != 0;
}

bool is_approximate(Op op) noexcept {
  return info(op).error.f32 > 0.5 || info(op).half.error > 0;
}

std::vector<Accuracy> accuracies(const Kernel& kernel) {
  const std::size_t count = kernel.nodes().size();
  const std::vector<bool> positive = never_negative(kernel);
  std::vector<Accuracy> owed(count, kernel.owes_full_accuracy() ? Accuracy::full : Accuracy::half);
  for (const Store& store : kernel.stores())
    if (!is_half(kernel.params()[store.param].dtype))
      owed[store.node] = Accuracy::full;
  if (kernel.skip())
    owed[*kernel.skip()] = Accuracy::full;
  int approximate = 0;
  for (auto id = static_cast<NodeId>(count); id-- > 0;) { // users before their operands
    const Node& node = kernel.node(id);
    if (node.type == DType::f64)
      owed[id] = Accuracy::full;
    for (int i = 0; i < info(node.op).arity; ++i) {
      const NodeId operand = node.args[static_cast<std::size_t>(i)];
      const bool to_steps =
          node.op == Op::cast && (!is_float(node.type) || is_coarse(node.storage));
      if (owed[id] == Accuracy::full || to_steps || jumps(node.op, i) ||
          (info(node.op).ends_domain && !positive[operand]))
        owed[operand] = Accuracy::full;
    }
    approximate += is_approximate(node.op) && owed[id] == Accuracy::half;
  }
  if (approximate > kMaxApproximate)
    owed.assign(count, Accuracy::full);
  return owed;
}

double full_error_ulps(Op op, DType type) noexcept {
  return type == DType::f64 ? info(op).error.f64 : info(op).error.f32;
}

} // namespace swage::ir
