// histogram.hpp -- how many results are how many ulp off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace swage::verify {

/// Errors counted by size. Buckets are close together around half an ulp, where it shows how much
/// a kernel adds to the rounding at its store.
class ErrorHistogram {
public:
  /// Upper bounds of the buckets, inclusive; the last one takes NaN and infinity mismatches too.
  static constexpr std::array<double, 15> kBounds = {
      0, 0.25, 0.5, 0.501, 0.505, 0.51, 0.6, 0.75, 1, 2, 4, 16, 256, 65536, __builtin_inf()};

  void add(double error) noexcept { ++counts_[bucket(error)]; }
  void merge(const ErrorHistogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
  }
  std::int64_t count(std::size_t bucket) const noexcept { return counts_[bucket]; }
  std::int64_t total() const noexcept;

  /// "0", "0 to 0.25", "more than 65536".
  static std::string label(std::size_t bucket);

private:
  static std::size_t bucket(double error) noexcept {
    std::size_t i = 0;
    while (i + 1 < kBounds.size() && !(error <= kBounds[i]))
      ++i;
    return i;
  }
  std::array<std::int64_t, kBounds.size()> counts_{};
};

} // namespace swage::verify
