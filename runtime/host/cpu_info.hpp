// cpu_info.hpp -- what the CPU is: name, processors allowed, caches, memory.
#pragma once

#include "swage/swage.hpp"

namespace swage::host {

/// What the CPU is.
DeviceInfo describe_cpu();
/// The processors that this process may run on.
int allowed_processors();

} // namespace swage::host
