// context_test.cpp -- what happens when contexts are reset, destroyed, made and alternated.
#include <atomic>
#include <optional>
#include <thread>

#include "runtime/cuda/context.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/launch/kernel.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

extern "C" int cuCtxCreate_v2(swage::cuda::Context* context, unsigned flags, int device);
extern "C" int cuCtxDestroy_v2(swage::cuda::Context context);
extern "C" int cuCtxSetCurrent(swage::cuda::Context context);
extern "C" int cuDevicePrimaryCtxReset_v2(int device);
extern "C" int cuMemAlloc_v2(unsigned long long* pointer, std::size_t bytes);
extern "C" int cuMemFree_v2(unsigned long long pointer);

using namespace swage;
using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

/// The second device is reset here, so that tests on the first keep what they made.
constexpr int kDevice = 1;

cuda::Context primary() {
  cuda::Context context = nullptr;
  cuda::driver().cuDevicePrimaryCtxRetain(&context, kDevice);
  return context;
}

/// Leaves the thread without a current context.
struct Cleared {
  ~Cleared() { cuCtxSetCurrent(nullptr); }
};

/// A context beside the primary one, current when it is made.
struct OwnContext {
  cuda::Context handle = nullptr;
  OwnContext() { REQUIRE(cuCtxCreate_v2(&handle, 0, kDevice) == 0); }
  OwnContext(const OwnContext&) = delete;
  OwnContext& operator=(const OwnContext&) = delete;
  ~OwnContext() { cuCtxDestroy_v2(handle); }
};

void launch_and_check(const Kernel& kernel, float factor) {
  const Device device = kernel.device();
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  kernel.launch(nullptr, {x.tensor(), y.tensor()});
  device.synchronize();
  CHECK(y.get()[63] == 63 * factor);
}

} // namespace

TEST_CASE("a kernel runs again after its context was reset, with code that is loaded once more") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel twice(x: in f32, y: out f32) { y = x * 2; }", "");
  const Kernel other = device.kernel("kernel thrice(x: in f32, y: out f32) { y = x * 3; }", "");
  const Cleared cleared;
  cuCtxSetCurrent(primary());
  for (const bool retained : {true, false, false, true}) {
    launch_and_check(kernel, 2);
    launch_and_check(other, 3);
    const std::uint64_t loads = calls("cuModuleLoadDataEx");
    launch_and_check(kernel, 2);
    CHECK(calls("cuModuleLoadDataEx") == loads);
    REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
    if (retained) // else nobody brings it back to life but Swage
      cuCtxSetCurrent(primary());
    // The code of the other one is loaded first: it gets the handle that was the kernel's before,
    // and the kernel must not launch it.
    launch_and_check(other, 3);
    launch_and_check(kernel, 2);
    CHECK(calls("cuModuleLoadDataEx") == loads + 2);
  }
}

TEST_CASE("steps run again after their context was reset, and none twice") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel rest(x: in f32, y: out f32) {"
                                      " y = x - col_sum(x) / col_sum(f32(1)); }",
                                      "");
  const Cleared cleared;
  cuCtxSetCurrent(primary());
  for (const bool retained : {true, false, false, true}) {
    for (int launch = 0; launch < 2; ++launch) {
      const DeviceArray x(device, counting(60)), y(device, std::vector<float>(60));
      kernel.launch(nullptr,
                    {Tensor(x.tensor().data, f32, {5, 12}), Tensor(y.tensor().data, f32, {5, 12})});
      device.synchronize();
      const std::vector<float> found = y.get();
      for (int i = 0; i < 60; ++i)
        REQUIRE(found[static_cast<std::size_t>(i)] == static_cast<float>(i / 12 - 2) * 12);
    }
    REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
    if (retained)
      cuCtxSetCurrent(primary());
  }
}

TEST_CASE("a launch on a stream of before a reset is an error, and others go on") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel old(x: in f32, y: out f32) { y = x * 8; }", "");
  const Cleared cleared;
  cuCtxSetCurrent(primary());
  const cuda::OwnedStream stream = cuda::make_stream();
  launch_and_check(kernel, 8);
  REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
  cuCtxSetCurrent(primary());
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  CHECK_THROWS_AS(kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()}), Error);
  launch_and_check(kernel, 8);
}

