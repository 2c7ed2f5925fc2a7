// warm_launch_test.cpp -- a warm launch is one driver call and allocates nothing.
#include <cstdlib>
#include <new>

#include "runtime/launch/kernel.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

extern "C" int cuCtxCreate_v2(swage::cuda::Context* context, unsigned flags, int device);
extern "C" int cuCtxDestroy_v2(swage::cuda::Context context);
extern "C" int cuCtxSetCurrent(swage::cuda::Context context);

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

int launches = 0, taken = 0, given_back = 0;
cuda::Function runnable = nullptr; ///< if not null, the one that the current context can run

/// Puts launches that do nothing, and memory that nobody reads, in the driver's place, so that what
/// is counted is Swage's own.
class SilentLaunches {
public:
  SilentLaunches() : driver_(*cuda::loaded_driver), before_(cuda::loaded_driver) {
    driver_.cuLaunchKernelEx.raw = [](const cuda::LaunchConfig*, cuda::Function function, void**,
                                      void**) {
      ++launches;
      return runnable && function != runnable ? cuda::Result::invalid_handle
                                              : cuda::Result::success;
    };
    driver_.cuMemAllocAsync.raw = [](cuda::DevicePointer* memory, std::size_t, cuda::StreamHandle) {
      ++taken;
      *memory = cuda::DevicePointer{1} << 40;
      return cuda::Result::success;
    };
    driver_.cuMemFreeAsync.raw = [](cuda::DevicePointer, cuda::StreamHandle) {
      ++given_back;
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

TEST_CASE("a warm launch of a kernel in steps is a driver call a launch and no allocation") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel centred = device.kernel("kernel c(x: in f32, y: out f32) {"
                                       " y = x - col_sum(x) / col_sum(f32(1)); }",
                                       "");
  const DeviceArray x(device, counting(4096)), y(device, std::vector<float>(4096));
  const std::vector<Arg> arguments{Tensor(x.tensor().data, f32, {64, 64}),
                                   Tensor(y.tensor().data, f32, {64, 64})};
  const Buffer memory = device.allocate(centred.workspace_bytes(arguments));
  LaunchOptions brought;
  brought.workspace = memory.data();
  brought.workspace_bytes = memory.size();
  for (const LaunchOptions& options : {LaunchOptions{}, brought}) {
    centred.launch(nullptr, arguments, options);
    const SilentLaunches silent;
    swage_fake_cuda_reset();
    launches = taken = given_back = allocations = 0;
    counting_allocations = true;
    for (int i = 0; i < 10; ++i)
      centred.launch(nullptr, arguments, options);
    counting_allocations = false;
    CHECK(launches == 10 * 3); // strands of the sums, what is made of them, rows
    CHECK(taken == (options.workspace ? 0 : 10));
    CHECK(given_back == taken);
    CHECK(calls(nullptr) == 0); // of any other entry point
    CHECK(allocations == 0);
  }
}

TEST_CASE("two contexts in turn, and a thread without one, launch without an allocation") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel = device.kernel("kernel both(x: in f32, y: out f32) { y = x * 2; }", "");
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Tensor in = x.tensor(), out = y.tensor();
  cuda::Context contexts[] = {current_context(), nullptr};
  kernel.launch(nullptr, {in, out});
  REQUIRE(cuCtxCreate_v2(&contexts[1], 0, 0) == 0);
  kernel.launch(nullptr, {in, out});

  launch::Call call;
  const Arg arguments[] = {in, out};
  KernelAccess::state(kernel).classify(arguments, call);
  cuda::Function functions[2] = {};
  for (int i = 0; i < 2; ++i)
    functions[i] = KernelAccess::state(kernel)
                       .plans.find(launch::PlanKey{call.key, contexts[i]})
                       ->function->function;
  REQUIRE(functions[0] != functions[1]);

  const SilentLaunches silent;
  launches = allocations = 0;
  for (int i = 0; i < 21; ++i) { // the last is on the primary context, as what follows
    cuCtxSetCurrent(contexts[i % 2]);
    runnable = functions[i % 2];
    counting_allocations = true;
    kernel.launch(nullptr, arguments);
    counting_allocations = false;
  }
  CHECK(launches <= 22);
  CHECK(allocations == 0);
  cuCtxSetCurrent(nullptr);
  launches = 0;
  for (int i = 0; i < 5; ++i) {
    counting_allocations = true;
    kernel.launch(nullptr, arguments);
    counting_allocations = false;
  }
  CHECK(launches <= 6);
  CHECK(allocations == 0);
  runnable = nullptr;
  cuCtxDestroy_v2(contexts[1]);
  cuCtxSetCurrent(contexts[0]);
}
