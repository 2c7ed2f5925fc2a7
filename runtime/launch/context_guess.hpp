// context_guess.hpp -- what a thread takes its current CUDA context to be.
#pragma once

#include "runtime/cuda/context.hpp"
#include "runtime/device/device.hpp"

namespace swage::launch {

/// Asking before every launch would cost a driver call each time, so a launch is tried as if the
/// context were the one of last time, and the driver says if it is not.
class ContextGuess {
public:
  /// Of this thread. A thread that goes from device to device keeps one guess for each.
  static ContextGuess& of(const DeviceState& device) noexcept;

  /// The context that a launch is tried in. Asks first for a while after the thread has changed it,
  /// for it is likely to do so again.
  cuda::Context handle();
  /// Whether a stream may be of that context: it has not turned out to be of another.
  bool may_have(cuda::StreamHandle stream) const noexcept {
    return !stream || stream != foreign_stream_;
  }
  /// Asks for the current context and for the one that a launch on `stream` works in, which it
  /// returns. Throws as device::context_for does.
  cuda::ContextRef find(const DeviceState& device, cuda::StreamHandle stream);

private:
  void take(cuda::Context current) noexcept;

  cuda::Context handle_ = nullptr;
  /// The last stream that turned out to be of a context other than the current one.
  cuda::StreamHandle foreign_stream_ = nullptr;
  int watched_ = 0; ///< launches left that ask first
};

} // namespace swage::launch
