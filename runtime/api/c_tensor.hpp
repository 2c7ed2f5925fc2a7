// c_tensor.hpp -- DLTensor to Tensor.
#pragma once

#include "swage/dlpack.h"
#include "swage/swage.hpp"

namespace swage::api {

/// In the place of an argument's: the counts of valid rows.
inline constexpr std::size_t kValidRows = ~std::size_t{0};

/// The same view. `index` is the argument's place, for messages. Throws Error(invalid_argument) for
/// a type that Swage has not, and for memory of another device than `device`.
Tensor to_tensor(const DLTensor* tensor, std::size_t index, const DeviceInfo& device);

/// A DLPack type as one of ours, and back. `type_of` throws as to_tensor does.
DType type_of(const DLDataType& type, std::size_t index);
DLDataType to_dlpack(DType type) noexcept;

} // namespace swage::api
