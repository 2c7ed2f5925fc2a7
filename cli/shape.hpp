// shape.hpp -- shapes and other values as they are written on the command line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/verify/operands.hpp"
#include "runtime/verify/shape.hpp"

namespace swage::cli {

using verify::element_count;
using verify::Shape;

/// "4096x14336", "2x512x14336", "7": 1 to 8 sizes, each 0 or more, with a product of elements that
/// fits 2^62 bytes. Throws Error(invalid_argument).
Shape parse_shape(std::string_view text);
std::string
format_shape(std::span<const std::int64_t> shape); ///< "2x512x14336"; "scalar" for rank 0

/// A whole number from 1 up, for the option named. Throws Error(invalid_argument).
std::int64_t parse_count(std::string_view text, std::string_view option);

/// A run-time scalar "alpha=1.702": always a number. Throws Error(invalid_argument).
verify::NamedValue parse_value(std::string_view text);

} // namespace swage::cli
