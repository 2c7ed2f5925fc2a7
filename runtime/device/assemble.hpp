// assemble.hpp -- PTX to machine code on a device.
#pragma once

#include <string>

#include "swage/swage.hpp"

namespace swage::device {

/// PTX to machine code by the driver of a CUDA device. Throws Error(invalid_argument) for the CPU,
/// Error(driver) with the assembler's messages as its build log.
std::string assemble(const Device& device, const std::string& ptx);

} // namespace swage::device
