// new_tensor.hpp -- memory of PyTorch's for the results of short calls.
#pragma once

#include <cstdint>

#include "torch_shim.hpp"

namespace swage::torch {

/// What a new tensor is like. `sizes` and `strides` have `rank` elements; `dtype` and `device_type`
/// are PyTorch's numbers.
struct NewTensor {
  std::int64_t rank;
  const std::int64_t *sizes, *strides;
  std::int32_t dtype, device_type, device_index;
};

/// A tensor without values; the caller deletes it. On a GPU PyTorch is asked past its dispatcher
/// where it has the function for that. Null where there is no memory.
Tensor new_tensor(const NewTensor& wanted);

} // namespace swage::torch
