// bytes.hpp -- little-endian integers and length-prefixed strings, written and read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace swage::store {

/// Appends to a string. Every integer is little-endian on every machine.
class ByteWriter {
public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { integer(value, 1); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void bytes(std::string_view value) { out_.append(value); }
  /// The length as 64 bits, then the bytes.
  void string(std::string_view value) {
    u64(value.size());
    bytes(value);
  }

private:
  void integer(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i)
      out_.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
  }
  std::string& out_;
};

/// Reads what ByteWriter wrote. Running past the end makes every later read give zero or nothing
/// and ok() false, so a parser checks once at its end; views point into the input.
class ByteReader {
public:
  explicit ByteReader(std::string_view data) : rest_(data) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  std::string_view bytes(std::uint64_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return taken;
  }
  std::string_view string() { return bytes(u64()); }

private:
  std::uint64_t integer(int count) {
    std::uint64_t value = 0;
    const auto taken = bytes(static_cast<std::uint64_t>(count));
    for (std::size_t i = 0; i < taken.size(); ++i)
      value |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

} // namespace swage::store
