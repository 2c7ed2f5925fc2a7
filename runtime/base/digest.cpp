// digest.cpp -- 128 bits that stand for a text.
#include "runtime/base/digest.hpp"

#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

namespace swage::base {

Digest checksum(std::string_view bytes) noexcept {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Digest digest;
  static_assert(sizeof canonical.digest == sizeof(Digest));
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

std::string to_hex(const Digest& digest) {
  std::string text;
  for (const auto byte : digest)
    text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<Digest> digest_from_hex(std::string_view text) noexcept {
  Digest digest{};
  if (text.size() != 2 * digest.size())
    return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto value = digits.find(text[i]);
    if (value == std::string_view::npos)
      return std::nullopt;
    digest[i / 2] = static_cast<std::uint8_t>(digest[i / 2] << 4 | value);
  }
  return digest;
}

} // namespace swage::base
