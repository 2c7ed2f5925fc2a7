// c_tensor.hpp -- DLTensor to Tensor.
#pragma once

#include "swage/dlpack.h"
#include "swage/swage.hpp"

namespace swage::runtime {

/// The same view. `index` is the argument's place, for messages. Throws Error(invalid_argument) for
/// a type that Swage has not, and for memory of another device than `device`.
Tensor to_tensor(const DLTensor* tensor, std::size_t index, const DeviceInfo& device);

} // namespace swage::runtime
