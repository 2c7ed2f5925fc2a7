// fake_device.hpp -- CUDA devices on the test double of the driver: two of them, sm_90.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/cuda_driver.hpp"
#include "swage/swage.hpp"
#include "tests/cuda_emulator/fake_cuda.h"
#include "tests/support/catch.hpp"

namespace swage::test {

inline Device gpu(int index = 0) {
  return Device::open("cuda:" + std::to_string(index));
}

inline std::uint64_t calls(const char* name) {
  return swage_fake_cuda_calls(name);
}

/// f32 values on a device.
class DeviceArray {
public:
  DeviceArray(const Device& device, std::vector<float> values)
      : buffer_(device.allocate(values.size() * sizeof(float))), size_(values.size()) {
    set(values);
  }
  void set(const std::vector<float>& values) {
    buffer_.write(values.data(), values.size() * sizeof(float));
  }
  std::vector<float> get() const {
    std::vector<float> values(size_);
    buffer_.read(values.data(), size_ * sizeof(float));
    return values;
  }
  Tensor tensor() const { return Tensor(buffer_.data(), f32, {static_cast<std::int64_t>(size_)}); }

private:
  Buffer buffer_;
  std::size_t size_;
};

inline std::vector<float> counting(std::size_t size, float first = 0) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i)
    values[i] = first + static_cast<float>(i);
  return values;
}

inline cuda::Context current_context() {
  cuda::Context context = nullptr;
  cuda::driver().cuCtxGetCurrent(&context);
  return context;
}

/// Makes the primary context of a device current for a while, as the CUDA runtime does.
class CurrentDevice {
public:
  explicit CurrentDevice(int index) {
    REQUIRE(cuda::find_driver() != nullptr); // opens the table that driver() reads
    cuda::Context context = nullptr;
    cuda::driver().cuDevicePrimaryCtxRetain(&context, index);
    cuda::driver().cuCtxPushCurrent_v2(context);
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  ~CurrentDevice() {
    cuda::Context popped = nullptr;
    cuda::driver().cuCtxPopCurrent_v2(&popped);
  }
};

} // namespace swage::test
