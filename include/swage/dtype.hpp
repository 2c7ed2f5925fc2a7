// dtype.hpp -- the element types that tensors and scalars are stored in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace swage {

/// A storage type. Values are part of the C ABI and of cache keys: never renumber.
enum class DType : std::uint8_t {
  f64 = 0,
  f32 = 1,
  f16 = 2,  ///< IEEE 754 binary16
  bf16 = 3, ///< the upper half of an f32
  i8 = 4,
  u8 = 5,
  i16 = 6,
  i32 = 7,
  i64 = 8,
  boolean = 9, ///< one byte, 0 or 1; spelled `bool` in the language
  /// 8-bit floats of the OCP specification and PyTorch: 4 exponent bits and 3 of fraction, or 5
  /// and 2.
  f8e4m3 = 10, ///< no infinity; PyTorch's float8_e4m3fn
  f8e5m2 = 11,
  f8e4m3fnuz = 12, ///< no infinity, no -0
  f8e5m2fnuz = 13,
  e8m0 = 14, ///< 2^-127 to 2^127 and NaN, nothing else: a scale
  /// 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; PyTorch's float4_e2m1fn_x2. Two to a byte, the
  /// element in the even column in the lower half.
  f4e2m1 = 15,
};

inline constexpr int kDTypeCount = 16;

inline constexpr DType f64 = DType::f64;
inline constexpr DType f32 = DType::f32;
inline constexpr DType f16 = DType::f16;
inline constexpr DType bf16 = DType::bf16;
inline constexpr DType i8 = DType::i8;
inline constexpr DType u8 = DType::u8;
inline constexpr DType i16 = DType::i16;
inline constexpr DType i32 = DType::i32;
inline constexpr DType i64 = DType::i64;
inline constexpr DType boolean = DType::boolean;
inline constexpr DType f8e4m3 = DType::f8e4m3;
inline constexpr DType f8e5m2 = DType::f8e5m2;
inline constexpr DType f8e4m3fnuz = DType::f8e4m3fnuz;
inline constexpr DType f8e5m2fnuz = DType::f8e5m2fnuz;
inline constexpr DType e8m0 = DType::e8m0;
inline constexpr DType f4e2m1 = DType::f4e2m1;

/// Size of one element by itself in bytes: 1, 2, 4 or 8. Of a tensor see `bytes_of`.
constexpr int size_of(DType type) noexcept {
  constexpr int bytes[kDTypeCount] = {8, 4, 2, 2, 1, 1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 1};
  return bytes[static_cast<int>(type)];
}

/// Whether two neighbouring elements of a tensor share a byte.
constexpr bool is_packed(DType type) noexcept {
  return type == DType::f4e2m1;
}

/// Bytes of `count` neighbouring elements of a tensor.
constexpr std::int64_t bytes_of(DType type, std::int64_t count) noexcept {
  return is_packed(type) ? count / 2 + count % 2 : count * size_of(type);
}

/// How many elements of a tensor so many bytes hold.
constexpr std::int64_t elements_in(DType type, std::int64_t bytes) noexcept {
  return is_packed(type) ? bytes * 2 : bytes / size_of(type);
}

/// Spelling in the kernel language: "bf16", "bool".
constexpr std::string_view name_of(DType type) noexcept {
  constexpr std::string_view names[kDTypeCount] = {
      "f64", "f32",  "f16",    "bf16",   "i8",         "u8",         "i16",  "i32",
      "i64", "bool", "f8e4m3", "f8e5m2", "f8e4m3fnuz", "f8e5m2fnuz", "e8m0", "f4e2m1"};
  return names[static_cast<int>(type)];
}

/// The type spelled `name` in the kernel language, if there is one.
constexpr std::optional<DType> dtype_from_name(std::string_view name) noexcept {
  for (int i = 0; i < kDTypeCount; ++i)
    if (name_of(static_cast<DType>(i)) == name)
      return static_cast<DType>(i);
  return std::nullopt;
}

/// A float of no more than a byte.
constexpr bool is_byte_float(DType type) noexcept {
  return type >= DType::f8e4m3 && type <= DType::f4e2m1;
}
constexpr bool is_float(DType type) noexcept {
  return type <= DType::bf16 || is_byte_float(type);
}
constexpr bool is_integer(DType type) noexcept {
  return type >= DType::i8 && type <= DType::i64;
}

/// The type that arithmetic on `type` is done in: f32 for f32 and narrower floats; i32 for integers
/// of up to 32 bits; f64, i64 and bool for themselves.
constexpr DType compute_type(DType type) noexcept {
  switch (type) {
  case DType::f32:
  case DType::f16:
  case DType::bf16:
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz:
  case DType::e8m0:
  case DType::f4e2m1: return DType::f32;
  case DType::i8:
  case DType::u8:
  case DType::i16:
  case DType::i32: return DType::i32;
  default: return type;
  }
}

} // namespace swage
