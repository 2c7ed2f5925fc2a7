// context_guess.cpp -- what a thread takes its current CUDA context to be.
#include "runtime/launch/context_guess.hpp"

#include <algorithm>

#include "runtime/cuda/driver.hpp"
#include "runtime/device/context_scope.hpp"

namespace swage::launch {

ContextGuess& ContextGuess::of(const DeviceState& device) noexcept {
  constexpr std::size_t kDevices = 16; // more of them share
  thread_local ContextGuess guesses[kDevices];
  return guesses[static_cast<std::size_t>(device.ordinal) % kDevices];
}

cuda::Context ContextGuess::handle() {
  if (watched_ > 0) [[unlikely]] {
    cuda::Context current = nullptr;
    cuda::driver().cuCtxGetCurrent(&current);
    take(current);
  }
  return handle_;
}

cuda::ContextRef ContextGuess::find(const DeviceState& device, cuda::StreamHandle stream) {
  cuda::Context current = nullptr;
  cuda::driver().cuCtxGetCurrent(&current);
  take(current);
  const cuda::ContextRef context = device::context_for(device, stream);
  foreign_stream_ = context.handle == current ? nullptr : stream;
  return context;
}

void ContextGuess::take(cuda::Context current) noexcept {
  constexpr int kWatched = 64;
  if (handle_ == current) {
    watched_ = std::max(0, watched_ - 1);
    return;
  }
  watched_ = handle_ ? kWatched : 0;
  handle_ = current;
}

} // namespace swage::launch
