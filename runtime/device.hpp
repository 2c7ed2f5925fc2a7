// device.hpp -- the devices of this process, and the CUDA context that a call works in.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "codegen/target.hpp"
#include "runtime/classify.hpp"
#include "runtime/cuda/context.hpp"
#include "runtime/cuda/driver.hpp"
#include "swage/error.hpp"
#include "swage/swage.hpp"

namespace swage {

/// One device. Made once, never destroyed: handles, kernels and buffers may outlive main.
struct DeviceState {
  DeviceInfo info;
  codegen::Target target;
  runtime::ClassifyLimits limits;

  // CUDA
  cuda::Ordinal ordinal = 0;
  bool reads_pageable_memory = false; ///< kernels may touch any host memory

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

/// Lets the runtime make and open the public handle.
struct DeviceAccess {
  static Device make(std::shared_ptr<DeviceState> state) { return Device(std::move(state)); }
  static const std::shared_ptr<DeviceState>& state(const Device& device) { return device.state_; }
};

namespace runtime {

/// Every CUDA GPU that the driver lists and Swage can compile for, then the CPU. Creates no
/// context.
const std::vector<std::shared_ptr<DeviceState>>& all_devices();

/// The device with this id, or "" for the default. Throws Error(no_device).
std::shared_ptr<DeviceState> open_device(std::string_view id);

/// What is worth a variant on a GPU of compute capability `sm`, see codegen::Target.
ClassifyLimits cuda_limits(int sm) noexcept;

/// What the CPU is.
DeviceInfo describe_cpu();
/// The processors that this process may run on.
int allowed_processors();

/// Makes a context of `device` current for its lifetime: the caller's own if it belongs to the
/// device, else the primary one. Afterwards the caller's is current again.
class ContextScope {
public:
  explicit ContextScope(const DeviceState& device);
  /// Makes `context` current. Throws Error(driver, invalid_context) if it is gone.
  explicit ContextScope(const cuda::ContextRef& context);
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope();

  const cuda::ContextRef& context() const noexcept { return context_; }

private:
  void push(cuda::Context handle);
  void leave() noexcept;

  cuda::ContextRef context_;
  bool pushed_ = false;
};

/// Runs `body`, and once more if it fails because a context was reset or destroyed: the primary
/// context of `device` is alive by then.
template <typename Body>
void with_live_context(const DeviceState& device, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (!cuda::is_about_context(static_cast<cuda::Result>(error.driver_result())))
      throw;
  }
  device.renew_primary_context();
  body();
}

} // namespace runtime
} // namespace swage
