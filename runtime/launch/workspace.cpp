// workspace.cpp -- memory between the launches of one call.
#include "runtime/launch/workspace.hpp"

#include <cstdlib>
#include <new>

#include "runtime/cuda/objects.hpp"
#include "swage/error.hpp"

namespace swage::launch {

Workspace::Workspace(void* given, std::size_t bytes, bool has_memory_pools,
                     cuda::StreamHandle stream)
    : data_(given), stream_(stream) {
  if (data_ || bytes == 0)
    return;
  in_order_ = has_memory_pools;
  if (!in_order_) {
    take_at_once(bytes);
    return;
  }
  const cuda::Result result = cuda::driver().cuMemAllocAsync.raw(&taken_, bytes, stream);
  if (result != cuda::Result::success && !cuda::is_about_context(result))
    cuda::fail("cuMemAllocAsync", result);
  result_ = result;
  data_ = reinterpret_cast<void*>(static_cast<std::uintptr_t>(taken_));
}

void Workspace::take_at_once(std::size_t bytes) {
  cuda::CaptureStatus status = cuda::CaptureStatus::none;
  cuda::driver().cuStreamIsCapturing(stream_, &status);
  if (status != cuda::CaptureStatus::none)
    throw Error(ErrorCode::not_prepared,
                "the call needs a workspace, and this device has no memory pools to take one from "
                "while its stream is being captured; pass one of workspace_bytes to the launch");
  const cuda::RelaxedCapture relaxed; // of other streams
  cuda::driver().cuMemAlloc_v2(&taken_, bytes);
  data_ = reinterpret_cast<void*>(static_cast<std::uintptr_t>(taken_));
}

Workspace::~Workspace() {
  if (taken_ == 0)
    return;
  if (in_order_) {
    cuda::driver().cuMemFreeAsync.raw(taken_, stream_);
    return;
  }
  cuda::CaptureMode mode = cuda::CaptureMode::relaxed;
  cuda::driver().cuThreadExchangeStreamCaptureMode.raw(&mode);
  cuda::driver().cuStreamSynchronize.raw(stream_);
  cuda::driver().cuMemFree_v2.raw(taken_);
  cuda::driver().cuThreadExchangeStreamCaptureMode.raw(&mode);
}

HostWorkspace::HostWorkspace(std::int64_t bytes) {
  constexpr std::size_t kAlignment = 64;
  const auto whole = (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  memory_.reset(std::aligned_alloc(kAlignment, whole));
  if (!memory_)
    throw std::bad_alloc();
}

void HostWorkspace::Free::operator()(void* memory) const noexcept {
  std::free(memory);
}

} // namespace swage::launch
