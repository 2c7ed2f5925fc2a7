// evaluate_rows.hpp -- the reference evaluator for kernels that reach along rows: whole calls of
// rows x columns, node by node. For tests and comparisons; memory is one value a node and element.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/kernel.hpp"
#include "ir/number.hpp"

namespace swage::ir {

/// How `evaluate_rows` computes.
enum class Arithmetic : std::uint8_t {
  /// As `Evaluator` does: floats in double precision (long double in kernels that hold f64), sums
  /// included. The oracle of accuracy.
  exact,
  /// Every operation in its compute type, sums in the order of the language. For operations that
  /// IEEE 754 defines these are the bits of every device; other functions are rounded once from the
  /// next wider type, which is within their bounds.
  machine,
  /// As `machine`, but each result is off by up to the error that docs/numbers.md states for it, at
  /// random. Several such runs show how far the results of a right device may lie.
  perturbed,
};

struct CallSize {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

/// Values that a parameter of this space has in a call: rows * columns of element, one of tensor.
/// Throws Error(invalid_argument) with both numbers where groups do not divide the columns, or the
/// rows.
std::int64_t values_of(Space space, CallSize size);

/// The values of a call. `arguments[p]` holds those of parameter p on entry, `values_of` its space
/// of them, by row and then by column or group (empty for `out`). Returns the values of
/// `kernel.stores()[i]` before the rounding at the store, as many as its parameter takes. Throws
/// Error(invalid_argument) for a maximum over no columns, and where a size does not fit.
/// Rows that the kernel skips, and those that `left_out`, unless empty, names by row, are as if
/// their terms of sums over rows were 0, and groups of rows are made of the others alone; their own
/// values, and those of groups that are left out as a whole, mean nothing.
std::vector<std::vector<Scalar>> evaluate_rows(const Kernel& kernel, CallSize size,
                                               std::span<const std::vector<Scalar>> arguments,
                                               Arithmetic arithmetic, std::uint64_t seed = 0,
                                               const std::vector<bool>& left_out = {});

/// By row: whether the kernel skips it. Empty where it skips none.
std::vector<bool> skipped_rows(const Kernel& kernel, CallSize size,
                               std::span<const std::vector<Scalar>> arguments);

} // namespace swage::ir
