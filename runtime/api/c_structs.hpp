// c_structs.hpp -- structs of the C ABI that begin with their size and may grow.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "swage/error.hpp"

namespace swage::api {

/// Where the fields of the first version of a struct end: no caller has less.
#define SWAGE_FIRST_SIZE(type, last) (offsetof(type, last) + sizeof(type::last))

/// Throws Error(invalid_argument) for a null pointer; `name` says whose.
inline void require(const void* pointer, const char* name) {
  if (!pointer)
    throw Error(ErrorCode::invalid_argument, std::string(name) + " is null");
}

template <typename T>
void check_size(const T& given, std::size_t first_size, const char* name) {
  if (given.size < first_size)
    throw Error(ErrorCode::invalid_argument, std::string(name) + " has the size " +
                                                 std::to_string(given.size) +
                                                 "; set its field size to sizeof(" + name + ")");
}

/// The caller's struct as this library has it: what an older caller does not know keeps the value
/// it has in `defaults`. What a newer one sets that this library does not know is refused.
template <typename T>
T received(const T& given, std::size_t first_size, const char* name, T defaults) {
  check_size(given, first_size, name);
  if (given.size % alignof(T) != 0) // no version of the struct has such a size
    check_size(given, given.size + 1, name);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&given);
  for (std::size_t i = sizeof(T); i < given.size; ++i)
    if (bytes[i] != 0)
      throw Error(ErrorCode::unsupported, std::string(name) +
                                              " sets fields that this library does not know; "
                                              "leave them 0, or use a newer libswage");
  std::memcpy(&defaults, &given, std::min(given.size, sizeof(T)));
  return defaults;
}

/// Fills in as much of the caller's struct as it has room for.
template <typename T>
void hand_out(T filled, std::size_t first_size, const char* name, T* to) {
  check_size(*to, first_size, name);
  filled.size = std::min(to->size, sizeof(T));
  std::memcpy(to, &filled, filled.size);
}

} // namespace swage::api
