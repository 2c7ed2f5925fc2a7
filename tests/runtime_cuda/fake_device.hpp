// fake_device.hpp -- CUDA devices on the test double of the driver: two of them, sm_90.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "emulator/fake_cuda.h"
#include "runtime/cuda/driver.hpp"
#include "swage/swage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/device_support.hpp"

namespace swage::test {

inline Device gpu(int index = 0) {
  return Device::open("cuda:" + std::to_string(index));
}

inline std::uint64_t calls(const char* name) {
  return swage_fake_cuda_calls(name);
}

} // namespace swage::test
