// derivative_rules.hpp -- the derivatives of the op table as graphs.
#pragma once

#include <cstdint>

#include "ir/kernel.hpp"

namespace swage::ir {

/// Parameters of a rule, in order; see ops.def.
enum RuleParam : std::uint32_t { kRuleA, kRuleB, kRuleC, kRuleR, kRuleD };

/// The derivative of `op` with respect to operand `operand`, on floats of compute type `type`, as a
/// kernel over the operands a, b, c, the result r and the incoming gradient d, with one output;
/// null where that operand gets no gradient. Made once; lives as long as the process.
const Kernel* derivative_rule(Op op, int operand, DType type);

} // namespace swage::ir
