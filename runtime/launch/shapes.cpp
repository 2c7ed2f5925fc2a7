// shapes.cpp -- shapes of tensors in checks and messages.
#include "runtime/launch/shapes.hpp"

#include <algorithm>
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

bool has_usual_rows(const Tensor& tensor, const Tensor& full, std::int64_t size) {
  const int last = tensor.rank - 1;
  if (last < 0 || full.rank < 1 || tensor.shape[last] != full.shape[full.rank - 1])
    return false;
  if (tensor.rank == 2 && tensor.shape[0] * size == product(full, full.rank - 1))
    return true;
  for (int i = 0; i < last - 1 && tensor.rank == full.rank; ++i)
    if (tensor.shape[i] != full.shape[i])
      return false;
  return tensor.rank == full.rank &&
         (last > 0 ? tensor.shape[last - 1] * size == full.shape[last - 1] : size == 1);
}

bool has_one_value(const Tensor& tensor) {
  for (int i = 0; i < tensor.rank; ++i)
    if (tensor.shape[i] != 1)
      return false;
  return true;
}

bool has_no_elements(const Tensor& tensor) {
  return std::find(tensor.shape, tensor.shape + tensor.rank, 0) != tensor.shape + tensor.rank;
}

} // namespace swage::launch
