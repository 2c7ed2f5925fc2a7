// reload.cpp -- libswage.so loaded, used and given back several times over in one process.
//
//   reload LIBSWAGE
#include <cstdint>
#include <cstdio>

#include <dlfcn.h>

#include "swage/swage.h"

namespace {

#define SWAGE(name) reinterpret_cast<decltype(name)*>(dlsym(swage, #name))

constexpr std::int64_t kElements = 1 << 20; // for the threads of a pool
float x[kElements], y[kElements];

DLTensor tensor(float* data, std::int64_t* shape) {
  DLTensor result = {};
  result.data = data;
  result.device.device_type = kDLCPU;
  result.ndim = 1;
  result.dtype = {kDLFloat, 32, 1};
  result.shape = shape;
  return result;
}

bool use(void* swage, int round) {
  char text[100];
  std::snprintf(text, sizeof text, "kernel k(x: in f32, y: out f32) { y = x * %d; }", round + 2);
  std::int64_t shape[] = {kElements};
  DLTensor in = tensor(x, shape), out = tensor(y, shape);
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  swage_device* device = nullptr;
  swage_kernel* kernel = nullptr;
  x[kElements - 1] = 3;
  const bool right =
      SWAGE(swage_device_open)("cpu", &device) == SWAGE_OK &&
      SWAGE(swage_kernel_create)(device, text, nullptr, nullptr, 0, nullptr, &kernel) == SWAGE_OK &&
      SWAGE(swage_kernel_launch)(kernel, nullptr, args, 2) == SWAGE_OK &&
      y[kElements - 1] == static_cast<float>(3 * (round + 2));
  if (!right)
    std::fprintf(stderr, "round %d: %s\n", round, SWAGE(swage_last_error)());
  SWAGE(swage_kernel_destroy)(kernel);
  SWAGE(swage_device_close)(device);
  return right;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2)
    return 2;
  for (int round = 0; round < 5; ++round) {
    void* const swage = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!swage) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    if (!use(swage, round))
      return 1;
    dlclose(swage);
  }
  return 0;
}
