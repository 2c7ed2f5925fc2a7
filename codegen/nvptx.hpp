// nvptx.hpp -- PTX: what its versions have, and what its text says.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codegen/schedule.hpp"
#include "codegen/target.hpp"

namespace swage::codegen {

/// `target` with its PTX version raised to what the schedules' instructions need.
Target with_ptx_for(const ir::Kernel& kernel, const Target& target,
                    std::span<const Schedule> schedules);

/// Whether `entry` in `ptx` waits for the grid before it at its start: in every block and before
/// anything that touches memory. Read off the text, because a launch that promises a wait which is
/// not there is a race that no tool finds.
bool waits_for_dependencies(std::string_view ptx, std::string_view entry);

} // namespace swage::codegen
