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

/// The caller's struct as this library has it: what an older caller does not know keeps the value
/// it has in `defaults`.
template <typename T>
T received(const T& given, std::size_t first_size, const char* name, T defaults) {
  if (given.size < first_size)
    throw Error(ErrorCode::invalid_argument, std::string(name) + " has the size " +
                                                 std::to_string(given.size) +
                                                 "; set its field size to sizeof(" + name + ")");
  std::memcpy(&defaults, &given, std::min(given.size, sizeof(T)));
  return defaults;
}

/// Fills in as much of the caller's struct as it has room for.
template <typename T>
void hand_out(T filled, std::size_t first_size, const char* name, T* to) {
  received(*to, first_size, name, filled);
  filled.size = std::min(to->size, sizeof(T));
  std::memcpy(to, &filled, filled.size);
}

} // namespace swage::api
