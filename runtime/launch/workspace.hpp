// workspace.hpp -- memory between the launches of one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/cuda/types.hpp"

namespace swage::launch {

/// Device memory: the workspace that a call brings, or memory taken in the order of its stream and
/// given back in it, so that streams keep out of each other's way and a capture gets nodes of its
/// graph. Where the device has no memory pools, memory is taken and given back at once, and the
/// stream waited for in between: a capture is refused there, for it would need memory that outlives
/// the call.
class Workspace {
public:
  /// Throws Error(not_prepared) for such a capture, Error(out_of_memory) and Error(driver).
  /// `given` is taken where it is not null; where `bytes` is 0 there is none.
  Workspace(void* given, std::size_t bytes, bool has_memory_pools, cuda::StreamHandle stream);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  /// What the driver said where the context is not what was thought; nothing is to be launched
  /// then.
  cuda::Result result() const noexcept { return result_; }
  void* data() const noexcept { return data_; }

private:
  void take_at_once(std::size_t bytes);

  void* data_ = nullptr;
  cuda::DevicePointer taken_ = 0;
  cuda::StreamHandle stream_ = nullptr;
  bool in_order_ = false;
  cuda::Result result_ = cuda::Result::success;
};

/// The same of the CPU, where calls do not bring any. Throws std::bad_alloc.
class HostWorkspace {
public:
  explicit HostWorkspace(std::int64_t bytes);
  void* data() const noexcept { return memory_.get(); }

private:
  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::unique_ptr<void, Free> memory_;
};

} // namespace swage::launch