TEST_CASE("a thread without a context launches again after a reset") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel bare(x: in f32, y: out f32) { y = x * 4; }", "");
  std::thread([&] {
    for (int round = 0; round < 3; ++round) {
      launch_and_check(kernel, 4);
      REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
    }
    kernel.prepare({Tensor(nullptr, f32, {0}), Tensor(nullptr, f32, {0})});
    launch_and_check(kernel, 4);
  }).join();
}

TEST_CASE("a context that has the handle of a destroyed one gets code of its own") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel heir(x: in f32, y: out f32) { y = x * 5; }", "");
  cuda::Context first = nullptr;
  for (int round = 0; round < 3; ++round) {
    const OwnContext own;
    if (!first)
      first = own.handle;
    REQUIRE(own.handle == first);
    launch_and_check(kernel, 5);
  }
}

TEST_CASE("what a gone context held is forgotten") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel past(x: in f32, y: out f32) { y = x * 6; }", "");
  launch_and_check(kernel, 6);
  const std::uint64_t functions = cache_statistics().functions_loaded;
  for (int round = 0; round < 5; ++round) {
    REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
    launch_and_check(kernel, 6);
  }
  CHECK(cache_statistics().functions_loaded <= functions);
}

TEST_CASE("launches from two contexts in turn are one launch and one look at the current context") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel turns(x: in f32, y: out f32) { y = x * 7; }", "");
  const Cleared cleared;
  const cuda::Context first = primary();
  const OwnContext own;
  const cuda::Context both[] = {first, own.handle};
  std::optional<DeviceArray> x[2], y[2];
  const auto launch = [&](int i) { kernel.launch(nullptr, {x[i]->tensor(), y[i]->tensor()}); };
  for (int i = 0; i < 2; ++i) {
    cuCtxSetCurrent(both[i]);
    x[i].emplace(device, counting(64));
    y[i].emplace(device, std::vector<float>(64));
    launch(i);
  }
  swage_fake_cuda_reset();
  for (int i = 0; i < 20; ++i) {
    cuCtxSetCurrent(both[i % 2]);
    launch(i % 2);
  }
  CHECK(calls("cuLaunchKernelEx") <= 21); // the first may have to find out
  CHECK(calls("cuCtxGetCurrent") <= 22);
  CHECK(calls("cuModuleLoadDataEx") == 0);
  CHECK(calls("cuCtxPushCurrent_v2") <= 2);
  for (int i = 0; i < 2; ++i)
    CHECK(y[i]->get()[63] == 63 * 7);
  // A thread that stays in one context stops asking.
  for (int i = 0; i < 200; ++i)
    launch(1);
  swage_fake_cuda_reset();
  for (int i = 0; i < 10; ++i)
    launch(1);
  CHECK(calls(nullptr) == 10);
  cuCtxSetCurrent(first);
  x[0].reset();
  y[0].reset();
}

TEST_CASE("a thread for each context launches with one driver call") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel each(x: in f32, y: out f32) { y = x * 8; }", "");
  const Cleared cleared;
  const cuda::Context first = primary();
  const OwnContext own;
  std::atomic<int> ready = 0, done = 0;
  std::atomic<bool> counting_begins = false, counted = false;
  std::vector<std::thread> threads;
  swage_fake_cuda_reset();
  for (const cuda::Context context : {first, own.handle})
    threads.emplace_back([&, context] {
      cuCtxSetCurrent(context);
      const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
      const Tensor in = x.tensor(), out = y.tensor();
      kernel.launch(nullptr, {in, out});
      if (++ready == 2) {
        swage_fake_cuda_reset();
        counting_begins = true;
      }
      while (!counting_begins)
        std::this_thread::yield();
      for (int i = 0; i < 100; ++i)
        kernel.launch(nullptr, {in, out});
      if (++done == 2) {
        CHECK(calls(nullptr) <= 201);
        counted = true; // what the other thread calls next is not a launch
      }
      while (!counted)
        std::this_thread::yield();
      CHECK(y.get()[63] == 63 * 8);
    });
  for (std::thread& thread : threads)
    thread.join();
}

