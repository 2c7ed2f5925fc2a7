// clock.hpp -- time that passes on the host.
#pragma once

#include <chrono>

namespace swage::base {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

} // namespace swage::base
