// statistics.hpp -- the statistics that tuning decides by.
#pragma once

#include <algorithm>
#include <span>

namespace swage::base {

/// The median, and the distance between the quartiles over it, which half of all samples fall into
/// whatever their distribution.
struct Summary {
  double median = 0;
  double low = 0, high = 0; ///< quartiles
  int count = 0;
  double spread() const noexcept { return median > 0 ? (high - low) / median : 0; }
};
Summary summarise(std::span<const double> samples);

/// Which middle of samples decides. A GPU's launches that wait behind each other may settle in a
/// fast or a slow order, from sample to sample, and a program pays the mean of both; a CPU's are
/// interrupted, and such a one must not decide.
enum class Middle { median, mean };

struct Estimate {
  double middle = 0;
  double error = 0; ///< its standard error
};
/// The median, or the mean without the tenth part at either end, and from five on without one.
Estimate estimate_of(std::span<const double> samples, Middle middle);

/// How much faster `candidate` is than `base`, each sample against the one taken beside it, so that
/// a clock which drifts moves both: gain 0.1 is ten percent less time.
struct Gain {
  double middle = 0;
  double noise = 0; ///< twice the standard error of `middle`
  /// Beyond the noise, and beyond what is worth a change.
  bool is_real() const noexcept { return middle > noise && middle > kWorthIt; }
  /// Whether this is a loss that the gain `elsewhere` does not pay for: more than a quarter of it,
  /// or nearly the hundredth that tuning promises never to cost. Below `kUnnoticed` it is noise.
  bool is_loss_beside(const Gain& elsewhere) const noexcept { return loses(middle, elsewhere); }
  /// The same, if noise alone does not make it one: four standard errors, for of three samples two
  /// are often too few.
  bool is_sure_loss_beside(const Gain& elsewhere) const noexcept {
    return loses(middle + 2 * noise, elsewhere);
  }
  static constexpr double kWorthIt = 0.005, kUnnoticed = 0.003, kNoticed = 0.009;

private:
  static bool loses(double gained, const Gain& elsewhere) noexcept {
    return -gained > std::clamp(elsewhere.middle / 4, kUnnoticed, kNoticed);
  }
};
/// `base` and `candidate` are of equal length, sample by sample taken together.
Gain gain_of(std::span<const double> base, std::span<const double> candidate, Middle middle);

} // namespace swage::base
