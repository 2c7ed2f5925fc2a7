// driver_context.cpp -- entry points: contexts.
#include "emulator/driver_state.hpp"

using namespace swage::fake;

namespace {

void create(Context** context, int ordinal) {
  State& s = state();
  require(context != nullptr);
  require(ordinal >= 0 && static_cast<std::size_t>(ordinal) < s.devices.size(),
          Result::invalid_device);
  *context = &make_context(*s.devices[static_cast<std::size_t>(ordinal)]);
  context_stack().push_back(*context);
}

} // namespace

FAKE_CUDA_EXPORT int cuCtxCreate_v2(Context** context, unsigned, int ordinal) {
  return call("cuCtxCreate_v2", kInitialized | kUnsafe, [&] { create(context, ordinal); });
}

FAKE_CUDA_EXPORT int cuCtxCreate_v4(Context** context, void*, unsigned, int ordinal) {
  return call("cuCtxCreate_v4", kInitialized | kUnsafe, [&] { create(context, ordinal); });
}

FAKE_CUDA_EXPORT int cuCtxDestroy_v2(Context* context) {
  return call("cuCtxDestroy_v2", kInitialized, [&] {
    require(!checked(context).primary, Result::invalid_context);
    if (!context_stack().empty() && context_stack().back() == context)
      context_stack().pop_back();
    destroy_context(*context);
  });
}

FAKE_CUDA_EXPORT int cuCtxGetCurrent(Context** context) {
  return call("cuCtxGetCurrent", kInitialized, [&] {
    require(context != nullptr);
    *context = context_stack().empty() ? nullptr : context_stack().back();
  });
}

FAKE_CUDA_EXPORT int cuCtxSetCurrent(Context* context) {
  return call("cuCtxSetCurrent", kInitialized, [&] {
    if (context != nullptr)
      checked(context);
    if (!context_stack().empty())
      context_stack().pop_back();
    if (context != nullptr)
      context_stack().push_back(context);
  });
}

FAKE_CUDA_EXPORT int cuCtxPushCurrent_v2(Context* context) {
  return call("cuCtxPushCurrent_v2", kInitialized,
              [&] { context_stack().push_back(&checked(context)); });
}

FAKE_CUDA_EXPORT int cuCtxPopCurrent_v2(Context** context) {
  return call("cuCtxPopCurrent_v2", kInitialized, [&] {
    require(!context_stack().empty(), Result::invalid_context);
    if (context != nullptr)
      *context = context_stack().back();
    context_stack().pop_back();
  });
}

FAKE_CUDA_EXPORT int cuCtxGetDevice(int* ordinal) {
  return call("cuCtxGetDevice", kInitialized, [&] {
    require(!context_stack().empty(), Result::invalid_context);
    *ordinal = checked(context_stack().back()).device->ordinal;
  });
}

FAKE_CUDA_EXPORT int cuCtxGetId(Context* context, unsigned long long* id) {
  return call("cuCtxGetId", kInitialized, [&] {
    require(context != nullptr || !context_stack().empty(), Result::invalid_context);
    *id = checked(context != nullptr ? context : context_stack().back()).id;
  });
}

FAKE_CUDA_EXPORT int cuCtxSynchronize() {
  return call("cuCtxSynchronize", kContext, [] {
    // Not by the thread's mode: waiting for all streams would wait for those that capture.
    bool broken = false;
    for (const auto& capture : state().captures) {
      if (capture->origin->context == &current_context()) {
        capture->invalidated = true;
        broken = true;
      }
    }
    require(!broken, Result::stream_capture_unsupported);
    land();
  });
}
