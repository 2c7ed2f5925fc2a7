// admissible.hpp -- the results that rounding allows a kernel to give for one element.
//
// An error of a few ulp of the result is the wrong measure in two places: where terms cancel
// (1 + gate * (1 - s) has a root, and near it every relative error is possible), and where a value
// within a function's error of a tie meets a rounding point (T(silu(gate)) may legally go either
// way). Both are decided by following the intervals that the values may lie in through the graph.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// Values that one node may legally have: all from low to high, and NaN where `nan` is set.
struct ValueRange {
  ir::Scalar low, high;
  bool ordered = false; ///< low and high hold; else NaN alone is possible
  bool nan = false;
};

/// Follows one element's intervals through a kernel: each operation is evaluated exactly at the
/// ends of its operands' ranges and widened by the error bound that docs/numbers.md states for it.
/// Immutable after construction; `check` may be called from many threads.
class AdmissibleResults {
public:
  explicit AdmissibleResults(const ir::Kernel& kernel);

  /// Whether store `store` of the kernel may hold `got` (bits of its parameter's type) when the
  /// parameters hold `arguments` on entry (bits, by parameter; those of `out` are ignored).
  bool check(std::size_t store, std::uint64_t got, std::span<const std::uint64_t> arguments) const;

private:
  std::vector<ValueRange> ranges(std::span<const std::uint64_t> arguments) const;
  ValueRange evaluate(ir::NodeId id, std::span<const ValueRange> known,
                      ir::Evaluator::Workspace& workspace) const;

  ir::Kernel kernel_;
  std::vector<std::optional<ir::Evaluator>>
      single_;                     ///< by node that computes: that operation alone
  std::vector<double> bound_ulps_; ///< by node: error bound in ulp of its compute type
};

} // namespace swage::cli
