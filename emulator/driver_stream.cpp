// driver_stream.cpp -- entry points: streams, stream capture and events.
#include "emulator/driver_state.hpp"

#include <algorithm>

using namespace swage::fake;

namespace {

void create(Stream** handle, unsigned flags, int priority) {
  require(handle != nullptr && flags <= kStreamNonBlocking);
  auto stream = reuse(state().spare_streams);
  stream->context = &current_context();
  stream->blocking = flags != kStreamNonBlocking;
  stream->priority = std::clamp(priority, -5, 0);
  *handle = keep(state().streams, std::move(stream));
}

/// Queries of the legacy stream would tell about streams that capture.
void check_not_implicit(const Stream& stream) {
  if (!stream.legacy)
    return;
  for (const auto& capture : state().captures)
    require(capture->origin->context != stream.context || !capture->origin->blocking,
            Result::stream_capture_implicit);
}

CaptureStatus status_of(const Stream& stream) {
  if (!stream.capture)
    return CaptureStatus::none;
  return stream.capture->invalidated ? CaptureStatus::invalidated : CaptureStatus::active;
}

/// Waiting for a stream breaks its capture.
void check_not_capturing(Stream& stream) {
  if (!stream.capture)
    return;
  stream.capture->invalidated = true;
  throw Refused{Result::stream_capture_unsupported};
}

void end_capture(Stream& stream, Graph** handle) {
  State& s = state();
  require(handle != nullptr);
  *handle = nullptr;
  const std::shared_ptr<Capture> capture = stream.capture;
  require(capture != nullptr, Result::illegal_state);
  require(capture->origin == &stream, Result::stream_capture_unmatched);
  require(capture->mode == CaptureMode::relaxed || capture->thread == std::this_thread::get_id(),
          Result::stream_capture_wrong_thread);
  for (const auto& [key, each] : s.streams)
    if (each->capture == capture)
      each->capture = nullptr;
  stream.capture = nullptr;
  std::erase(s.captures, capture);
  require(!capture->invalidated, Result::stream_capture_invalidated);
  require(capture->unjoined.empty(), Result::stream_capture_unjoined);
  auto graph = std::make_unique<Graph>();
  graph->operations = std::move(capture->operations);
  *handle = keep(s.graphs, std::move(graph));
}

void record(Event* handle, Stream* stream_handle, unsigned flags) {
  Event& event = checked(state().events, handle);
  Stream& stream = find_stream(stream_handle);
  require(event.context == stream.context, Result::invalid_handle);
  const auto mark = [handle] {
    const auto found = state().events.find(handle);
    if (found == state().events.end())
      return;
    found->second->recorded = true;
    found->second->time_ns = state().clock_ns;
  };
  event.stream = &stream;
  event.capture = stream.capture;
  if (!stream.capture || (flags & kEventRecordExternal) != 0)
    return submit(stream, mark);
  require(!stream.capture->invalidated, Result::stream_capture_invalidated);
}

/// Joins a stream to the capture that the event was recorded in, or back to its origin.
void wait(Stream& stream, const Event& event) {
  const std::shared_ptr<Capture>& capture = event.capture;
  if (!capture) {
    if (stream.capture && event.recorded) {
      stream.capture->invalidated = true;
      throw Refused{Result::stream_capture_isolation};
    }
    return;
  }
  const auto& captures = state().captures;
  require(std::find(captures.begin(), captures.end(), capture) != captures.end());
  require(!capture->invalidated, Result::stream_capture_invalidated);
  if (stream.legacy)
    check_legacy(*stream.context);
  require(!stream.capture || stream.capture == capture, Result::stream_capture_merge);
  if (&stream == capture->origin) {
    capture->unjoined.erase(event.stream);
  } else {
    stream.capture = capture;
    capture->unjoined.insert(&stream);
    if (event.stream != capture->origin)
      capture->unjoined.erase(event.stream);
  }
}

} // namespace

FAKE_CUDA_EXPORT int cuStreamCreate(Stream** stream, unsigned flags) {
  return call("cuStreamCreate", kContext, [&] { create(stream, flags, 0); });
}

FAKE_CUDA_EXPORT int cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
  return call("cuStreamCreateWithPriority", kContext, [&] { create(stream, flags, priority); });
}

FAKE_CUDA_EXPORT int cuStreamDestroy_v2(Stream* handle) {
  return call("cuStreamDestroy_v2", kInitialized, [&] {
    Stream& stream = checked(state().streams, handle);
    if (stream.capture && stream.capture->origin == &stream)
      std::erase(state().captures, stream.capture);
    else if (stream.capture)
      stream.capture->invalidated = true;
    state().streams.erase(handle);
  });
}

FAKE_CUDA_EXPORT int cuStreamSynchronize(Stream* handle) {
  return call("cuStreamSynchronize", kInitialized, [&] {
    Stream& stream = find_stream(handle);
    check_not_capturing(stream);
    if (stream.legacy) {
      check_legacy(*stream.context);
      land();
    }
    require(stream.context->fault == Result::success, stream.context->fault);
  });
}

FAKE_CUDA_EXPORT int cuStreamQuery(Stream* handle) {
  return call("cuStreamQuery", kInitialized, [&] {
    Stream& stream = find_stream(handle);
    check_not_capturing(stream);
    if (stream.legacy)
      land(); // what is asked about is done, as is all other work
    require(stream.context->fault == Result::success, stream.context->fault);
  });
}

FAKE_CUDA_EXPORT int cuStreamGetCtx(Stream* handle, Context** context) {
  return call("cuStreamGetCtx", kInitialized, [&] { *context = find_stream(handle).context; });
}

