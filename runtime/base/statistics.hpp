// statistics.hpp -- the statistics that tuning decides by.
#pragma once

#include <algorithm>
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
  /// Whether this is a loss that the gain `elsewhere` does not pay for: more than a quarter of it,
  /// or nearly the hundredth that tuning promises never to cost. Below `kUnnoticed` it is noise.
  bool is_loss_beside(const Gain& elsewhere) const noexcept {
    return -median > std::clamp(elsewhere.median / 4, kUnnoticed, kNoticed);
  }
  static constexpr double kWorthIt = 0.005, kUnnoticed = 0.003, kNoticed = 0.009;
};
/// `base` and `candidate` are of equal length, sample by sample taken together.
Gain gain_of(std::span<const double> base, std::span<const double> candidate);

} // namespace swage::base
