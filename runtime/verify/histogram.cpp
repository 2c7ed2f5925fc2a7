// histogram.cpp -- how many results are how many ulp off.
#include "runtime/verify/histogram.hpp"

#include <numeric>

#include <fmt/format.h>

namespace swage::verify {

std::int64_t ErrorHistogram::total() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

std::string ErrorHistogram::label(std::size_t bucket) {
  if (bucket == 0)
    return "0";
  if (bucket + 1 == kBounds.size())
    return fmt::format("more than {:g}", kBounds[bucket - 1]);
  return fmt::format("{:g} to {:g}", kBounds[bucket - 1], kBounds[bucket]);
}

} // namespace swage::verify
