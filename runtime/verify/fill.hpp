// fill.hpp -- reproducible random values for a kernel's inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "swage/dtype.hpp"

namespace swage::verify {

struct FillOptions {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0; ///< the parameter's index: each gets values of its own
  bool specials = false; ///< about one element in 32 is a zero, infinity, NaN, subnormal or bound
};

/// Fills `bytes`, elements of `type`, on all cores. Element i depends on seed, stream, type and i
/// alone. Floats are near normal, mean 0 and deviation 1, within 3.5 (the sum of four uniform
/// numbers); signed integers are uniform in [-8, 8), unsigned in [0, 16), bool even.
void fill_random(DType type, std::span<std::byte> bytes, const FillOptions& options);

} // namespace swage::verify
