// warm_launch_test.cpp -- a warm launch is one driver call and allocates nothing.
#include <cstdlib>
#include <new>

#include "tests/runtime_cuda/fake_device.hpp"

namespace {

thread_local bool counting_allocations = false;
thread_local int allocations = 0;

} // namespace

void* operator new(std::size_t bytes) {
  allocations += counting_allocations;
  if (void* memory = std::malloc(bytes))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

#ifdef __SANITIZE_ADDRESS__
// libLLVM's deletes come to the operators above, while some of its news are libstdc++'s own.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "alloc_dealloc_mismatch=0";
}
#endif

using namespace swage;
using namespace swage::test;

namespace {

int launches = 0;

/// Puts a launch that does nothing in the driver's place, so that what is counted is Swage's own.
class SilentLaunches {
public:
  SilentLaunches() : driver_(*cuda::loaded_driver), before_(cuda::loaded_driver) {
    driver_.cuLaunchKernelEx.raw = [](const cuda::LaunchConfig*, cuda::Function, void**, void**) {
      ++launches;
      return cuda::Result::success;
    };
    cuda::loaded_driver = &driver_;
  }
  SilentLaunches(const SilentLaunches&) = delete;
  SilentLaunches& operator=(const SilentLaunches&) = delete;
  ~SilentLaunches() { cuda::loaded_driver = before_; }

private:
  cuda::Driver driver_;
  const cuda::Driver* before_;
};

void check_warm(const Kernel& kernel, const std::vector<Arg>& args) {
  kernel.launch(nullptr, args);
  const SilentLaunches silent;
  swage_fake_cuda_reset();
  launches = 0;
  allocations = 0;
  counting_allocations = true;
  for (int i = 0; i < 10; ++i)
    kernel.launch(nullptr, args);
  counting_allocations = false;
  CHECK(launches == 10);
  CHECK(calls(nullptr) == 0); // of any other entry point
  CHECK(allocations == 0);
}

} // namespace

TEST_CASE("a warm launch is one driver call and no allocation") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel swiglu = device.catalogue_kernel("swiglu", {{"T", f32}});
  const DeviceArray gate(device, counting(4096)), up(device, counting(4096)),
      h(device, std::vector<float>(4096));
  const Tensor g = gate.tensor(), u = up.tensor(), out = h.tensor();

  SECTION("contiguous") {
    check_warm(swiglu, {g, u, out});
  }
  SECTION("in place") {
    check_warm(swiglu, {g, u, u});
  }
  SECTION("rows with a stride") {
    const Tensor rows(g.data, f32, {8, 100}, {512, 1}), more(u.data, f32, {8, 100}, {512, 1}),
        dense(out.data, f32, {8, 100});
    check_warm(swiglu, {rows, more, dense});
  }
  SECTION("rank 4, permuted, with a scalar") {
    const Kernel kernel =
        device.kernel("kernel k(x: in f32, s: f32, y: out f32) { y = x * s; }", "");
    const Tensor x(g.data, f32, {2, 4, 8, 8}, {256, 1, 32, 4}),
        y(out.data, f32, {2, 4, 8, 8}, {256, 1, 32, 4});
    check_warm(kernel, {x, 2.5, y});
  }
}
