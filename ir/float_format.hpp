// float_format.hpp -- float formats as integers: taking a value apart, rounding it, putting it
// back.
//
// All in integer arithmetic, so neither the rounding mode nor flush-to-zero of the calling thread
// can change a bit. Templates, so that loops over one format run without a switch per element.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "swage/dtype.hpp"

namespace swage::ir {

/// What the largest codes of a format mean.
enum class Encoding : std::uint8_t {
  ieee,    ///< infinity, and NaNs above it
  finite,  ///< the largest code of either sign is NaN, and there is no infinity
  fnuz,    ///< the code that would be -0 is the only NaN; the bias is one more
  power,   ///< an exponent alone, whose largest code is NaN: no sign, no zero
  numbers, ///< every code is a number: what is beyond the largest gives that, and so does NaN
};

template <DType>
struct FloatFormat;
template <>
struct FloatFormat<DType::f64> {
  static constexpr int kMantissa = 52, kExponent = 11;
};
template <>
struct FloatFormat<DType::f32> {
  static constexpr int kMantissa = 23, kExponent = 8;
};
template <>
struct FloatFormat<DType::f16> {
  static constexpr int kMantissa = 10, kExponent = 5;
};
template <>
struct FloatFormat<DType::bf16> {
  static constexpr int kMantissa = 7, kExponent = 8;
};
template <>
struct FloatFormat<DType::f8e4m3> {
  static constexpr int kMantissa = 3, kExponent = 4;
};
template <>
struct FloatFormat<DType::f8e5m2> {
  static constexpr int kMantissa = 2, kExponent = 5;
};
template <>
struct FloatFormat<DType::f8e4m3fnuz> {
  static constexpr int kMantissa = 3, kExponent = 4;
};
template <>
struct FloatFormat<DType::f8e5m2fnuz> {
  static constexpr int kMantissa = 2, kExponent = 5;
};
template <>
struct FloatFormat<DType::e8m0> {
  static constexpr int kMantissa = 0, kExponent = 8;
};
template <>
struct FloatFormat<DType::f4e2m1> {
  static constexpr int kMantissa = 1, kExponent = 2;
};

constexpr Encoding encoding_of(DType type) noexcept {
  switch (type) {
  case DType::f8e4m3: return Encoding::finite;
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz: return Encoding::fnuz;
  case DType::e8m0: return Encoding::power;
  case DType::f4e2m1: return Encoding::numbers;
  default: return Encoding::ieee;
  }
}

/// What follows from the two widths of a format and the meaning of its largest codes.
template <DType type>
struct FloatTraits : FloatFormat<type> {
  using FloatFormat<type>::kMantissa;
  using FloatFormat<type>::kExponent;
  static constexpr Encoding kEncoding = encoding_of(type);
  static constexpr bool kIeee = kEncoding == Encoding::ieee;
  static constexpr int kBias = (1 << (kExponent - 1)) - (kEncoding == Encoding::fnuz ? 0 : 1);
  /// Of the smallest normal number.
  static constexpr int kMinExponent = kEncoding == Encoding::power ? -kBias : 1 - kBias;
  static constexpr std::uint64_t kSign = std::uint64_t{1} << (kMantissa + kExponent);
  static constexpr std::uint64_t kLargest = ///< the code of the largest finite number
      kEncoding == Encoding::ieee ? (((std::uint64_t{1} << kExponent) - 1) << kMantissa) - 1
      : kEncoding == Encoding::fnuz || kEncoding == Encoding::numbers ? kSign - 1
                                                                      : kSign - 2;
  /// Of the largest finite number.
  static constexpr int kMaxExponent = static_cast<int>(kLargest >> kMantissa) - kBias;
  /// The canonical NaN. Of 8 bits it has all of them, as in PyTorch and PTX. Where every code is a
  /// number, what NaN gives: the largest.
  static constexpr std::uint64_t kQuietNan = kEncoding == Encoding::fnuz ? kSign
                                             : kEncoding == Encoding::ieee && kMantissa > 2
                                                 ? kLargest + 1 +
                                                       (std::uint64_t{1} << (kMantissa - 1))
                                                 : kSign - 1;
  /// What a number beyond the largest gives: infinity, or NaN where there is none.
  static constexpr std::uint64_t kInfinity = kIeee ? kLargest + 1 : kQuietNan;
};

/// A real number taken apart. A finite one is (-1)^negative * mantissa * 2^(exponent - 63), top bit
/// of the mantissa set; `sticky` says that bits below the mantissa were cut off.
struct RealParts {
  enum class Kind : std::uint8_t { zero, finite, infinite, nan };
  Kind kind = Kind::zero;
  bool negative = false;
  bool sticky = false;
  int exponent = 0;
  std::uint64_t mantissa = 0;
};

namespace detail {

/// Parts of an IEEE-style number whose fraction is left-justified in 64 bits below the hidden bit.
inline RealParts parts_of_fields(bool negative, int biased, int bias, int max_biased,
                                 std::uint64_t fraction, bool sticky) noexcept {
  RealParts parts{.negative = negative, .sticky = sticky};
  if (biased == max_biased) {
    parts.kind = fraction == 0 && !sticky ? RealParts::Kind::infinite : RealParts::Kind::nan;
  } else if (biased != 0) {
    parts.kind = RealParts::Kind::finite;
    parts.exponent = biased - bias;
    parts.mantissa = std::uint64_t{1} << 63 | fraction >> 1;
    parts.sticky = sticky || (fraction & 1) != 0;
  } else if (fraction != 0) {
    const int shift = std::countl_zero(fraction);
    parts.kind = RealParts::Kind::finite;
    parts.exponent = -bias - shift;
    parts.mantissa = fraction << shift;
  } else if (sticky) { // far below every storage format: the exponent only has to say so
    parts.kind = RealParts::Kind::finite;
    parts.exponent = -bias - 64;
    parts.mantissa = std::uint64_t{1} << 63;
  }
  return parts;
}

} // namespace detail

inline RealParts parts_of(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return detail::parts_of_fields(bits >> 63 != 0, static_cast<int>(bits >> 52 & 0x7ff), 1023, 0x7ff,
                                 bits << 12, false);
}

inline RealParts parts_of(long double value) noexcept {
  using Limits = std::numeric_limits<long double>;
  static_assert(Limits::digits == 64 || Limits::digits == 113 || Limits::digits == 53,
                "long double has a format that is not known here");
  if constexpr (Limits::digits == 64) { // x87: an explicit leading bit
    std::uint64_t mantissa = 0;
    std::uint16_t top = 0;
    std::memcpy(&mantissa, &value, sizeof mantissa);
    std::memcpy(&top, reinterpret_cast<const char*>(&value) + sizeof mantissa, sizeof top);
    const int biased = top & 0x7fff;
    RealParts parts{.negative = top >> 15 != 0};
    if (biased == 0x7fff) {
      parts.kind = mantissa << 1 == 0 ? RealParts::Kind::infinite : RealParts::Kind::nan;
    } else if (mantissa != 0) {
      const int shift = std::countl_zero(mantissa);
      parts.kind = RealParts::Kind::finite;
      parts.exponent = (biased == 0 ? 1 : biased) - 16383 - shift;
      parts.mantissa = mantissa << shift;
    }
    return parts;
  } else if constexpr (Limits::digits == 113) { // binary128
    std::uint64_t words[2];
    std::memcpy(words, &value, sizeof words);
    const std::uint64_t low = words[std::endian::native == std::endian::little ? 0 : 1];
    const std::uint64_t high = words[std::endian::native == std::endian::little ? 1 : 0];
    return detail::parts_of_fields(high >> 63 != 0, static_cast<int>(high >> 48 & 0x7fff), 16383,
                                   0x7fff, high << 16 | low >> 48, low << 16 != 0);
  } else {
    return parts_of(static_cast<double>(value));
  }
}

inline RealParts parts_of(std::int64_t value) noexcept {
  if (value == 0)
    return {};
  const std::uint64_t size =
      value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  const int shift = std::countl_zero(size);
  return {.kind = RealParts::Kind::finite,
          .negative = value < 0,
          .exponent = 63 - shift,
          .mantissa = size << shift};
}

/// The power of two nearest to `parts`, of two the larger; 0 gives the smallest, negative numbers
/// and what is beyond the largest NaN.
inline std::uint64_t round_to_power(const RealParts& parts) noexcept {
  using Traits = FloatTraits<DType::e8m0>;
  if (parts.kind == RealParts::Kind::zero)
    return 0;
  if (parts.kind != RealParts::Kind::finite || parts.negative)
    return Traits::kQuietNan;
  const int exponent = parts.exponent + static_cast<int>(parts.mantissa >> 62 & 1);
  if (exponent > Traits::kMaxExponent)
    return Traits::kQuietNan;
  return exponent < Traits::kMinExponent ? 0 : static_cast<std::uint64_t>(exponent + Traits::kBias);
}

/// The bits of `type` nearest to `parts`, ties to even; overflow gives infinity, NaN where there is
/// none, or where there is no NaN either the largest number.
template <DType type>
std::uint64_t round_parts(const RealParts& parts) noexcept {
  using Traits = FloatTraits<type>;
  if constexpr (Traits::kEncoding == Encoding::power)
    return round_to_power(parts);
  constexpr bool fnuz = Traits::kEncoding == Encoding::fnuz;
  const std::uint64_t sign = parts.negative ? Traits::kSign : 0;
  if (parts.kind == RealParts::Kind::nan)
    return Traits::kQuietNan;
  const std::uint64_t zero = fnuz ? 0 : sign;
  constexpr bool numbers = Traits::kEncoding == Encoding::numbers;
  const std::uint64_t beyond = numbers         ? sign | Traits::kLargest
                               : Traits::kIeee ? sign | Traits::kInfinity
                                               : Traits::kQuietNan;
  if (parts.kind == RealParts::Kind::zero)
    return zero;
  if (parts.kind == RealParts::Kind::infinite || parts.exponent > Traits::kMaxExponent)
    return beyond;
  int drop = 63 - Traits::kMantissa;
  if (parts.exponent < Traits::kMinExponent)
    drop += Traits::kMinExponent - parts.exponent;
  if (drop > 64)
    return zero; // below half of the smallest subnormal
  std::uint64_t kept = drop == 64 ? 0 : parts.mantissa >> drop;
  const std::uint64_t half = std::uint64_t{1} << (drop - 1);
  const std::uint64_t rest = parts.mantissa & (half | (half - 1));
  if (rest > half || (rest == half && (parts.sticky || (kept & 1) != 0)))
    ++kept;
  if (parts.exponent < Traits::kMinExponent)
    return kept == 0 ? zero : sign | kept;
  // The hidden bit of `kept` adds one to the exponent field, and so does a carry out of rounding.
  const auto below = static_cast<std::uint64_t>(parts.exponent - Traits::kMinExponent);
  const std::uint64_t size = (below << Traits::kMantissa) + kept;
  return size > Traits::kLargest ? beyond : sign | size;
}

template <DType type, class Value>
std::uint64_t encode_float(Value value) noexcept {
  return round_parts<type>(parts_of(value));
}

/// The value of `bits`, exactly. `Real` holds every value of `type`.
template <DType type, class Real>
Real decode_float(std::uint64_t bits) noexcept {
  using Traits = FloatTraits<type>;
  if constexpr (type == DType::f64) {
    return static_cast<Real>(std::bit_cast<double>(bits));
  } else if constexpr (Traits::kEncoding == Encoding::power) {
    return static_cast<Real>(std::bit_cast<double>(bits == Traits::kQuietNan
                                                       ? std::uint64_t{0x7ff8000000000000}
                                                       : (bits + (1023 - Traits::kBias)) << 52));
  } else {
    // Through the bits of a double: converting an f32 would flush subnormals in some threads.
    const std::uint64_t sign = (bits & Traits::kSign)
                               << (63 - Traits::kMantissa - Traits::kExponent);
    const std::uint64_t size = bits & (Traits::kSign - 1);
    if (Traits::kEncoding != Encoding::numbers &&
        (Traits::kIeee ? size > Traits::kLargest
                       : (bits | (Traits::kEncoding == Encoding::fnuz ? 0 : Traits::kSign)) ==
                             (Traits::kQuietNan | Traits::kSign))) {
      const bool infinite = Traits::kIeee && size == Traits::kInfinity;
      const std::uint64_t fraction = infinite ? 0 : std::uint64_t{1} << 51;
      return static_cast<Real>(std::bit_cast<double>(sign | 0x7ff0000000000000u | fraction));
    }
    if (size >> Traits::kMantissa == 0) {
      constexpr int exponent = Traits::kMinExponent - Traits::kMantissa;
      constexpr double spacing = std::bit_cast<double>(std::uint64_t(1023 + exponent) << 52);
      const double value = static_cast<double>(static_cast<std::int64_t>(size)) * spacing;
      return static_cast<Real>(std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) | sign));
    }
    constexpr std::uint64_t rebias = std::uint64_t(1023 - Traits::kBias) << 52;
    return static_cast<Real>(
        std::bit_cast<double>(sign | ((size << (52 - Traits::kMantissa)) + rebias)));
  }
}

