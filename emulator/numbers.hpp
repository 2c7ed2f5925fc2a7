// numbers.hpp -- the float formats of PTX, rounded exactly as the ISA says.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace swage::emulator {

enum class Rounding : std::uint8_t {
  nearest_even,
  toward_zero,
  toward_minus,
  toward_plus,
  nearest_away,
};

/// Rounds `value` to the binary format with that many mantissa and exponent bits. NaN gives the
/// canonical NaN of PTX: sign clear, all other bits set.
inline std::uint32_t narrow(double value, int mantissa_bits, int exponent_bits, Rounding rounding) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 63)
                             << (mantissa_bits + exponent_bits);
  const std::uint32_t infinity = ((1U << exponent_bits) - 1) << mantissa_bits;
  if (std::isnan(value))
    return infinity | ((1U << mantissa_bits) - 1);
  if (std::isinf(value))
    return sign | infinity;
  const auto biased = static_cast<int>(bits >> 52 & 0x7ff);
  std::uint64_t significand = bits & ((1ULL << 52) - 1);
  significand |= biased != 0 ? 1ULL << 52 : 0;
  const int exponent = (biased != 0 ? biased : 1) - 1023;
  const int least = 2 - (1 << (exponent_bits - 1)); // of a normal number
  int shift = 52 - mantissa_bits + (exponent < least ? least - exponent : 0);
  if (shift > 62) { // far below half the smallest subnormal: only "not zero" matters
    significand = significand != 0 ? 1 : 0;
    shift = 62;
  }
  std::uint64_t kept = significand >> shift;
  const std::uint64_t rest = significand & ((1ULL << shift) - 1);
  const std::uint64_t half = 1ULL << (shift - 1);
  bool up = false;
  switch (rounding) {
  case Rounding::nearest_even: up = rest > half || (rest == half && (kept & 1) != 0); break;
  case Rounding::nearest_away: up = rest >= half; break;
  case Rounding::toward_zero: break;
  case Rounding::toward_minus: up = sign != 0 && rest != 0; break;
  case Rounding::toward_plus: up = sign == 0 && rest != 0; break;
  }
  kept += up ? 1 : 0;
  std::uint64_t encoded =
      exponent >= least ? (static_cast<std::uint64_t>(exponent - least) << mantissa_bits) + kept
                        : kept;
  if (encoded >= infinity) {
    const bool saturate = rounding == Rounding::toward_zero ||
                          (rounding == Rounding::toward_minus && sign == 0) ||
                          (rounding == Rounding::toward_plus && sign != 0);
    encoded = saturate ? infinity - 1 : infinity;
  }
  return sign | static_cast<std::uint32_t>(encoded);
}

/// a + b rounded to odd: rounding that once more to 51 bits or fewer is the same as rounding a + b
/// once (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
inline double add_to_odd(double a, double b) {
  const double sum = a + b;
  if (!std::isfinite(sum))
    return sum;
  const double b_part = sum - a;
  const double error = (a - (sum - b_part)) + (b - b_part);
  const auto bits = std::bit_cast<std::uint64_t>(sum);
  if (error == 0 || (bits & 1) != 0)
    return sum;
  const bool away = (error > 0) == (sum > 0);
  return std::bit_cast<double>(away ? bits + 1 : bits - 1);
}

inline float flush(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0F, value) : value;
}

/// How a format is held in a register (the low bits of 64) and computed with. `Value` holds every
/// number of the format exactly, and sums, products and fused sums rounded once.
struct F32 {
  using Value = float;
  static constexpr std::uint64_t kNaN = 0x7fffffff;
  static constexpr std::uint64_t kSign = 0x80000000;
  static float get(std::uint64_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  }
  static std::uint64_t put(float value) {
    return std::isnan(value) ? kNaN : std::bit_cast<std::uint32_t>(value);
  }
  static std::uint64_t put_rounded(double value, Rounding rounding) {
    return narrow(value, 23, 8, rounding);
  }
  static float add(float a, float b) { return a + b; }
  static float mul(float a, float b) { return a * b; }
  static float fma(float a, float b, float c) { return std::fma(a, b, c); }
};

struct F64 {
  using Value = double;
  static constexpr std::uint64_t kNaN = 0x7fffffffffffffff;
  static constexpr std::uint64_t kSign = 1ULL << 63;
  static double get(std::uint64_t bits) { return std::bit_cast<double>(bits); }
  // PTX says nothing about NaN payloads of .f64, so they stay as the host leaves them.
  static std::uint64_t put(double value) { return std::bit_cast<std::uint64_t>(value); }
  static std::uint64_t put_rounded(double value, Rounding) { return put(value); }
  static double add(double a, double b) { return a + b; }
  static double mul(double a, double b) { return a * b; }
  static double fma(double a, double b, double c) { return std::fma(a, b, c); }
};

struct F16 {
  using Value = double;
  static constexpr std::uint64_t kNaN = 0x7fff;
  static constexpr std::uint64_t kSign = 0x8000;
  static double get(std::uint64_t bits) {
    const auto magnitude = static_cast<std::uint32_t>(bits & 0x7fff);
    const float value = magnitude >= 0x7c00
                            ? std::bit_cast<float>(0x7f800000U | (magnitude & 0x3ff) << 13)
                            : std::bit_cast<float>(magnitude << 13) * 0x1p112F;
    return (bits & 0x8000) != 0 ? -value : value;
  }
  static std::uint64_t put(double value) { return put_rounded(value, Rounding::nearest_even); }
  static std::uint64_t put_rounded(double value, Rounding rounding) {
    return narrow(value, 10, 5, rounding);
  }
  static double add(double a, double b) { return add_to_odd(a, b); }
  static double mul(double a, double b) { return a * b; }
  static double fma(double a, double b, double c) { return add_to_odd(a * b, c); }
};

struct BF16 {
  using Value = double;
  static constexpr std::uint64_t kNaN = 0x7fff;
  static constexpr std::uint64_t kSign = 0x8000;
  static double get(std::uint64_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  static std::uint64_t put(double value) { return put_rounded(value, Rounding::nearest_even); }
  static std::uint64_t put_rounded(double value, Rounding rounding) {
    return narrow(value, 7, 8, rounding);
  }
  static double add(double a, double b) { return add_to_odd(a, b); }
  static double mul(double a, double b) { return a * b; }
  static double fma(double a, double b, double c) { return add_to_odd(a * b, c); }
};

} // namespace swage::emulator
