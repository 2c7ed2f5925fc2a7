// types.cpp -- the table of PTX types.
#include "emulator/types.hpp"

#include <array>
#include <cstddef>

namespace swage::emulator {
namespace {

enum class Kind : std::uint8_t { bits, unsigned_integer, signed_integer, floating };

struct Row {
  std::string_view name;
  unsigned size;
  Kind kind;
  Type element;
};

// In the order of the enumeration.
constexpr std::array kTypes = {
    Row{"pred", 1, Kind::bits, Type::pred},
    Row{"b8", 1, Kind::bits, Type::b8},
    Row{"b16", 2, Kind::bits, Type::b16},
    Row{"b32", 4, Kind::bits, Type::b32},
    Row{"b64", 8, Kind::bits, Type::b64},
    Row{"b128", 16, Kind::bits, Type::b128},
    Row{"u8", 1, Kind::unsigned_integer, Type::u8},
    Row{"u16", 2, Kind::unsigned_integer, Type::u16},
    Row{"u32", 4, Kind::unsigned_integer, Type::u32},
    Row{"u64", 8, Kind::unsigned_integer, Type::u64},
    Row{"s8", 1, Kind::signed_integer, Type::s8},
    Row{"s16", 2, Kind::signed_integer, Type::s16},
    Row{"s32", 4, Kind::signed_integer, Type::s32},
    Row{"s64", 8, Kind::signed_integer, Type::s64},
    Row{"f16", 2, Kind::floating, Type::f16},
    Row{"bf16", 2, Kind::floating, Type::bf16},
    Row{"f32", 4, Kind::floating, Type::f32},
    Row{"f64", 8, Kind::floating, Type::f64},
    Row{"f16x2", 4, Kind::floating, Type::f16},
    Row{"bf16x2", 4, Kind::floating, Type::bf16},
    Row{"f32x2", 8, Kind::floating, Type::f32},
    Row{"u16x2", 4, Kind::unsigned_integer, Type::u16},
    Row{"s16x2", 4, Kind::signed_integer, Type::s16},
    Row{"e4m3x2", 2, Kind::bits, Type::b8},
    Row{"e5m2x2", 2, Kind::bits, Type::b8},
};

const Row& row(Type type) {
  return kTypes[static_cast<std::size_t>(type)];
}

} // namespace

std::optional<Type> find_type(std::string_view name) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name)
      return static_cast<Type>(i);
  return std::nullopt;
}

std::string_view spelling(Type type) {
  return row(type).name;
}
unsigned size_of(Type type) {
  return row(type).size;
}
bool is_signed(Type type) {
  return row(type).kind == Kind::signed_integer;
}
bool is_float(Type type) {
  return row(type).kind == Kind::floating;
}
bool is_integer(Type type) {
  return !is_float(type) && type != Type::pred && row(type).element == type;
}
Type element_of(Type type) {
  return row(type).element;
}

} // namespace swage::emulator