/// `value` rounded once to `type`.
template <DType type, class Real, class Value>
Real round_float(Value value) noexcept {
  return decode_float<type, Real>(encode_float<type>(value));
}

/// Calls `visit.template operator()<type>()` for the float type `type`.
template <class Visit>
decltype(auto) with_float(DType type, Visit&& visit) {
  switch (type) {
  case DType::f64: return visit.template operator()<DType::f64>();
  case DType::f16: return visit.template operator()<DType::f16>();
  case DType::bf16: return visit.template operator()<DType::bf16>();
  case DType::f8e4m3: return visit.template operator()<DType::f8e4m3>();
  case DType::f8e5m2: return visit.template operator()<DType::f8e5m2>();
  case DType::f8e4m3fnuz: return visit.template operator()<DType::f8e4m3fnuz>();
  case DType::f8e5m2fnuz: return visit.template operator()<DType::f8e5m2fnuz>();
  case DType::e8m0: return visit.template operator()<DType::e8m0>();
  case DType::f4e2m1: return visit.template operator()<DType::f4e2m1>();
  default: return visit.template operator()<DType::f32>();
  }
}

/// Exponent of `type`'s spacing around a value: log2 of its ulp.
template <DType type>
int spacing_exponent(const RealParts& exact) noexcept {
  using Traits = FloatTraits<type>;
  int exponent = Traits::kMinExponent;
  if (exact.kind == RealParts::Kind::finite && exact.exponent > exponent)
    exponent = exact.exponent < Traits::kMaxExponent ? exact.exponent : Traits::kMaxExponent;
  return exponent - Traits::kMantissa;
}

