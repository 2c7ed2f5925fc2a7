// ties.hpp -- which values lie halfway between two numbers of bf16 by accident only.
#pragma once

#include <vector>

#include "ir/accuracy.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// By node, for a kernel in `accurate` mode: whether the exact value is never a tie of bf16, so
/// that one that is computed says nothing and may be rounded either way. Such are products that
/// hold a sigmoid at half accuracy, which is transcendental or one of 0, 1/2 and 1, and
/// - at most one number of bf16, which is no tie times these either, or
/// - anything, where the sigmoid is in `never_exact`: it is computed as none of these.
/// Factors fma(x, 1 - sigmoid(x), 1), of the derivative of silu, count for nothing: they are 1
/// where the sigmoid is exact. Results of bf16's subnormal numbers are not meant.
std::vector<bool> accidental_ties(const ir::Kernel& kernel,
                                  const std::vector<ir::Accuracy>& accuracies,
                                  const std::vector<bool>& never_exact);

} // namespace swage::codegen
