// tuned_schedule.hpp -- the schedule that the tuning records have for a call.
#pragma once

#include <optional>

#include "runtime/launch/kernel.hpp"

namespace swage::tune {

/// The record of the call's size class, else of the nearest one, if its schedule is legal here. One
/// line of the log says which. Looked up when a function is first prepared, never on a warm launch.
std::optional<codegen::Schedule> tuned_schedule(const KernelState& kernel,
                                                const launch::Call& call);

/// The records, and SWAGE_AUTOTUNE at a first call, as kernels ask for them.
const launch::ScheduleSource& tuned_schedules();

} // namespace swage::tune
