// device.hpp -- the devices of this process.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "codegen/target.hpp"
#include "runtime/cuda/context.hpp"
#include "runtime/cuda/driver.hpp"
#include "swage/swage.hpp"

namespace swage {

namespace device {

/// What classification needs to know of the machine: bounds on what is worth a variant of its own.
struct ClassifyLimits {
  int align_log2 = 4;           ///< alignment above this is of no use
  std::int64_t cache_bytes = 0; ///< stores stream when a call touches more; 0: never (CUDA)
  bool exact = true;            ///< code without a tail is worth a variant
  bool columns = false;         ///< so is code for so many columns, of kernels that work by rows
};

} // namespace device

/// One device. Made once, never destroyed: handles, kernels and buffers may outlive main.
struct DeviceState {
  DeviceInfo info;
  codegen::Target target;
  device::ClassifyLimits limits;

  // CUDA
  cuda::Ordinal ordinal = 0;
  bool reads_pageable_memory = false; ///< kernels may touch any host memory
  bool has_memory_pools = true;       ///< memory can be taken and given back in order of a stream

  bool is_cuda() const noexcept { return info.kind == DeviceKind::cuda; }
  /// Retained on first use, for as long as the process lives, and again where the host has reset it
  /// since. Throws Error(driver).
  cuda::Context primary_context() const;
  /// Retained once more, whatever is thought of it.
  cuda::Context renew_primary_context() const;

private:
  mutable std::mutex primary_mutex_;
  mutable std::atomic<cuda::Context> primary_ = nullptr;
};

/// Throws Error(invalid_argument) for a public handle that holds nothing: `what` ("device") is
/// taken from `maker` ("Device::open").
[[noreturn]] void refuse_empty(const char* what, const char* maker);

/// Lets the runtime make and open the public handle.
struct DeviceAccess {
  static Device make(std::shared_ptr<DeviceState> state) { return Device(std::move(state)); }
  /// Throws Error(invalid_argument) for an empty handle.
  static const std::shared_ptr<DeviceState>& state(const Device& device) {
    if (!device.state_) [[unlikely]]
      refuse_empty("device", "Device::open");
    return device.state_;
  }
};

namespace device {

/// Every CUDA GPU that the driver lists and Swage can compile for, then the CPU. Creates no
/// context.
const std::vector<std::shared_ptr<DeviceState>>& all_devices();

/// The device with this id, or "" for the default. Throws Error(no_device).
std::shared_ptr<DeviceState> open_device(std::string_view id);

/// What is worth a variant on a GPU of compute capability `sm`, see codegen::Target.
ClassifyLimits cuda_limits(int sm) noexcept;

} // namespace device
} // namespace swage
