// cub_peer.cu -- SwiGLU forward as a C++ user with nvcc writes it: CUB's DeviceTransform. A shared
// library for compare_triton.py, which builds it where nvcc is.
#include <cstdint>

#include <cub/device/device_transform.cuh>
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

template <typename T>
int transform(const void* gate, const void* up, void* h, std::int64_t count, void* stream) {
  return cub::DeviceTransform::Transform(
      cuda::std::make_tuple(static_cast<const T*>(gate), static_cast<const T*>(up)),
      static_cast<T*>(h), count, SwiGlu<T>{}, static_cast<cudaStream_t>(stream));
}

} // namespace

/// `type`: 0 f32, 1 f16, 2 bf16. Returns a cudaError_t.
extern "C" int cub_swiglu(int type, const void* gate, const void* up, void* h, std::int64_t count,
                          void* stream) {
  switch (type) {
  case 0: return transform<float>(gate, up, h, count, stream);
  case 1: return transform<__half>(gate, up, h, count, stream);
  default: return transform<__nv_bfloat16>(gate, up, h, count, stream);
  }
}
