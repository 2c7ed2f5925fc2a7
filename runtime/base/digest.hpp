// digest.hpp -- 128 bits that stand for a text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace swage::base {

using Digest = std::array<std::uint8_t, 16>;

/// XXH3-128 in canonical byte order; no defence against people.
Digest checksum(std::string_view bytes) noexcept;

/// Lower case, 32 digits.
std::string to_hex(const Digest& digest);
std::optional<Digest> digest_from_hex(std::string_view text) noexcept;

} // namespace swage::base
