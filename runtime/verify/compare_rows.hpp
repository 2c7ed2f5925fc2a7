// compare_rows.hpp -- results of a kernel that reaches along its rows, against the evaluator.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/verify/compare.hpp"

namespace swage::verify {

/// Elements that are evaluated at a time: every value of every operation is kept.
inline constexpr std::int64_t kMostRowElements = std::int64_t{1} << 18;

/// As `compare`, on whole rows, evenly spaced. Where terms cancel, results are many ulp off the
/// exact ones: those within four times what the stated errors of the operations make of them, put
/// in at random, are admitted. Refuses CompareOptions::where.
std::vector<OutputComparison> compare_rows(const ir::Kernel& kernel, const Operands& operands,
                                           const Shape& shape, const CompareOptions& options);

} // namespace swage::verify
