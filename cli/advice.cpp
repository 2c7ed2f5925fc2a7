// advice.cpp -- what a kernel computes that it had better not.
#include "cli/advice.hpp"

namespace swage::cli {

namespace {

using ir::NodeId;
using ir::Op;

/// The node itself, past casts and what scales or negates it by a constant.
NodeId core(const ir::Kernel& kernel, NodeId id) {
  for (;;) {
    const ir::Node& node = kernel.node(id);
    const auto is_constant = [&](std::size_t i) {
      return kernel.node(node.args[i]).op == Op::constant;
    };
    if (node.op == Op::cast || node.op == Op::neg)
      id = node.args[0];
    else if (node.op == Op::mul && (is_constant(0) || is_constant(1)))
      id = node.args[is_constant(0) ? 1 : 0];
    else
      return id;
  }
}

bool is_exponential(const ir::Kernel& kernel, NodeId id) {
  const ir::Node& node = kernel.node(core(kernel, id));
  if (node.op == Op::rcp ||
      (node.op == Op::div && kernel.node(node.args[0]).op == Op::constant)) // 1 / exp(x)
    return is_exponential(kernel, node.args[node.op == Op::rcp ? 0 : 1]);
  return node.op == Op::exp || node.op == Op::exp2;
}

/// A constant plus an exponential, which overflows where its reciprocal is still far from all that
/// matters: the gradient is then 0 times infinity.
bool is_logistic_sum(const ir::Kernel& kernel, NodeId id) {
  const ir::Node& node = kernel.node(core(kernel, id));
  const auto is_constant = [&](std::size_t i) {
    return kernel.node(core(kernel, node.args[i])).op == Op::constant;
  };
  switch (node.op) {
  case Op::add:
    return (is_constant(0) && is_exponential(kernel, node.args[1])) ||
           (is_constant(1) && is_exponential(kernel, node.args[0]));
  case Op::fma:
    return is_constant(2) &&
           (is_exponential(kernel, node.args[0]) || is_exponential(kernel, node.args[1]));
  default: return false;
  }
}

} // namespace

std::vector<std::string> advice(const ir::Kernel& kernel) {
  // The other modes' promise is the formula as it is written.
  if (kernel.math() != ir::MathMode::accurate && kernel.math() != ir::MathMode::fast)
    return {};
  for (const ir::Node& node : kernel.nodes()) {
    const bool divides = is_float(node.type) && (node.op == Op::div || node.op == Op::rcp);
    const bool by_power = is_float(node.type) && node.op == Op::pow &&
                          kernel.node(node.args[1]).op == Op::constant &&
                          kernel.node(node.args[1]).real() < 0;
    if ((divides && is_logistic_sum(kernel, node.args[node.op == Op::div ? 1 : 0])) ||
        (by_power && is_logistic_sum(kernel, node.args[0])))
      return {"divides by a sum with an exponential, which overflows, and a gradient of it is NaN "
              "there; write sigmoid(x), which is 1 / (1 + exp(-x)) without that"};
  }
  return {};
}

} // namespace swage::cli
