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

} // namespace

double round_to_odd(std::string_view text, double nearest) {
  // Below these bits every type narrower than f64 has its last one, and the bit after that.
  constexpr std::uint64_t kNeverHalfway = (std::uint64_t{1} << 28) - 1;
  if ((std::bit_cast<std::uint64_t>(nearest) & kNeverHalfway) != 0 || nearest == 0 ||
      !std::isfinite(nearest))
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

} // namespace swage::ir
