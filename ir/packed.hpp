// packed.hpp -- elements of four bits in memory, two to a byte, the even one in the lower half; and
// one to a byte, as the evaluator has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace swage::ir {

/// `codes.size()` elements, an even number, from half as many bytes.
inline void unpack(std::span<const std::byte> packed, std::span<std::byte> codes) noexcept {
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = (i % 2 == 0 ? packed[i / 2] : packed[i / 2] >> 4) & std::byte{15};
}

/// The reverse; above its lower half nothing of a code counts.
inline void pack(std::span<const std::byte> codes, std::span<std::byte> packed) noexcept {
  for (std::size_t i = 0; i < packed.size(); ++i)
    packed[i] = (codes[2 * i] & std::byte{15}) | codes[2 * i + 1] << 4;
}

} // namespace swage::ir
