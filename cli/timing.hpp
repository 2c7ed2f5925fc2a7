// timing.hpp -- how long a run takes.
#pragma once

#include "runtime/measure/timing.hpp"
#include "runtime/verify/operands.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

/// Compiles and loads what a launch needs; the seconds that took.
double prepare_timed(const Kernel& kernel, const verify::Operands& operands);

/// The time of one launch over `rounds` rounds. The results on the device are lost. On the CPU a
/// kernel that works in place gets its entry values back before every launch, since values that
/// drift to subnormals or infinities are not what it will meet; the copying is not timed.
measure::LaunchTime time_run(const Device& device, const Kernel& kernel, verify::Operands& operands,
                             int rounds);

} // namespace swage::cli
