// values.hpp -- what the dispatcher's stack holds, and what PyTorch says of its tensors.
#pragma once

#include <cstdint>
#include <string>

#include "swage/swage.h"
#include "torch_shim.hpp"

namespace swage::torch {

[[noreturn]] void refuse(const std::string& message);
/// Throw std::runtime_error where PyTorch, or Swage, did not do what was asked.
void check(std::int32_t status, const char* what);
void check(swage_status status);

/// A tensor as PyTorch describes it.
struct View {
  std::int32_t dtype = 0, device_type = 0, device_index = 0;
  std::int64_t rank = 0;
  const std::int64_t* sizes = nullptr;
  const std::int64_t* strides = nullptr;
  void* data = nullptr;
};

/// Throws std::runtime_error.
View view_of(Tensor tensor);
bool is_contiguous(const View& view);

Tensor tensor_of(StackValue value);
StackValue value_of(Tensor tensor);
double real_of(StackValue value);

} // namespace swage::torch
