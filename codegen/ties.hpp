// ties.hpp -- where values go that lie halfway between two numbers of bf16.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/accuracy.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

enum class Ties : std::uint8_t { to_even, away_from_zero, towards_zero };

/// By node, for a kernel in `accurate` mode: where its ties go. To even, but where the exact value
/// is never a tie, so that one that is computed is one by accident. Such are products that hold a
/// sigmoid at half accuracy, which is transcendental or one of 0, 1/2 and 1, and
/// - at most one number of bf16, which is no tie times these either, or anything, where the sigmoid
///   is in `never_exact`, as it is computed as none of these: away from zero;
/// - any numbers, its argument among them, which is 0 at 0 and an exact tie nowhere else: towards
///   zero, which is right where a sigmoid just below 1 is computed as 1.
/// Factors fma(x, 1 - sigmoid(x), 1), of the derivative of silu, count for nothing: they are 1
/// where the sigmoid is exact. Results of bf16's subnormal numbers are not meant.
std::vector<Ties> ties(const ir::Kernel& kernel, const std::vector<ir::Accuracy>& accuracies,
                       const std::vector<bool>& never_exact);

} // namespace swage::codegen
