// reach.cpp -- whether tensors lie in memory that the device of a kernel can reach.
#include "runtime/launch/reach.hpp"

#include <fmt/format.h>

#include "runtime/device/context_scope.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// Where memory lies. `shared` is managed memory and host memory that CUDA maps; `unknown` what the
/// driver has not heard of.
struct Place {
  enum Kind { device, shared, unknown } kind = unknown;
  cuda::Ordinal ordinal = -1;
};

template <typename T>
bool query(T& value, cuda::PointerAttribute attribute, cuda::DevicePointer pointer) {
  return cuda::driver().cuPointerGetAttribute.raw(&value, attribute, pointer) ==
         cuda::Result::success;
}

Place place_of(cuda::DevicePointer pointer) {
  Place place;
  unsigned type = 0, managed = 0;
  if (!query(type, cuda::PointerAttribute::memory_type, pointer) ||
      !query(place.ordinal, cuda::PointerAttribute::device_ordinal, pointer))
    return place;
  query(managed, cuda::PointerAttribute::is_managed, pointer);
  place.kind = type == cuda::kMemoryTypeDevice && managed == 0 ? Place::device : Place::shared;
  return place;
}

/// Whether kernels in the current context may access memory of another device, as its peer.
bool has_access(cuda::DevicePointer pointer) {
  unsigned flags = 0;
  return query(flags, cuda::PointerAttribute::access_flags, pointer) && flags != 0;
}

[[noreturn]] void refuse_memory(const std::string& what, const std::string& where,
                                const DeviceState& device) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} lies in {}, which kernels on {} cannot reach; copy it there, "
                          "or use a kernel of its own device",
                          what, where, device.info.id));
}

void check_reachable(const DeviceState& device, const void* data, const std::string& what) {
  const auto pointer = reinterpret_cast<cuda::DevicePointer>(data);
  const Place place = place_of(pointer);
  if (place.kind == Place::unknown && !device.reads_pageable_memory)
    refuse_memory(what, "host memory", device);
  if (place.kind == Place::device && place.ordinal != device.ordinal && !has_access(pointer))
    refuse_memory(what, fmt::format("memory of cuda:{}", place.ordinal), device);
}

} // namespace

void check_reachable(const DeviceState& device, const cuda::ContextRef& context,
                     const Signature& signature, const Call& call) {
  const device::ContextScope scope(context);
  for (std::size_t t = 0; t < signature.tensors.size(); ++t)
    if (call.tensors[t].data) // else nothing of it is touched, or it were refused before
      check_reachable(device, call.tensors[t].data,
                      fmt::format("tensor '{}'", signature.names[signature.tensors[t]]));
  if (call.valid_rows)
    check_reachable(device, call.valid_rows, "valid_rows");
}

} // namespace swage::launch
