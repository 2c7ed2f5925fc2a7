// new_tensor.cpp -- at::detail::empty_strided_cuda by its symbol, or the stable C ABI's function.
//
// The symbol spells the types of the parameters, so that a PyTorch which changes them no longer has
// it. What they look like to a caller (c10/util/ArrayRef.h, c10/core/Device.h,
// c10/core/ScalarType.h) is said once more here.
#include "new_tensor.hpp"

#include <cstddef>
#include <exception>
#include <new>
#include <optional>

#include <dlfcn.h>

namespace swage::torch {

namespace {

struct Sizes { // c10::IntArrayRef
  const std::int64_t* data;
  std::size_t count;
};
struct Device { // c10::Device
  std::int8_t type, index;
};
/// at::Tensor: one pointer, made where the caller has room for it.
struct Made {
  void* implementation;
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {}
};
using EmptyCuda = Made (*)(Sizes, Sizes, std::int8_t dtype, std::optional<Device>);

constexpr const char* kEmptyCuda =
    "_ZN2at6detail18empty_strided_cudaEN3c108ArrayRefIlEES3_NS1_10ScalarTypeESt8optionalINS1_"
    "6DeviceEE";

EmptyCuda empty_cuda() {
  static const auto found = [] {
    void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return library ? reinterpret_cast<EmptyCuda>(dlsym(library, kEmptyCuda)) : nullptr;
  }();
  return found;
}

/// Null where PyTorch throws: there is no memory.
Tensor new_on_gpu(EmptyCuda make, const NewTensor& wanted) {
  const auto count = static_cast<std::size_t>(wanted.rank);
  void* room = ::operator new(sizeof(Made)); // a handle points to an at::Tensor of new
  try {
    ::new (room) Made(make({wanted.sizes, count}, {wanted.strides, count},
                           static_cast<std::int8_t>(wanted.dtype),
                           Device{static_cast<std::int8_t>(wanted.device_type),
                                  static_cast<std::int8_t>(wanted.device_index)}));
  } catch (const std::exception&) {
    ::operator delete(room);
    return nullptr;
  }
  return static_cast<Tensor>(room);
}

} // namespace

Tensor new_tensor(const NewTensor& wanted) {
  if (wanted.device_type == shim().device_type_cuda())
    if (const EmptyCuda make = empty_cuda())
      return new_on_gpu(make, wanted);
  Tensor made = nullptr;
  const std::int32_t status =
      shim().empty_strided(wanted.rank, wanted.sizes, wanted.strides, wanted.dtype,
                           wanted.device_type, wanted.device_index, &made);
  return status == 0 ? made : nullptr;
}

} // namespace swage::torch
