// integer_types.hpp -- the C++ types behind PTX's integer types, for what is a template over them.
#pragma once

#include "emulator/decoder.hpp"

#include <string>
#include <type_traits>

namespace swage::emulator {

/// `choose.operator()<T>()` for the C++ type of an integer type of 16 bits and up.
template <class Choose>
Handler for_integer(Decoder& d, Type type, Choose choose) {
  switch (type) {
  case Type::u16:
  case Type::b16: return choose.template operator()<std::uint16_t>();
  case Type::u32:
  case Type::b32: return choose.template operator()<std::uint32_t>();
  case Type::u64:
  case Type::b64: return choose.template operator()<std::uint64_t>();
  case Type::s16: return choose.template operator()<std::int16_t>();
  case Type::s32: return choose.template operator()<std::int32_t>();
  case Type::s64: return choose.template operator()<std::int64_t>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr std::uint64_t keep(T value) {
  return static_cast<Unsigned<T>>(value);
}
template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

} // namespace swage::emulator
