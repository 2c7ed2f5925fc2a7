// e2m1.hpp -- floats of four bits by their definition, a table that is searched, and elements in
// memory that may share a byte. Written apart from the product, for tests to hold it to.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ir/number.hpp"
#include "swage/dtype.hpp"

namespace swage::test {

/// The numbers of codes 0 to 7; those of 8 to 15 are their negatives.
inline constexpr double kE2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

/// The nearest code of `value`, of two the even one.
inline unsigned e2m1_code(double value) {
  if (std::isnan(value))
    return 7;
  const double size = std::fabs(value);
  unsigned nearest = 0;
  for (unsigned code = 1; code < 8; ++code) {
    const double far = std::fabs(size - kE2m1[code]), before = std::fabs(size - kE2m1[nearest]);
    if (far < before || (far == before && code % 2 == 0))
      nearest = code;
  }
  if (size > 6)
    nearest = 7;
  return nearest | (std::signbit(value) ? 8u : 0u);
}

/// The bits of element `index` from `base` on, of two to a byte the even one in the lower half.
inline std::uint64_t load_element(DType type, const std::byte* base, std::int64_t index) {
  if (type != f4e2m1)
    return ir::load_bits(type, base + index * size_of(type));
  const auto byte = static_cast<unsigned>(base[index / 2]);
  return index % 2 == 0 ? byte & 15 : byte >> 4;
}

inline void store_element(DType type, std::byte* base, std::int64_t index, std::uint64_t bits) {
  if (type != f4e2m1)
    return ir::store_bits(type, base + index * size_of(type), bits);
  std::byte& byte = base[index / 2];
  const auto code = static_cast<std::byte>(bits & 15);
  byte = index % 2 == 0 ? (byte & std::byte{0xf0}) | code : (byte & std::byte{15}) | code << 4;
}

} // namespace swage::test
