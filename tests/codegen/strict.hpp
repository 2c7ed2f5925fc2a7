// strict.hpp -- evaluates one element with every operation rounded to its compute type: the bits
// that compiled code owes wherever it uses IEEE operations alone.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen::test {

/// `bits[p]` is the storage of parameter p on entry. Returns storage bits, one per store. For
/// kernels of operations that ir::eval::is_exactly_rounded admits, and rsqrt.
std::vector<std::uint64_t> evaluate_strictly(const ir::Kernel& kernel,
                                             const std::vector<std::uint64_t>& bits);

/// Equal, or both NaN where `type` is a float.
bool same_bits(DType type, std::uint64_t a, std::uint64_t b);

/// Whether every value of `kernel` is owed full accuracy.
bool owes_full_accuracy(const ir::Kernel& kernel);

/// Every operation whose result IEEE 754 or integer arithmetic defines to the bit, NaN for NaN.
std::vector<ir::Op> exact_ops();

} // namespace swage::codegen::test