FAKE_CUDA_EXPORT int cuStreamGetFlags(Stream* handle, unsigned* flags) {
  return call("cuStreamGetFlags", kInitialized,
              [&] { *flags = find_stream(handle).blocking ? 0 : kStreamNonBlocking; });
}

FAKE_CUDA_EXPORT int cuStreamIsCapturing(Stream* handle, CaptureStatus* status) {
  return call("cuStreamIsCapturing", kInitialized, [&] {
    const Stream& stream = find_stream(handle);
    check_not_implicit(stream);
    *status = status_of(stream);
  });
}

FAKE_CUDA_EXPORT int cuStreamGetCaptureInfo_v2(Stream* handle, CaptureStatus* status,
                                               unsigned long long* id, Graph** graph,
                                               const void** dependencies, std::size_t* count) {
  return call("cuStreamGetCaptureInfo_v2", kInitialized, [&] {
    const Stream& stream = find_stream(handle);
    check_not_implicit(stream);
    *status = status_of(stream);
    if (id != nullptr)
      *id = stream.capture ? stream.capture->id : 0;
    if (graph != nullptr)
      *graph = nullptr;
    if (dependencies != nullptr)
      *dependencies = nullptr;
    if (count != nullptr)
      *count = 0;
  });
}

FAKE_CUDA_EXPORT int cuStreamBeginCapture_v2(Stream* handle, CaptureMode mode) {
  return call("cuStreamBeginCapture_v2", kInitialized, [&] {
    Stream& stream = find_stream(handle);
    require(!stream.legacy, Result::stream_capture_unsupported);
    require(stream.capture == nullptr, Result::illegal_state);
    require(mode >= CaptureMode::global && mode <= CaptureMode::relaxed);
    auto capture = std::make_shared<Capture>();
    capture->origin = &stream;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->id = state().next_id++;
    stream.capture = capture;
    state().captures.push_back(std::move(capture));
  });
}

FAKE_CUDA_EXPORT int cuStreamEndCapture(Stream* handle, Graph** graph) {
  return call("cuStreamEndCapture", kInitialized, [&] { end_capture(find_stream(handle), graph); });
}

FAKE_CUDA_EXPORT int cuThreadExchangeStreamCaptureMode(CaptureMode* mode) {
  return call("cuThreadExchangeStreamCaptureMode", kInitialized, [&] {
    require(mode != nullptr && *mode >= CaptureMode::global && *mode <= CaptureMode::relaxed);
    std::swap(*mode, thread_capture_mode());
  });
}

FAKE_CUDA_EXPORT int cuStreamWaitEvent(Stream* handle, Event* event, unsigned) {
  return call("cuStreamWaitEvent", kInitialized,
              [&] { wait(find_stream(handle), checked(state().events, event)); });
}

FAKE_CUDA_EXPORT int cuEventCreate(Event** handle, unsigned flags) {
  return call("cuEventCreate", kContext, [&] {
    require(handle != nullptr && flags < 8);
    auto event = std::make_unique<Event>();
    event->context = &current_context();
    event->timed = (flags & kEventDisableTiming) == 0;
    *handle = keep(state().events, std::move(event));
  });
}

FAKE_CUDA_EXPORT int cuEventDestroy_v2(Event* handle) {
  return call("cuEventDestroy_v2", kInitialized, [&] {
    checked(state().events, handle);
    state().events.erase(handle);
  });
}

FAKE_CUDA_EXPORT int cuEventRecord(Event* event, Stream* stream) {
  return call("cuEventRecord", kInitialized, [&] { record(event, stream, 0); });
}

FAKE_CUDA_EXPORT int cuEventRecordWithFlags(Event* event, Stream* stream, unsigned flags) {
  return call("cuEventRecordWithFlags", kInitialized, [&] { record(event, stream, flags); });
}

FAKE_CUDA_EXPORT int cuEventSynchronize(Event* handle) {
  return call("cuEventSynchronize", kInitialized | kUnsafe, [&] {
    const Event& event = checked(state().events, handle);
    require(!event.capture, Result::captured_event);
    require(event.context->fault == Result::success, event.context->fault);
  });
}

FAKE_CUDA_EXPORT int cuEventQuery(Event* handle) {
  return call("cuEventQuery", kInitialized | kUnsafe, [&] {
    const Event& event = checked(state().events, handle);
    require(!event.capture, Result::captured_event);
    require(event.context->fault == Result::success, event.context->fault);
  });
}

namespace {

void elapsed(float* milliseconds, const Event* start, const Event* end) {
  const Event& from = checked(state().events, start);
  const Event& to = checked(state().events, end);
  require(from.timed && to.timed && from.recorded && to.recorded, Result::invalid_handle);
  require(from.context == to.context, Result::invalid_handle);
  require(from.context->fault == Result::success, from.context->fault);
  State& s = state();
  s.jitter_state = s.jitter_state * 1664525u + 1013904223u;
  const double late = 1 + s.jitter * (s.jitter_state >> 8) * 0x1p-24;
  *milliseconds = static_cast<float>((to.time_ns - from.time_ns) * 1e-6 * late);
}

} // namespace

FAKE_CUDA_EXPORT int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  return call("cuEventElapsedTime", kInitialized, [&] { elapsed(milliseconds, start, end); });
}

FAKE_CUDA_EXPORT int cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end) {
  return call("cuEventElapsedTime_v2", kInitialized, [&] { elapsed(milliseconds, start, end); });
}
