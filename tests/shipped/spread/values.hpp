// values.hpp -- numbers from integers alone, so that every machine makes the same; and what
// compares results.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <swage/dtype.hpp>

namespace swage::test {

inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/// Fraction bits and exponent bits of a float type; no exponent bits: an integer.
struct Format {
  int fraction = 0, exponent = 0;
};
constexpr Format format_of(DType type) {
  switch (type) {
  case DType::f64: return {52, 11};
  case DType::f32: return {23, 8};
  case DType::f16: return {10, 5};
  case DType::bf16: return {7, 8};
  case DType::f8e4m3:
  case DType::f8e4m3fnuz: return {3, 4};
  case DType::f8e5m2:
  case DType::f8e5m2fnuz: return {2, 5};
  default: return {};
  }
}

/// The bits of number `index`: ordinary ones, of magnitudes between 2^-6 and 2^4, or with `wild`
/// any bits at all, infinities, NaN and subnormals among them. Integers are any.
inline std::uint64_t value_bits(DType type, std::uint64_t seed, std::size_t index, bool wild) {
  const std::uint64_t random = mixed(seed ^ mixed(index));
  if (type == DType::boolean)
    return random & 1;
  if (type == DType::e8m0)
    return 120 + random % 14;
  const auto [fraction, exponent] = format_of(type);
  if (exponent == 0 || wild)
    return random;
  const std::uint64_t bias = (std::uint64_t{1} << (exponent - 1)) - 1;
  const std::uint64_t low = exponent == 4 ? 4 : 6;
  const std::uint64_t power = bias - low + (random >> 8) % (low + 4);
  const std::uint64_t part = (random >> 16) & ((std::uint64_t{1} << fraction) - 1);
  return (random & 1) << (fraction + exponent) | power << fraction | part;
}

/// One NaN for all: their signs and payloads are not promised.
inline void make_nans_equal(DType type, std::vector<std::byte>& bytes) {
  if (type != DType::f64 && type != DType::f32 && type != DType::f16 && type != DType::bf16 &&
      type != DType::f8e5m2)
    return;
  const auto [fraction, exponent] = format_of(type);
  const std::uint64_t magnitude = (std::uint64_t{1} << (fraction + exponent)) - 1;
  const std::uint64_t infinity = magnitude >> fraction << fraction;
  const std::size_t size = static_cast<std::size_t>(size_of(type));
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, bytes.data() + at, size);
    if ((bits & magnitude) > infinity) {
      bits = magnitude;
      std::memcpy(bytes.data() + at, &bits, size);
    }
  }
}

class Digest {
public:
  void add(const std::vector<std::byte>& bytes) {
    for (const std::byte byte : bytes)
      value_ = (value_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3; // FNV-1a
  }
  std::uint64_t value() const { return value_; }

private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

/// The register that rounding and flushing are set by, without the flags.
inline std::uint64_t float_control() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~std::uint64_t{0x3f};
#elif defined(__aarch64__)
  std::uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
#else
  return 0;
#endif
}

} // namespace swage::test
