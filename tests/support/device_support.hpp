// device_support.hpp -- arrays, streams and contexts for tests that drive a CUDA device by hand.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/cuda/objects.hpp"
#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

/// f32 values on a device.
class DeviceArray {
public:
  DeviceArray(const Device& device, const std::vector<float>& values)
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
