// statistics.hpp -- the statistics that tuning decides by.
#pragma once

#include <span>

namespace swage::base {

/// The median, because one interrupted launch must not decide, and the distance between the
/// quartiles over it, which half of all samples fall into whatever their distribution.
struct Summary {
  double median = 0;
  double low = 0, high = 0; ///< quartiles
  int count = 0;
  double spread() const noexcept { return median > 0 ? (high - low) / median : 0; }
};
Summary summarise(std::span<const double> samples);

/// How much faster `candidate` is than `base`, each sample against the one taken beside it, so that
/// a clock which drifts moves both: gain 0.1 is ten percent less time.
struct Gain {
  double median = 0;
  double noise = 0; ///< twice the standard error of `median`
  /// Beyond the noise, and beyond what is worth a change.
  bool is_real() const noexcept { return median > noise && median > kWorthIt; }
  /// A loss that would be noticed: nearly the hundredth that tuning promises never to cost.
  bool is_loss() const noexcept { return median < -0.009; }
  static constexpr double kWorthIt = 0.005;
};
/// `base` and `candidate` are of equal length, sample by sample taken together.
Gain gain_of(std::span<const double> base, std::span<const double> candidate);

} // namespace swage::base
