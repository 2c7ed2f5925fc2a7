// compare.hpp -- a kernel's results against the evaluator, element by element.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/kernel.hpp"
#include "ir/number.hpp"
#include "runtime/verify/admissible.hpp"
#include "runtime/verify/histogram.hpp"
#include "runtime/verify/operands.hpp"
#include "swage/dtype.hpp"

namespace swage::verify {

struct CompareOptions {
  /// Elements compared at most: all of a smaller tensor; of a larger one blocks of 256 neighbours,
  /// evenly spaced, the first and the last among them.
  std::int64_t sample = std::int64_t{1} << 24;
  /// An element is right if it is correctly rounded (of f32 and f64: within 2 ulp) or if the stated
  /// error bounds of its operations allow it (see admissible.hpp); beyond this many ulp it is then
  /// counted as admitted. Given by the user, it is a hard limit. Integers and bool are right when
  /// equal.
  std::optional<double> max_ulp{};
  /// Compares only elements for which this kernel's one output, a bool, is true. It reads
  /// parameters of the kernel by name. Null: all elements.
  const ir::Kernel* where = nullptr;
  bool histogram = false; ///< count every error in OutputComparison::histogram
};

/// The limit where none is given: 1 ulp for 16-bit floats, where half an ulp is the rounding at the
/// store and the rest slack for results next to a tie; 16 ulp for f32 and f64, a few functions of
/// up to 3 ulp each; 0 for integers and bool.
double default_max_ulp(DType type) noexcept;

/// An element worth showing.
struct ShownElement {
  std::int64_t index = 0;            ///< row-major
  std::vector<std::uint64_t> inputs; ///< bits by parameter; 0 for `out`
  std::uint64_t got = 0;
  std::uint64_t expected = 0; ///< correctly rounded
  ir::Scalar exact;           ///< before rounding
  double error = 0;           ///< ulp
};

/// What was found about one output.
struct OutputComparison {
  std::size_t param = 0;
  double limit = 0;            ///< ulp
  std::int64_t checked = 0;    ///< elements
  double max_plain_error = 0;  ///< ulp, over all that were not admitted
  double max_error = 0;        ///< ulp, over all checked; infinity where only one is NaN
  std::int64_t misrounded = 0; ///< off the correctly rounded value
  std::int64_t admitted = 0;   ///< beyond the limit, within the stated bounds
  std::array<std::int64_t, kReasonCount> admitted_by{}; ///< the same by Reason
  std::int64_t wrong = 0;                               ///< beyond the stated bounds
  ErrorHistogram histogram{};                           ///< of all checked, where it was asked for
  std::optional<ShownElement> worst{}; ///< among the wrong, if any are; else of all
  std::optional<ShownElement> worst_admitted{};
};

/// Compares what `operands` holds as results, for calls of shape `shape`, on all cores.
std::vector<OutputComparison> compare(const ir::Kernel& kernel, const Operands& operands,
                                      const Shape& shape, const CompareOptions& options);

} // namespace swage::verify
