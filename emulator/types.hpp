// types.hpp -- the scalar and packed types of PTX.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace swage::emulator {

enum class Type : std::uint8_t {
  pred,
  b8,
  b16,
  b32,
  b64,
  b128,
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  f16,
  bf16,
  f32,
  f64,
  f16x2,
  bf16x2,
  f32x2,
  u16x2,
  s16x2,
  e4m3x2,
  e5m2x2,
};

/// The type spelled `name` (without the leading dot), if there is one.
std::optional<Type> find_type(std::string_view name);
std::string_view spelling(Type type);
/// Size in bytes; a predicate counts as one.
unsigned size_of(Type type);

bool is_signed(Type type);
bool is_float(Type type);
bool is_integer(Type type); ///< .u, .s or .b scalar
/// The element of a packed type, or the type itself.
Type element_of(Type type);

} // namespace swage::emulator
