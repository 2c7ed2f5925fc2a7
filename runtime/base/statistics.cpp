// statistics.cpp -- the statistics that tuning decides by.
#include "runtime/base/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace swage::base {

namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

/// The error is that of Tukey and McLaughlin (Sankhya A 25, 1963): the deviation of the samples
/// with those that are left out moved to the nearest that is not, over the share that is kept.
/// Quartiles would not see a slow order that less than a quarter of the samples have.
Estimate trimmed_mean(std::span<const double> samples) {
  if (samples.empty())
    return {};
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t cut = std::max<std::size_t>(sorted.size() / 10, sorted.size() >= 5);
  const std::span<const double> kept = std::span(sorted).subspan(cut, sorted.size() - 2 * cut);
  const auto kept_count = static_cast<double>(kept.size());
  const double mean = std::accumulate(kept.begin(), kept.end(), 0.0) / kept_count;
  if (sorted.size() < 2)
    return {mean, 0};
  const auto count = static_cast<double>(sorted.size());
  for (double& sample : sorted)
    sample = std::clamp(sample, kept.front(), kept.back());
  const double middle = std::accumulate(sorted.begin(), sorted.end(), 0.0) / count;
  double squares = 0;
  for (const double sample : sorted)
    squares += (sample - middle) * (sample - middle);
  return {mean, std::sqrt(squares / (count - 1)) / (kept_count / count * std::sqrt(count))};
}

} // namespace

Summary summarise(std::span<const double> samples) {
  if (samples.empty())
    return {};
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  return {quantile(sorted, 0.5), quantile(sorted, 0.25), quantile(sorted, 0.75),
          static_cast<int>(sorted.size())};
}

Estimate estimate_of(std::span<const double> samples, Middle middle) {
  if (middle == Middle::mean || samples.empty())
    return trimmed_mean(samples);
  const Summary summary = summarise(samples);
  // Of normal samples the standard error of the median is 0.93 times the distance between the
  // quartiles over the root of their number (1.2533 standard deviations, of which that distance is
  // 1.349).
  return {summary.median,
          0.93 * (summary.high - summary.low) / std::sqrt(static_cast<double>(summary.count))};
}

Gain gain_of(std::span<const double> base, std::span<const double> candidate, Middle middle) {
  std::vector<double> gains;
  for (std::size_t i = 0; i < std::min(base.size(), candidate.size()); ++i)
    gains.push_back(1 - candidate[i] / base[i]);
  const Estimate gain = estimate_of(gains, middle);
  return {gain.middle, 2 * gain.error};
}

} // namespace swage::base
