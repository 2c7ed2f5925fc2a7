// reach.cpp -- whether a stream and tensors belong to the device that a kernel is for.
#include <fmt/format.h>

#include "runtime/kernel.hpp"
#include "swage/error.hpp"

namespace swage::runtime {

namespace {

cuda::Ordinal device_of(cuda::Context context) {
  const ContextScope scope(context);
  cuda::Ordinal ordinal = -1;
  cuda::driver().cuCtxGetDevice(&ordinal);
  return ordinal;
}

[[noreturn]] void refuse_memory(const Signature& signature, std::uint8_t param,
                                const std::string& where, const DeviceState& device) {
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("tensor '{}' lies in {}, which kernels on {} cannot reach; copy it there, "
                  "or use a kernel of its own device",
                  signature.names[param], where, device.info.id));
}

} // namespace

cuda::Context context_for(const DeviceState& device, cuda::StreamHandle stream) {
  if (!device.is_cuda())
    return nullptr;
  const ContextScope scope(device);
  if (cuda::is_special(stream))
    return scope.context();
  cuda::Context context = nullptr;
  const cuda::Result result = cuda::driver().cuStreamGetCtx.raw(stream, &context);
  if (result != cuda::Result::success)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the stream is not one that the driver knows ({}); pass a CUstream or "
                            "cudaStream_t that is alive",
                            cuda::describe(result)));
  if (const cuda::Ordinal ordinal = device_of(context); ordinal != device.ordinal)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the stream belongs to cuda:{}, but the kernel is for {}; use a stream "
                            "of the kernel's device, or a kernel of the stream's",
                            ordinal, device.info.id));
  return context;
}

void check_reachable(const DeviceState& device, cuda::Context context, const Signature& signature,
                     const Call& call) {
  const ContextScope scope(context);
  const auto& get = cuda::driver().cuPointerGetAttribute;
  for (std::size_t t = 0; t < signature.tensors.size(); ++t) {
    const auto pointer = reinterpret_cast<cuda::DevicePointer>(call.tensors[t].data);
    cuda::DevicePointer reachable = 0;
    // Succeeds for memory that kernels in the current context may access, peers' and the host's
    // included.
    if (get.raw(&reachable, cuda::PointerAttribute::device_pointer, pointer) ==
        cuda::Result::success)
      continue;
    int ordinal = -1;
    if (get.raw(&ordinal, cuda::PointerAttribute::device_ordinal, pointer) == cuda::Result::success)
      refuse_memory(signature, signature.tensors[t], fmt::format("memory of cuda:{}", ordinal),
                    device);
    if (!device.reads_pageable_memory)
      refuse_memory(signature, signature.tensors[t], "host memory", device);
  }
}

} // namespace swage::runtime
