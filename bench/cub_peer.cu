// cub_peer.cu -- SwiGLU forward as a C++ user with nvcc writes it: CUB's DeviceTransform. A shared
// library for peers.py, which builds it where nvcc is.
#include <cstdint>

#include <cub/device/device_transform.cuh>
#include <cub/version.cuh>
#include <cuda/functional>
#include <cuda/std/tuple>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

template <typename T>
struct SwiGlu {
  __device__ T operator()(T gate, T up) const {
    const float g = static_cast<float>(gate);
    return static_cast<T>(g / (1.0f + __expf(-g)) * static_cast<float>(up));
  }
};

struct Call {
  const void* gate;
  const void* up;
  void* h;
  std::int64_t count;
  cudaStream_t stream;
};

template <typename T, typename Function>
int transform(const Call& call, Function function) {
  return cub::DeviceTransform::Transform(
      cuda::std::make_tuple(static_cast<const T*>(call.gate), static_cast<const T*>(call.up)),
      static_cast<T*>(call.h), call.count, function, call.stream);
}

template <typename T>
int transform(const Call& call, bool copyable) {
  return copyable ? transform<T>(call, cuda::proclaim_copyable_arguments(SwiGlu<T>{}))
                  : transform<T>(call, SwiGlu<T>{});
}

} // namespace

/// `type`: 0 f32, 1 f16, 2 bf16. `copyable`: not 0 promises that arguments may be copied before the
/// call, so that they need not be read where they lie. Returns a cudaError_t.
extern "C" int cub_swiglu(int type, int copyable, const void* gate, const void* up, void* h,
                          std::int64_t count, void* stream) {
  const Call call{gate, up, h, count, static_cast<cudaStream_t>(stream)};
  switch (type) {
  case 0: return transform<float>(call, copyable != 0);
  case 1: return transform<__half>(call, copyable != 0);
  default: return transform<__nv_bfloat16>(call, copyable != 0);
  }
}

/// Major, minor and patch version of the headers it was built with, as 10000 * major + 100 * minor
/// + patch.
extern "C" int cub_version() {
  return 10000 * CUB_MAJOR_VERSION + 100 * CUB_MINOR_VERSION + CUB_SUBMINOR_VERSION;
}
