// roofline.hpp -- what memory gives in this process, measured once.
#pragma once

#include <cstdint>

#include "runtime/device/device.hpp"

namespace swage::measure {

/// Bytes a second of a[i] = b[i] + s * c[i] in f32 on `device`: over arrays well past the cache,
/// with streaming stores on the CPU, or for a call of `bytes` that fits the CPU's cache over arrays
/// of that size. 0 if it cannot be measured, for want of memory say.
double measured_roofline(const DeviceState& device, std::int64_t bytes);

/// Whether a call that moves `bytes` is timed in the cache: on the CPU, where what comes before a
/// kernel has just written its inputs, if all of it fits half of the last-level cache.
bool runs_in_cache(const DeviceState& device, std::int64_t bytes);

} // namespace swage::measure
