// specialization_text.hpp -- a specialization from its canonical line.
#pragma once

#include <optional>
#include <string_view>

#include "codegen/specialization.hpp"

namespace swage::codegen {

/// "unit", "strided", "even", ...: as in a canonical line.
std::string_view name_of(Layout layout) noexcept;

/// What `canonical` printed for a specialization of `kernel`; nothing for every other line, among
/// them those that do not fit the kernel.
std::optional<Specialization> parse_specialization(std::string_view line, const ir::Kernel& kernel);

} // namespace swage::codegen
