// context_scope.hpp -- the CUDA context that a call works in.
#pragma once

#include "runtime/cuda/context.hpp"
#include "runtime/device/device.hpp"
#include "swage/error.hpp"

namespace swage::device {

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

/// The context that a launch on `stream` of `device` works in: the stream's own, or for the streams
/// that stand for a context's default the one that ContextScope would make current. Empty for the
/// CPU. Takes several queries of the driver. Throws Error(invalid_argument) for a stream of another
/// device.
cuda::ContextRef context_for(const DeviceState& device, cuda::StreamHandle stream);

} // namespace swage::device
