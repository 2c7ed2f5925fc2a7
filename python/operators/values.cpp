// values.cpp -- values of the stack, tensors and errors.
#include "values.hpp"

#include <cstring>
#include <stdexcept>

namespace swage::torch {

void refuse(const std::string& message) {
  throw std::runtime_error(message);
}

void check(std::int32_t status, const char* what) {
  if (status != 0)
    refuse(std::string("PyTorch refused ") + what);
}

void check(swage_status status) {
  if (status != SWAGE_OK)
    refuse(swage_last_error());
}

View view_of(Tensor tensor) {
  const Shim& torch = shim();
  View view;
  std::int64_t *sizes = nullptr, *strides = nullptr;
  check(torch.get_dtype(tensor, &view.dtype), "a tensor's type");
  check(torch.get_device_type(tensor, &view.device_type), "a tensor's device");
  check(torch.get_device_index(tensor, &view.device_index), "a tensor's device");
  check(torch.get_dim(tensor, &view.rank), "a tensor's rank");
  check(torch.get_sizes(tensor, &sizes), "a tensor's sizes");
  check(torch.get_strides(tensor, &strides), "a tensor's strides");
  check(torch.get_data_ptr(tensor, &view.data), "a tensor's memory");
  view.sizes = sizes;
  view.strides = strides;
  return view;
}

bool is_contiguous(const View& view) {
  std::int64_t stride = 1;
  for (std::int64_t i = view.rank; i-- > 0; stride *= view.sizes[i])
    if (view.sizes[i] != 1 && view.strides[i] != stride)
      return false;
  return true;
}

Tensor tensor_of(StackValue value) {
  Tensor tensor = nullptr;
  std::memcpy(&tensor, &value, sizeof tensor);
  return tensor;
}

StackValue value_of(Tensor tensor) {
  StackValue value = 0;
  std::memcpy(&value, &tensor, sizeof tensor);
  return value;
}

double real_of(StackValue value) {
  double real = 0;
  std::memcpy(&real, &value, sizeof real);
  return real;
}

} // namespace swage::torch
