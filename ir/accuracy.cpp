// accuracy.cpp -- which values of a kernel owe full accuracy: those that something can jump on.
#include "ir/accuracy.hpp"

#include <cmath>

namespace swage::ir {

namespace {

/// Long chains of approximations would add up to something that 16 bits show.
constexpr int kMaxApproximate = 8;

bool is_half(DType type) noexcept {
  return type == DType::f16 || type == DType::bf16;
}

/// By node: whether its value is never below zero, however its functions err.
std::vector<bool> never_negative(const Kernel& kernel) {
  std::vector<bool> known(kernel.nodes().size(), false);
  for (NodeId id = 0; id < known.size(); ++id) {
    const Node& node = kernel.node(id);
    const auto arg = [&](std::size_t i) { return known[node.args[i]]; };
    switch (node.op) {
    case Op::constant: known[id] = is_float(node.type) && node.real() >= 0; break;
    case Op::exp:
    case Op::exp2:
    case Op::sigmoid:
    case Op::erfc:
    case Op::abs:
    case Op::relu:
    case Op::sqrt:
    case Op::rsqrt: known[id] = is_float(node.type); break;
    case Op::mul: known[id] = node.args[0] == node.args[1] || (arg(0) && arg(1)); break;
    case Op::fma: known[id] = arg(2) && (node.args[0] == node.args[1] || (arg(0) && arg(1))); break;
    case Op::add:
    case Op::div:
    case Op::min: known[id] = arg(0) && arg(1); break;
    case Op::max: known[id] = arg(0) || arg(1); break;
    case Op::select: known[id] = arg(1) && arg(2); break;
    case Op::rcp:
    case Op::log1p:
    case Op::expm1:
    case Op::tanh:
    case Op::erf:
    case Op::row_sum:
    case Op::row_mean:
    case Op::row_max:
    case Op::row_min:
    case Op::group_sum:
    case Op::group_max:
    case Op::group_min:
    case Op::col_sum: known[id] = arg(0); break;
    case Op::cast:
      known[id] = arg(0) && is_float(kernel.node(node.args[0]).type) && is_float(node.type);
      break;
    default: break;
    }
  }
  return known;
}

bool ends_domain(Op op) noexcept {
  return op == Op::sqrt || op == Op::rsqrt || op == Op::log || op == Op::log2 || op == Op::log1p;
}

} // namespace

bool jumps(Op op, int operand) noexcept {
  switch (op) {
  case Op::floor:
  case Op::ceil:
  case Op::round:
  case Op::trunc:
  case Op::isnan:
  case Op::eq:
  case Op::ne:
  case Op::lt:
  case Op::le:
  case Op::gt:
  case Op::ge: return true;
  case Op::copysign:
  case Op::pow: return operand == 1;
  default: return false;
  }
}

bool is_approximate(Op op) noexcept {
  switch (op) {
  case Op::fma:
  case Op::floor:
  case Op::ceil:
  case Op::round:
  case Op::trunc:
  case Op::copysign: return false;
  default: return info(op).rule == TypeRule::real || op == Op::div;
  }
}

std::vector<Accuracy> accuracies(const Kernel& kernel) {
  const std::size_t count = kernel.nodes().size();
  const std::vector<bool> positive = never_negative(kernel);
  std::vector<Accuracy> owed(count, Accuracy::half);
  for (const Store& store : kernel.stores())
    if (!is_half(kernel.params()[store.param].dtype))
      owed[store.node] = Accuracy::full;
  int approximate = 0;
  for (auto id = static_cast<NodeId>(count); id-- > 0;) { // users before their operands
    const Node& node = kernel.node(id);
    if (node.type == DType::f64)
      owed[id] = Accuracy::full;
    for (int i = 0; i < info(node.op).arity; ++i) {
      const NodeId operand = node.args[static_cast<std::size_t>(i)];
      const bool to_integer = node.op == Op::cast && !is_float(node.type);
      if (owed[id] == Accuracy::full || to_integer || jumps(node.op, i) ||
          (ends_domain(node.op) && !positive[operand]))
        owed[operand] = Accuracy::full;
    }
    approximate += is_approximate(node.op) && owed[id] == Accuracy::half;
  }
  if (approximate > kMaxApproximate)
    owed.assign(count, Accuracy::full);
  return owed;
}

double full_error_ulps(Op op, DType type) noexcept {
  const bool is_double = type == DType::f64;
  switch (op) {
  case Op::add:
  case Op::sub:
  case Op::mul:
  case Op::div:
  case Op::fma:
  case Op::rcp:
  case Op::sqrt: return 0.5;
  case Op::exp:
  case Op::exp2:
  case Op::log: return 1;
  case Op::log2:
  case Op::pow: return 1.25;
  case Op::expm1: return is_double ? 2 : 1.5;
  case Op::log1p: return 1.75;
  case Op::rsqrt:
  case Op::erf: return 1.5;
  case Op::sigmoid:
  case Op::tanh: return is_double ? 2.75 : 2.5;
  case Op::erfc: return 3.25;
  case Op::sin:
  case Op::cos: return is_double ? 1 : 1.75;
  default: return 0;
  }
}

} // namespace swage::ir