TEST_CASE("a stream of a context that is not current is launched on, and found at once next time") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel aside(x: in f32, y: out f32) { y = x * 9; }", "");
  const Cleared cleared;
  const cuda::Context first = primary();
  const OwnContext own;
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const cuda::OwnedStream stream = cuda::make_stream();
  cuCtxSetCurrent(first);
  for (int i = 0; i < 3; ++i) {
    kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
    CHECK(current_context() == first);
  }
  swage_fake_cuda_reset();
  kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
  CHECK(calls("cuLaunchKernelEx") == 1);
  cuCtxSetCurrent(own.handle);
  CHECK(y.get()[63] == 63 * 9);
}

TEST_CASE("a schedule that is tuned in one context is the schedule in all, those to come too") {
  const Device device = gpu(kDevice);
  const Kernel kernel = device.kernel("kernel tuned(x: in f32, y: out f32) { y = x * 10; }", "");
  const KernelState& state = KernelAccess::state(kernel);
  const Cleared cleared;
  const cuda::Context first = primary();
  const OwnContext second;
  launch_and_check(kernel, 10);
  cuCtxSetCurrent(first);
  launch_and_check(kernel, 10);

  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg arguments[] = {in, out};
  launch::Call call;
  state.classify(arguments, call);
  const codegen::Schedule tuned =
      codegen::parse_schedule("threads=64", launch::describe(kernel, arguments).schedule);
  state.adopt(call, tuned, device::context_for(*state.device, nullptr));
  const OwnContext third;
  launch_and_check(kernel, 10);
  for (const cuda::Context context : {first, second.handle, third.handle}) {
    const launch::LaunchPlan* plan = state.plans.find(launch::PlanKey{call.key, context});
    REQUIRE(plan != nullptr);
    CHECK(plan->schedule == tuned);
    CHECK(plan->function->context->ref.handle == context);
  }
  cuCtxSetCurrent(second.handle);
  launch_and_check(kernel, 10);
  cuCtxSetCurrent(first);
}

TEST_CASE("a buffer that outlives its context frees nothing of anybody else's") {
  const Device device = gpu(kDevice);
  std::optional<Buffer> buffer = device.allocate(4096);
  REQUIRE(cuDevicePrimaryCtxReset_v2(kDevice) == 0);
  const Cleared cleared;
  cuCtxSetCurrent(primary());
  unsigned long long address = 0;
  REQUIRE(cuMemAlloc_v2(&address, 4096) == 0);
  REQUIRE(address == reinterpret_cast<std::uintptr_t>(buffer->data())); // as a real driver may
  char byte = 0;
  try {
    buffer->read(&byte, 1);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::driver);
    CHECK(error.driver_result() == 201);
    CHECK_THAT(error.what(), Contains("reset"));
  }
  CHECK_THROWS_WITH(buffer->write(&byte, 1), Contains("reset"));
  const std::uint64_t live = swage_fake_cuda_live("allocation");
  buffer.reset();
  CHECK(swage_fake_cuda_live("allocation") == live);
  CHECK(cuMemFree_v2(address) == 0);
}

TEST_CASE("an error of the driver carries its number") {
  swage_fake_cuda_fail("cuMemAlloc_v2", 2, 1);
  try {
    gpu(kDevice).allocate(100);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::out_of_memory);
    CHECK(error.driver_result() == 2);
  }
  swage_fake_cuda_fail("cuMemAlloc_v2", 719, 1);
  try {
    gpu(kDevice).allocate(100);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.driver_result() == 719);
  }
}

TEST_CASE("a thread waits for the device while another one captures, and neither is disturbed") {
  const Device device = Device::open("cuda:0");
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0;
  std::thread waits([&] {
    try {
      while (!done)
        device.synchronize();
    } catch (const Error&) {
      ++failures;
    }
  });
  try {
    const device::ContextScope scope(*DeviceAccess::state(device));
    const cuda::OwnedStream stream = cuda::make_stream();
    for (int i = 0; i < 300; ++i)
      cuda::capture(stream.get(), [] { std::this_thread::yield(); });
  } catch (const Error&) {
    ++failures;
  }
  done = true;
  waits.join();
  CHECK(failures == 0);
}
