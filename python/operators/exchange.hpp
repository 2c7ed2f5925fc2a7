// exchange.hpp -- DLPack's table of C functions between Python's arrays and C (version 1.3).
#pragma once

#include <cstdint>

#include "python_api.hpp"
#include "swage/swage.h"

namespace swage::torch {

/// DLPackExchangeAPI. What is not used here is an untyped pointer.
struct Exchange {
  std::uint32_t major, minor;
  const Exchange* older;
  void* allocate;
  void* to_managed;
  void* from_managed;
  /// Fills what the array's own memory says of it, valid as long as the array is there and
  /// unchanged. 0, or -1 with a Python error.
  int (*view)(PyObject* array, DLTensor* into);
  void* current_stream;
};

} // namespace swage::torch
