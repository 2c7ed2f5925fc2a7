// build_layouts.hpp -- which kinds of call `swage build` makes code for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// The usual ones. Together they serve every call without valid_rows: contiguous tensors and rows
/// with strides (packed halves among them), aligned and not, in place, with 64-bit offsets; two
/// inputs that alternate; and any strides.
std::vector<codegen::Specialization> usual_layouts(const ir::Kernel& kernel,
                                                   const codegen::Target& target);

/// Those that `text` lists, each in the words of --layout, separated by semicolons; "usual" stands
/// for the usual ones. Throws Error(invalid_argument).
std::vector<codegen::Specialization> listed_layouts(std::string_view text, const ir::Kernel& kernel,
                                                    const codegen::Target& target);

} // namespace swage::cli