/// 2^exponent; `exponent` is within Real's normal range.
template <class Real>
Real power_of_two(int exponent) noexcept {
  if constexpr (std::is_same_v<Real, double>)
    return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + exponent) << 52);
  else
    return std::ldexp(Real(1), exponent);
}

/// The same as `ulp_distance` for formats without infinity, in which NaN stands for the first
/// number of its spacing that is not there, and of negative powers for all.
template <DType type, class Real>
Real ulp_distance_without_infinity(Real got, Real exact) noexcept {
  using Traits = FloatTraits<type>;
  constexpr Real infinity = std::numeric_limits<Real>::infinity();
  if (std::isnan(exact) || (Traits::kEncoding == Encoding::power && exact < 0))
    return std::isnan(got) ? Real(0) : infinity;
  if (Traits::kEncoding == Encoding::power && exact < power_of_two<Real>(Traits::kMinExponent))
    exact = power_of_two<Real>(Traits::kMinExponent);
  const Real spacing = power_of_two<Real>(Traits::kMaxExponent - Traits::kMantissa);
  const Real bound = decode_float<type, Real>(Traits::kLargest) + spacing;
  if (std::abs(exact) > bound)
    exact = std::copysign(bound, exact);
  const RealParts parts = parts_of(exact);
  const Real scale = power_of_two<Real>(-spacing_exponent<type>(parts));
  if (!std::isnan(got))
    return std::abs(got - exact) * scale;
  if (parts.kind != RealParts::Kind::finite || parts.exponent < Traits::kMaxExponent)
    return infinity;
  return round_parts<type>(parts) == Traits::kQuietNan ? Real(0)
                                                       : (bound - std::abs(exact)) * scale;
}

