// derivative_rules.cpp -- parses the derivative columns of the op table, once.
#include "ir/derivative_rules.hpp"

#include <array>
#include <memory>
#include <string>

#include "ir/source.hpp"

namespace swage::ir {

namespace {

using Rules = std::array<std::array<std::unique_ptr<const Kernel>, 3>, kOpCount>;

std::unique_ptr<const Kernel> parse_rule(const OpInfo& op, std::size_t operand, DType type) {
  if (op.derivative[operand].empty())
    return nullptr;
  const std::string t(name_of(type));
  const std::string condition = op.op == Op::select ? "bool" : t;
  const std::string source = "kernel rule<T>(a: in " + condition + ", b: in " + t + ", c: in " + t +
                             ", r: in " + t + ", d: in " + t + ", g: out " + t +
                             ") { g = " + std::string(op.derivative[operand]) + "; }";
  return std::make_unique<const Kernel>(parse_kernel({source, op.id}, "rule", {{"T", type}}));
}

Rules parse_rules(DType type) {
  Rules rules;
  for (int i = 0; i < kOpCount; ++i)
    for (std::size_t operand = 0; operand < 3; ++operand)
      if (const OpInfo& op = info(static_cast<Op>(i)); op.rule != TypeRule::cast)
        rules[static_cast<std::size_t>(i)][operand] = parse_rule(op, operand, type);
  return rules;
}

} // namespace

const Kernel* derivative_rule(Op op, int operand, DType type) {
  static const Rules single = parse_rules(DType::f32);
  static const Rules wide = parse_rules(DType::f64);
  const Rules& rules = type == DType::f64 ? wide : single;
  return rules[static_cast<std::size_t>(op)][static_cast<std::size_t>(operand)].get();
}

} // namespace swage::ir
