// units.cpp -- numbers as people read them: bytes, seconds, bytes per second.
#include "cli/units.hpp"

#include <cmath>
#include <span>

#include <fmt/format.h>

#include "ir/number.hpp"

namespace swage::cli {

namespace {

/// Three significant digits, or all digits before the point when there are more.
std::string three_digits(double value) {
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string scaled(double value, double step, std::span<const char* const> units) {
  std::size_t unit = 0;
  while (value >= step * 0.9995 && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} {}", value, units[0])
                   : fmt::format("{} {}", three_digits(value), units[unit]);
}

/// Decimal digits that tell every two values of a float type apart.
int digits_of(DType type) {
  switch (type) {
  case DType::f64: return 17;
  case DType::f32: return 9;
  case DType::f16: return 5;
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz: return 3;
  case DType::f4e2m1: return 2;
  default: return 4;
  }
}

} // namespace

std::string format_bytes(std::int64_t bytes) {
  static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  return scaled(static_cast<double>(bytes), 1000, units);
}

std::string format_memory(std::int64_t bytes) {
  static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  return scaled(static_cast<double>(bytes), 1024, units);
}

std::string format_seconds(double seconds) {
  if (seconds < 1e-3)
    return fmt::format("{:.2f} us", seconds * 1e6);
  if (seconds < 1)
    return fmt::format("{:.3f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string format_rate(double bytes_per_second) {
  if (!(bytes_per_second > 0))
    return "-";
  return fmt::format("{} GB/s", three_digits(bytes_per_second * 1e-9));
}

std::string format_count(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  const int sign = count < 0 ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > sign; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ' ');
  return digits;
}

std::string format_number(double value, int digits) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  return fmt::format("{:.{}f}", value, digits);
}

std::string format_value(DType type, std::uint64_t bits) {
  const ir::Scalar value = ir::decode(type, bits);
  if (type == DType::boolean)
    return value.integer != 0 ? "true" : "false";
  if (is_integer(type))
    return fmt::format("{}", value.integer);
  if (std::isnan(value.real)) // its sign means nothing
    return "nan";
  return fmt::format("{:.{}g}", static_cast<double>(value.real), digits_of(type));
}

} // namespace swage::cli
