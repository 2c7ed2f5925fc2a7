// sweep_totals.hpp -- what comparing found about one output, over all launches of a sweep.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/verify/compare.hpp"

namespace swage::verify {

/// The worst element of one launch.
struct SweptElement {
  ShownElement element;
  bool wrong = false;
};

/// One output over all launches.
struct SweptOutput {
  std::size_t param = 0;
  double limit = 0; ///< ulp
  std::int64_t checked = 0;
  double max_error = 0;
  std::int64_t misrounded = 0, admitted = 0, wrong = 0;
  std::array<std::int64_t, kReasonCount> admitted_by{}; ///< by Reason
  ErrorHistogram histogram{};
  std::vector<SweptElement> worst{}; ///< wrong ones first, then by error
  std::optional<ShownElement> worst_admitted{};
};

/// Adds what one launch showed to what those before it did, and keeps the `keep` worst elements.
void add(SweptOutput& total, OutputComparison&& found, std::size_t keep);

} // namespace swage::verify
