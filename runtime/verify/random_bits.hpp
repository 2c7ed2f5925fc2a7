// random_bits.hpp -- random numbers by counter: any of them without those before it.
#pragma once

#include <cstdint>

namespace swage::verify {

/// What splitmix64 adds from one number to the next.
inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

/// Its mixing of a counter to random bits.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

} // namespace swage::verify
