// bandwidth.hpp -- what a device's memory gives, measured.
#pragma once

#include "swage/swage.hpp"

namespace swage::cli {

/// Bytes a second that memory gives: the CPU's streaming triad, or a copy on a GPU, on arrays well
/// past the last-level cache.
double measure_bandwidth(const Device& device);

/// What that was: "f32 triad" or "f32 copy".
const char* bandwidth_measure(const DeviceInfo& info);

} // namespace swage::cli
