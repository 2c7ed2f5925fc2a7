// layout.hpp -- a specialization as it is written on the command line.
#pragma once

#include <string_view>

#include "codegen/specialization.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// The words of --layout, separated by spaces or commas, over the usual flat layout:
///   flat           one run of elements, no gaps (the default)
///   rows           rows with strides, columns next to each other
///   strided        rows and columns with strides
///   align=N        alignment of every row in bytes: a power of two up to 64
///   index64        64-bit offsets
///   exact          columns are a multiple of 64: no tail code
///   aliased        inputs may also be written through another parameter
/// Throws Error(invalid_argument) that names the words.
codegen::Specialization parse_layout(std::string_view text, const ir::Kernel& kernel);

} // namespace swage::cli
