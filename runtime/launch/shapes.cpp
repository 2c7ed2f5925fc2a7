// shapes.cpp -- shapes of tensors in checks and messages.
#include "runtime/launch/shapes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace swage::launch {

std::string shape_text(const Tensor& tensor, int dimensions) {
  return fmt::format("[{}]", fmt::join(tensor.shape, tensor.shape + dimensions, ", "));
}

std::string shape_text(const Tensor& tensor) {
  return shape_text(tensor, tensor.rank);
}

std::int64_t product(const Tensor& tensor, int dimensions) {
  std::int64_t count = 1;
  for (int i = 0; i < dimensions; ++i)
    count *= tensor.shape[i];
  return count;
}

bool has_one_value(const Tensor& tensor) {
  for (int i = 0; i < tensor.rank; ++i)
    if (tensor.shape[i] != 1)
      return false;
  return true;
}

} // namespace swage::launch
