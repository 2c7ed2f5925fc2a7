// decimal.cpp -- numbers as they are written, compared with the double that is nearest.
#include "ir/decimal.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace swage::ir {

namespace {

/// 0.DIGITS times ten to the exponent, without zeros in front or behind.
struct Decimal {
  std::string digits;
  std::int64_t exponent = 0;
};

Decimal decimal_of(std::string_view text) {
  Decimal result;
  const std::size_t end = std::min(text.find_first_of("eE"), text.size());
  bool after_point = false;
  for (const char c : text.substr(0, end)) {
    if (c == '.') {
      after_point = true;
      continue;
    }
    if (result.digits.empty() && c == '0') {
      result.exponent -= after_point ? 1 : 0;
      continue;
    }
    result.digits += c;
    result.exponent += after_point ? 0 : 1;
  }
  result.digits.erase(result.digits.find_last_not_of('0') + 1);
  if (end < text.size()) {
    std::string_view exponent = text.substr(end + 1);
    exponent.remove_prefix(exponent.starts_with('+') ? 1 : 0);
    std::int64_t value = 0;
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), value);
    result.exponent += value;
  }
  return result;
}

/// Whether a type narrower than f64 could end halfway, where what lies beside `nearest` tells.
bool could_be_halfway(double nearest) {
  // Below these bits every such type has its last one, and the bit after that.
  constexpr std::uint64_t kNeverHalfway = (std::uint64_t{1} << 28) - 1;
  return (std::bit_cast<std::uint64_t>(nearest) & kNeverHalfway) == 0 && nearest != 0 &&
         std::isfinite(nearest);
}

} // namespace

double round_to_odd(std::string_view text, double nearest) {
  if (!could_be_halfway(nearest))
    return nearest;
  constexpr int kDigits = 767; // of which no double has more
  char exact[kDigits + 16];
  const auto written = std::to_chars(exact, exact + sizeof exact, nearest,
                                     std::chars_format::scientific, kDigits - 1);
  const Decimal wanted = decimal_of(text);
  const Decimal got = decimal_of({exact, written.ptr});
  const auto order = wanted.exponent != got.exponent ? wanted.exponent <=> got.exponent
                                                     : wanted.digits <=> got.digits;
  if (order == 0)
    return nearest;
  return std::nextafter(nearest, order > 0 ? std::numeric_limits<double>::infinity() : 0.0);
}

double round_hex_to_odd(std::string_view text, double nearest) {
  if (!could_be_halfway(nearest) || nearest < std::numeric_limits<double>::min())
    return nearest;
  std::uint64_t wanted = 0;
  bool is_longer = false; // by digits that are not 0
  for (const char c : text.substr(0, text.find_first_of("pP"))) {
    if (c == '.')
      continue;
    const auto digit = static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    if (wanted >> 60 != 0)
      is_longer |= digit != 0;
    else
      wanted = wanted << 4 | digit;
  }
  // Both with their leading one at the top.
  constexpr std::uint64_t kLeading = std::uint64_t{1} << 63;
  wanted <<= std::countl_zero(wanted);
  const std::uint64_t got = std::bit_cast<std::uint64_t>(nearest) << 11 | kLeading;
  if (wanted == got && !is_longer)
    return nearest;
  // What is nearest to 0x1.fff... is the next power of two.
  const bool is_more = wanted >= got && wanted - got < kLeading / 2;
  return std::nextafter(nearest, is_more ? std::numeric_limits<double>::infinity() : 0.0);
}

} // namespace swage::ir
