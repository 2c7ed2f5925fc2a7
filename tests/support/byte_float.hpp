// byte_float.hpp -- floats of one byte by their definitions: a table of numbers, and a search in it
// for the nearest. Written apart from the product, for tests to hold it to.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "swage/dtype.hpp"

namespace swage::test {

inline constexpr DType kByteFloats[] = {f8e4m3, f8e5m2, f8e4m3fnuz, f8e5m2fnuz, e8m0};

/// The number with code `code`.
inline double byte_number(DType type, unsigned code) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (type == e8m0)
    return code == 255 ? nan : std::ldexp(1.0, static_cast<int>(code) - 127);
  const bool e4m3 = type == f8e4m3 || type == f8e4m3fnuz;
  const bool fnuz = type == f8e4m3fnuz || type == f8e5m2fnuz;
  const int fraction_bits = e4m3 ? 3 : 2;
  const int bias = (e4m3 ? 7 : 15) + (fnuz ? 1 : 0);
  const unsigned size = code & 127;
  const int field = static_cast<int>(size >> fraction_bits);
  const double fraction = size & ((1u << fraction_bits) - 1);
  if (fnuz && code == 128)
    return nan;
  if (type == f8e4m3 && size == 127)
    return nan;
  const double sign = code >= 128 ? -1 : 1;
  if (type == f8e5m2 && field == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : nan;
  const double unit = std::ldexp(1.0, -fraction_bits);
  return sign * (field == 0 ? std::ldexp(fraction * unit, 1 - bias)
                            : std::ldexp(1 + fraction * unit, field - bias));
}

/// Rounds to a type by search.
class ByteRounding {
public:
  explicit ByteRounding(DType type) : type_(type) {
    for (unsigned code = 0; code < (type == e8m0 ? 255u : 128u); ++code)
      if (std::isfinite(byte_number(type, code)))
        numbers_.push_back(byte_number(type, code));
  }

  double largest() const { return numbers_.back(); }

  /// The code of `value`; beyond the range infinity or NaN, or with `saturate` the largest number.
  unsigned operator()(double value, bool saturate = false) const {
    const unsigned nan = type_ == e8m0 ? 255 : type_ == f8e4m3 || type_ == f8e5m2 ? 127 : 128;
    const bool power = type_ == e8m0, fnuz = nan == 128;
    if (std::isnan(value) || (power && value < 0))
      return nan;
    const unsigned sign = std::signbit(value) && !power ? 128 : 0;
    const double size = std::fabs(value);
    if (saturate && size > largest())
      return sign | static_cast<unsigned>(numbers_.size() - 1);
    // The first number that is not there counts as one: rounding there is overflow.
    const double step = numbers_.back() - numbers_[numbers_.size() - 2];
    const double beyond = power ? 2 * largest() : largest() + step;
    unsigned low = 0,
             high = static_cast<unsigned>(numbers_.size()); // number(low) <= size < number(high)
    if (size < numbers_[0])
      return 0; // of powers of two
    if (size >= beyond)
      return overflow(sign, nan);
    while (high - low > 1) {
      const unsigned middle = (low + high) / 2;
      (numbers_[middle] <= size ? low : high) = middle;
    }
    const double above = high < numbers_.size() ? numbers_[high] : beyond;
    const double under = size - numbers_[low], over = above - size;
    if (over < under || (over == under && (power || low % 2 == 1)))
      low = high;
    if (low == numbers_.size())
      return overflow(sign, nan);
    return low == 0 && fnuz ? 0 : sign | low;
  }

private:
  unsigned overflow(unsigned sign, unsigned nan) const {
    return type_ == f8e5m2 ? sign | 124 : nan;
  }

  DType type_;
  std::vector<double> numbers_; ///< that are not negative, by code
};

/// The value of 16 or 32 bits. Whatever the thread has set: no subnormal is converted.
inline double value_of_bits(DType type, std::uint32_t bits) {
  const int fraction_bits = type == f16 ? 10 : 23, top = type == f16 ? 31 : 255;
  if (type == bf16)
    bits <<= 16;
  const int field = static_cast<int>(bits >> fraction_bits) & top;
  const double fraction = std::ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits);
  const double sign = bits >> (type == f16 ? 15 : 31) != 0 ? -1 : 1;
  const int bias = top / 2;
  if (field == top)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  return sign *
         (field == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, field - bias));
}

} // namespace swage::test
