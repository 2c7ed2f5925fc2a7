// shapes.hpp -- shapes of tensors in checks and messages.
#pragma once

#include <cstdint>
#include <string>

#include "swage/swage.hpp"

namespace swage::launch {

/// "[2, 3]": the first `dimensions` of `tensor`, or all of them.
std::string shape_text(const Tensor& tensor, int dimensions);
std::string shape_text(const Tensor& tensor);

/// The product of the first `dimensions`.
std::int64_t product(const Tensor& tensor, int dimensions);

/// Whether every dimension is 1, or there is none.
bool has_one_value(const Tensor& tensor);

/// Whether a dimension is 0, so that the strides say nothing.
bool has_no_elements(const Tensor& tensor);

/// Whether `tensor` has one value for `size` rows of each column of `full`, and looks like it: a
/// row for each group, of each matrix of a batch or of all together.
bool has_usual_rows(const Tensor& tensor, const Tensor& full, std::int64_t size);

} // namespace swage::launch