/// The same where every code is a number: what is beyond the largest gives it, as NaN does.
template <DType type, class Real>
Real ulp_distance_of_numbers(Real got, Real exact) noexcept {
  using Traits = FloatTraits<type>;
  const Real largest = decode_float<type, Real>(Traits::kLargest);
  if (std::isnan(exact))
    exact = largest;
  else if (std::abs(exact) > largest)
    exact = std::copysign(largest, exact);
  return std::abs(got - exact) * power_of_two<Real>(-spacing_exponent<type>(parts_of(exact)));
}

/// |got - exact| in units of `type`'s spacing around `exact`; see ulp_error in number.hpp.
template <DType type, class Real>
Real ulp_distance(Real got, Real exact) noexcept {
  using Traits = FloatTraits<type>;
  constexpr Real infinity = std::numeric_limits<Real>::infinity();
  if (got == exact)
    return 0;
  if constexpr (Traits::kEncoding == Encoding::numbers)
    return ulp_distance_of_numbers<type>(got, exact);
  if constexpr (!Traits::kIeee)
    return ulp_distance_without_infinity<type>(got, exact);
  if (std::isnan(got) || std::isnan(exact))
    return std::isnan(got) && std::isnan(exact) ? Real(0) : infinity;
  if (std::isinf(exact))
    return infinity;
  const RealParts parts = parts_of(exact);
  const Real scale = power_of_two<Real>(-spacing_exponent<type>(parts));
  const bool top = parts.kind == RealParts::Kind::finite && parts.exponent >= Traits::kMaxExponent;
  if (!top)
    return std::isinf(got) ? infinity : std::abs(got - exact) * scale;
  // Near the end of the range infinity stands for the first power of two that is not there.
  const Real bound = power_of_two<Real>(Traits::kMaxExponent) * 2;
  if (std::isinf(got)) {
    if (std::signbit(got) != parts.negative)
      return infinity;
    return (round_parts<type>(parts) & ~Traits::kSign) == Traits::kInfinity
               ? Real(0)
               : (bound - std::abs(exact)) * scale;
  }
  if (std::abs(exact) > bound)
    exact = std::copysign(bound, exact);
  return std::abs(got - exact) * scale;
}

} // namespace swage::ir
