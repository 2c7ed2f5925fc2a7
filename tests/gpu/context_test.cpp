// context_test.cpp -- a reset of the primary context, on the device at hand. Other tests of this
// program make everything anew, so it may run among them.
#include <dlfcn.h>

#include "runtime/cuda/context.hpp"
#include "tests/support/device_support.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Resets a device's primary context by the driver that is loaded already.
bool reset(int index) {
  const char* path = std::getenv("SWAGE_LIBCUDA_PATH");
  void* library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (!library)
    return false;
  const auto call = reinterpret_cast<int (*)(int)>(dlsym(library, "cuDevicePrimaryCtxReset_v2"));
  return call && call(index) == 0;
}

} // namespace

TEST_CASE("kernels run again after a reset of the context, retained by the host or not") {
  const auto device = gpu();
  if (!device)
    return;
  const int index = device->info().index;
  const Kernel kernel = device->kernel("kernel again(x: in f32, y: out f32) { y = x * 3; }", "");
  for (const bool retained : {true, false, true}) {
    std::optional<Buffer> left = device->allocate(4096);
    {
      const DeviceArray x(*device, counting(1000)), y(*device, std::vector<float>(1000));
      kernel.launch(nullptr, {x.tensor(), y.tensor()});
      device->synchronize();
      CHECK(y.get()[999] == 2997);
    }
    REQUIRE(reset(index));
    std::optional<CurrentDevice> current;
    if (retained)
      current.emplace(index);
    const DeviceArray x(*device, counting(1000)), y(*device, std::vector<float>(1000));
    left.reset(); // must not free what may have its address now
    kernel.launch(nullptr, {x.tensor(), y.tensor()});
    device->synchronize();
    CHECK(y.get()[999] == 2997);
  }
}
