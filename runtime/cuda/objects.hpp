// objects.hpp -- streams, events and graphs that give themselves back.
#pragma once

#include <utility>

#include "runtime/cuda/context.hpp"
#include "runtime/cuda/driver.hpp"

namespace swage::cuda {

/// Owns a handle that `destroy`, a member of the driver table, gives back.
template <typename Handle, auto destroy>
class Owned {
public:
  Owned() = default;
  explicit Owned(Handle handle) noexcept : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_)
      (driver().*destroy).raw(handle_);
  }
  Handle get() const noexcept { return handle_; }

private:
  Handle handle_{};
};

using OwnedStream = Owned<StreamHandle, &Driver::cuStreamDestroy_v2>;
using OwnedEvent = Owned<Event, &Driver::cuEventDestroy_v2>;
using OwnedGraph = Owned<Graph, &Driver::cuGraphDestroy>;
using OwnedGraphExec = Owned<GraphExec, &Driver::cuGraphExecDestroy>;
using OwnedMemory = Owned<DevicePointer, &Driver::cuMemFree_v2>;

inline OwnedMemory allocate(std::size_t bytes) {
  DevicePointer memory = 0;
  driver().cuMemAlloc_v2(&memory, bytes);
  return OwnedMemory(memory);
}

inline OwnedStream make_stream() {
  StreamHandle stream = nullptr;
  driver().cuStreamCreate(&stream, kStreamNonBlocking);
  return OwnedStream(stream);
}

inline OwnedEvent make_event() {
  Event event = nullptr;
  driver().cuEventCreate(&event, 0);
  return OwnedEvent(event);
}

/// Loading code and allocating are forbidden by a capture in progress unless this thread is exempt:
/// under a global capture of any thread they would fail and break the capture.
class RelaxedCapture {
public:
  RelaxedCapture() { driver().cuThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;
  ~RelaxedCapture() { driver().cuThreadExchangeStreamCaptureMode.raw(&mode_); }

private:
  CaptureMode mode_ = CaptureMode::relaxed;
};

/// What `body` launches on `stream`, as a graph that can be launched again and again.
template <typename Body>
OwnedGraphExec capture(StreamHandle stream, const Body& body) {
  std::shared_lock undisturbed(own_captures());
  driver().cuStreamBeginCapture_v2(stream, CaptureMode::thread_local_);
  Graph graph = nullptr;
  try {
    body();
  } catch (...) {
    driver().cuStreamEndCapture.raw(stream, &graph);
    const OwnedGraph dropped(graph);
    throw;
  }
  driver().cuStreamEndCapture(stream, &graph);
  undisturbed.unlock();
  const OwnedGraph owned(graph);
  GraphExec executable = nullptr;
  driver().cuGraphInstantiateWithFlags(&executable, graph, 0);
  return OwnedGraphExec(executable);
}

} // namespace swage::cuda
