// beside_llvm.cpp -- libswage.so in one process with another copy of LLVM, loaded first and
// globally.
//
//   beside_llvm LIBLLVM LIBSWAGE
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <dlfcn.h>

#include "swage/swage.h"

namespace {

void* open_library(const char* path, int flags) {
  if (void* library = dlopen(path, RTLD_NOW | flags))
    return library;
  std::fprintf(stderr, "%s\n", dlerror());
  std::exit(1);
}

/// A function of a library, by the type of its declaration or of a pointer to it.
template <typename F>
F* find(void* library, const char* name) {
  if (void* symbol = dlsym(library, name))
    return reinterpret_cast<F*>(symbol);
  std::fprintf(stderr, "%s\n", dlerror());
  std::exit(1);
}

#define SWAGE(name) find<decltype(name)>(swage, #name)

/// h = swiglu(gate, up) of three values on the CPU, through the C ABI.
bool run_swiglu(void* swage, const float* gate, const float* up, float* h) {
  std::int64_t length = 3;
  const float* data[] = {gate, up, h};
  DLTensor tensors[3] = {};
  swage_arg args[3];
  for (int i = 0; i < 3; ++i) {
    tensors[i].data = const_cast<float*>(data[i]);
    tensors[i].device.device_type = kDLCPU;
    tensors[i].ndim = 1;
    tensors[i].dtype = {kDLFloat, 32, 1};
    tensors[i].shape = &length;
    args[i] = swage_tensor(&tensors[i]);
  }
  const char* bindings[] = {"T=f32"};
  swage_device* device = nullptr;
  swage_kernel* kernel = nullptr;
  if (SWAGE(swage_device_open)("cpu", &device) == SWAGE_OK &&
      SWAGE(swage_kernel_from_catalogue)(device, "swiglu", bindings, 1, nullptr, &kernel) ==
          SWAGE_OK &&
      SWAGE(swage_kernel_launch)(kernel, nullptr, args, 3) == SWAGE_OK)
    return true;
  std::fprintf(stderr, "%s\n", SWAGE(swage_last_error)());
  return false;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3)
    return 2;
  void* const llvm = open_library(argv[1], RTLD_GLOBAL);
  void* const context = find<void*()>(llvm, "LLVMContextCreate")();
  void* const swage = open_library(argv[2], RTLD_LOCAL);
  const float gate[3] = {0, 1, 2}, up[3] = {1, 1, 1};
  float h[3] = {9, 9, 9};
  const bool ran = run_swiglu(swage, gate, up, h);
  find<void(void*)>(llvm, "LLVMContextDispose")(context);
  std::printf("h = %.4f %.4f %.4f beside %s\n", static_cast<double>(h[0]),
              static_cast<double>(h[1]), static_cast<double>(h[2]), argv[1]);
  const bool right =
      h[0] == 0 && h[1] > 0.7310f && h[1] < 0.7312f && h[2] > 1.7615f && h[2] < 1.7617f;
  return ran && right ? 0 : 1;
}
