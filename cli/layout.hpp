// layout.hpp -- a specialization as it is written on the command line.
#pragma once

#include <string>
#include <string_view>

#include "codegen/specialization.hpp"
#include "codegen/steps.hpp"
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

/// `text` without the words that do not concern `step`, or that its calls do not have: a step over
/// the columns has no counts of rows and no views of rows, and not every step has a tensor that is
/// named.
std::string layout_of_step(std::string_view text, const codegen::Step& step);

} // namespace swage::cli
