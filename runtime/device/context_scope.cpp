// context_scope.cpp -- the CUDA context that a call works in.
#include "runtime/device/context_scope.hpp"

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::device {

ContextScope::ContextScope(const DeviceState& device) {
  const cuda::Driver& driver = cuda::driver();
  cuda::Context current = nullptr;
  driver.cuCtxGetCurrent(&current);
  cuda::Ordinal ordinal = -1;
  unsigned long long id = 0;
  if (current && driver.cuCtxGetDevice.raw(&ordinal) == cuda::Result::success &&
      ordinal == device.ordinal && driver.cuCtxGetId.raw(current, &id) == cuda::Result::success) {
    context_ = {current, id};
    return;
  }
  push(device.primary_context());
}

ContextScope::ContextScope(const cuda::ContextRef& context) {
  cuda::Context current = nullptr;
  cuda::driver().cuCtxGetCurrent(&current);
  if (current == context.handle)
    context_ = cuda::identify(current);
  else
    push(context.handle);
  if (context_ == context)
    return;
  leave();
  throw Error(ErrorCode::driver,
              "the CUDA context was reset or destroyed, and what was made in it is gone; allocate "
              "memory and make streams again",
              {}, static_cast<int>(cuda::Result::invalid_context));
}

void ContextScope::push(cuda::Context handle) {
  cuda::driver().cuCtxPushCurrent_v2(handle);
  pushed_ = true;
  try {
    context_ = cuda::identify(handle);
  } catch (...) {
    leave();
    throw;
  }
}

void ContextScope::leave() noexcept {
  cuda::Context popped = nullptr;
  if (pushed_)
    cuda::driver().cuCtxPopCurrent_v2.raw(&popped);
}

ContextScope::~ContextScope() {
  leave();
}

namespace {

cuda::Ordinal device_of(const cuda::ContextRef& context) {
  const ContextScope scope(context);
  cuda::Ordinal ordinal = -1;
  cuda::driver().cuCtxGetDevice(&ordinal);
  return ordinal;
}

} // namespace

cuda::ContextRef context_for(const DeviceState& device, cuda::StreamHandle stream) {
  if (!device.is_cuda())
    return {};
  const ContextScope scope(device);
  if (cuda::is_special(stream))
    return scope.context();
  cuda::Context handle = nullptr;
  const cuda::Result result = cuda::driver().cuStreamGetCtx.raw(stream, &handle);
  if (result != cuda::Result::success)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the stream is not one that the driver knows ({}); pass a CUstream or "
                            "cudaStream_t that is alive",
                            cuda::describe(result)));
  const cuda::ContextRef context = cuda::identify(handle);
  if (const cuda::Ordinal ordinal = device_of(context); ordinal != device.ordinal)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the stream belongs to cuda:{}, but the kernel is for {}; use a stream "
                            "of the kernel's device, or a kernel of the stream's",
                            ordinal, device.info.id));
  return context;
}

} // namespace swage::device
