// shape.hpp -- the shape of a call.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace swage::verify {

using Shape = std::vector<std::int64_t>;

/// Elements in all. Throws Error(invalid_argument) on overflow or a negative size.
std::int64_t element_count(std::span<const std::int64_t> shape);

} // namespace swage::verify
