// launch_test.cpp -- launches through the driver: contexts, streams, graphs, threads, devices.
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "codegen/compile.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/measure/first_call.hpp"
#include "runtime/measure/timing.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kScale = "kernel scale(x: in f32, s: f32, y: out f32) { y = x * s + 1; }";

bool is_scaled(const std::vector<float>& x, float s, const std::vector<float>& y) {
  for (std::size_t i = 0; i < x.size(); ++i)
    if (y[i] != x[i] * s + 1)
      return false;
  return true;
}

} // namespace

TEST_CASE("a kernel from a string runs on a CUDA device") {
  const Device device = gpu();
  CHECK(device.info().kind == DeviceKind::cuda);
  CHECK(device.info().target == "sm_90");
  const DeviceArray x(device, counting(1000)), y(device, std::vector<float>(1000));
  device.kernel(kScale, "").launch(nullptr, {x.tensor(), 3, y.tensor()});
  device.synchronize();
  CHECK(is_scaled(x.get(), 3, y.get()));
}

TEST_CASE("a first launch on a thread without a context leaves none behind") {
  std::thread([] {
    const Device device = gpu();
    REQUIRE(current_context() == nullptr);
    const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
    const Kernel kernel = device.kernel(kScale, "");
    for (int i = 1; i < 4; ++i) {
      kernel.launch(nullptr, {x.tensor(), i, y.tensor()});
      CHECK(current_context() == nullptr);
      CHECK(is_scaled(x.get(), static_cast<float>(i), y.get()));
    }
    device.synchronize();
    CHECK(current_context() == nullptr);
  }).join();
}

TEST_CASE("the caller's context stays current, even one of another device") {
  const CurrentDevice other(1);
  const cuda::Context before = current_context();
  const Device device = gpu(0);
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Kernel kernel = device.kernel(kScale, "");
  for (int i = 1; i < 4; ++i) {
    kernel.launch(nullptr, {x.tensor(), i, y.tensor()});
    CHECK(current_context() == before);
    CHECK(is_scaled(x.get(), static_cast<float>(i), y.get()));
  }
}

TEST_CASE("two devices in one process run the same kernel, each with its own code") {
  const Kernel kernels[] = {gpu(0).kernel(kScale, ""), gpu(1).kernel(kScale, "")};
  for (int round = 0; round < 2; ++round)
    for (int d = 0; d < 2; ++d) {
      const DeviceArray x(gpu(d), counting(100)), y(gpu(d), std::vector<float>(100));
      kernels[d].launch(nullptr, {x.tensor(), 2, y.tensor()});
      CHECK(is_scaled(x.get(), 2, y.get()));
    }
}

TEST_CASE("a stream of another device is refused by name, cold and warm") {
  const Kernel kernel = gpu(0).kernel("kernel s0(x: in f32, y: out f32) { y = x; }", "");
  const DeviceArray x(gpu(0), counting(64)), y(gpu(0), std::vector<float>(64));
  const CurrentDevice other(1);
  const cuda::OwnedStream stream = cuda::make_stream();
  const auto launch = [&] { kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()}); };
  CHECK_THROWS_WITH(launch(), Contains("stream belongs to cuda:1") && Contains("cuda:0"));
  kernel.prepare({x.tensor(), y.tensor()});
  CHECK_THROWS_WITH(launch(), Contains("stream belongs to cuda:1") && Contains("cuda:0"));
  CHECK(y.get() == std::vector<float>(64));
}

TEST_CASE("tensors of another device or of the host are refused when a call is new") {
  const Kernel kernel = gpu(0).kernel("kernel far(x: in f32, y: out f32) { y = x + x; }", "");
  const DeviceArray here(gpu(0), counting(64)), there(gpu(1), counting(64));
  CHECK_THROWS_WITH(kernel.launch(nullptr, {there.tensor(), here.tensor()}),
                    Contains("'x'") && Contains("memory of cuda:1"));
  std::vector<float> host(64);
  const Tensor on_host(host.data(), f32, {64});
  CHECK_THROWS_WITH(kernel.launch(nullptr, {here.tensor(), on_host}),
                    Contains("'y'") && Contains("host memory"));
}

TEST_CASE("launches from 16 threads on 16 streams load one module and are right") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel many(x: in f32, y: out f32) { y = x * 7 - 2; }", "");
  device.synchronize(); // the context is there
  const std::uint64_t before = calls("cuModuleLoadDataEx");
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      const CurrentDevice current(0);
      const cuda::OwnedStream stream = cuda::make_stream();
      const auto start = static_cast<float>(t);
      const DeviceArray x(device, counting(200, start)), y(device, std::vector<float>(200));
      for (int i = 0; i < 5; ++i)
        kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
      cuda::driver().cuStreamSynchronize(stream.get());
      const std::vector<float> got = y.get();
      for (std::size_t i = 0; i < got.size(); ++i)
        wrong += got[i] != (start + static_cast<float>(i)) * 7 - 2;
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  CHECK(calls("cuModuleLoadDataEx") == before + 1);
}

TEST_CASE("a launch under capture that has to compile does so without disturbing the capture") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel = device.kernel("kernel held(x: in f32, y: out f32) { y = x * 2; }", "");
  DeviceArray x(device, counting(300));
  const DeviceArray y(device, std::vector<float>(300));
  const cuda::OwnedStream stream = cuda::make_stream();
  cuda::driver().cuStreamBeginCapture_v2(stream.get(), cuda::CaptureMode::global);
  kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
  kernel.launch(Stream(stream.get()), {y.tensor(), y.tensor()});
  cuda::Graph graph = nullptr;
  cuda::driver().cuStreamEndCapture(stream.get(), &graph);
  const cuda::OwnedGraph owned(graph);
  cuda::GraphExec executable = nullptr;
  cuda::driver().cuGraphInstantiateWithFlags(&executable, graph, 0);
  const cuda::OwnedGraphExec replay(executable);
  CHECK(y.get() == std::vector<float>(300)); // captured, not run

  for (const float start : {0.0f, 50.0f}) {
    x.set(counting(300, start));
    cuda::driver().cuGraphLaunch(executable, stream.get());
    cuda::driver().cuStreamSynchronize(stream.get());
    CHECK(y.get()[299] == (start + 299) * 4);
  }
}

TEST_CASE("a graph outlives the kernel and the device that it was captured with") {
  const CurrentDevice current(0);
  const DeviceArray x(gpu(), counting(8)), y(gpu(), std::vector<float>(8));
  const cuda::OwnedStream stream = cuda::make_stream();
  cuda::Graph graph = nullptr;
  {
    const Kernel kernel = gpu().kernel("kernel gone(x: in f32, y: out f32) { y = x * 13; }", "");
    kernel.prepare({x.tensor(), y.tensor()});
    cuda::driver().cuStreamBeginCapture_v2(stream.get(), cuda::CaptureMode::global);
    kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
    cuda::driver().cuStreamEndCapture(stream.get(), &graph);
  }
  const cuda::OwnedGraph owned(graph);
  // Room for kernels no handle refers to is taken up by others.
  for (int i = 0; i < 8; ++i)
    gpu()
        .kernel(fmt::format("kernel k(x: in f32, y: out f32) {{ y = x + {}; }}", 900 + i), "")
        .launch(nullptr, {x.tensor(), y.tensor()});
  cuda::GraphExec executable = nullptr;
  cuda::driver().cuGraphInstantiateWithFlags(&executable, graph, 0);
  const cuda::OwnedGraphExec replay(executable);
  cuda::driver().cuGraphLaunch(executable, stream.get());
  cuda::driver().cuStreamSynchronize(stream.get());
  CHECK(y.get()[7] == 91);
}

TEST_CASE("a first launch neither waits for the device nor takes its memory") {
  const Device device = gpu();
  const DeviceArray x(device, counting(8)), y(device, std::vector<float>(8));
  const Kernel kernel = device.kernel("kernel brisk(x: in f32, y: out f32) { y = x * 17; }", "");
  const auto counted = [] {
    std::uint64_t sum = 0;
    for (const char* name :
         {"cuCtxSynchronize", "cuStreamSynchronize", "cuEventSynchronize", "cuMemAlloc_v2",
          "cuMemAllocAsync", "cuMemcpyDtoH_v2", "cuMemcpyHtoD_v2"})
      sum += calls(name);
    return sum;
  };
  const std::uint64_t before = counted(), loads = calls("cuModuleLoadDataEx");
  kernel.launch(nullptr, {x.tensor(), y.tensor()});
  CHECK(calls("cuModuleLoadDataEx") > loads); // it was a first one
  CHECK(counted() == before);
  CHECK(y.get()[7] == 119);
}

TEST_CASE("where the code of one step cannot be loaded, no step is launched") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel late(x: in f32, y: out f32, s: out f32 [col]) {"
                                      " let t = col_sum(x); s = t; y = x - t; }",
                                      "");
  const DeviceArray x(device, counting(60));
  const std::vector<float> before(61, -7);
  const DeviceArray y(device, before), sum(device, before);
  const auto at = [](const DeviceArray& array, bool odd,
                     std::initializer_list<std::int64_t> shape) {
    return Tensor(static_cast<float*>(array.tensor().data) + odd, f32, shape);
  };
  const auto launch = [&](bool odd_y, bool odd_sum) {
    kernel.launch(nullptr, {at(x, false, {5, 12}), at(y, odd_y, {5, 12}), at(sum, odd_sum, {12})});
  };
  kernel.prepare({at(x, false, {5, 12}), at(y, false, {5, 12}), at(sum, false, {12})});
  // Another alignment is another kind of call, of the one step that stores the tensor.
  for (const bool odd_y : {true, false}) {
    swage_fake_cuda_fail("cuModuleLoadDataEx", 2, 1);
    CHECK_THROWS_AS(launch(odd_y, !odd_y), Error);
    device.synchronize();
    CHECK(y.get() == before);
    CHECK(sum.get() == before);
  }
  launch(true, true);
  device.synchronize();
  CHECK(sum.get()[1] == 0 + 12 + 24 + 36 + 48);
  CHECK(y.get()[60] == 59 - (11 + 23 + 35 + 47 + 59));
}

TEST_CASE("a capture that refuses the load names prepare") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel shut(x: in f32, y: out f32) { y = x * 9; }", "");
  const DeviceArray x(device, counting(10)), y(device, std::vector<float>(10));
  swage_fake_cuda_fail("cuModuleLoadDataEx", 900, 1);
  try {
    kernel.launch(nullptr, {x.tensor(), y.tensor()});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::not_prepared);
    CHECK_THAT(error.what(), Contains("prepare"));
  }
  kernel.launch(nullptr, {x.tensor(), y.tensor()}); // the failure is not kept
  CHECK(y.get()[9] == 81);
}

TEST_CASE("a module that the driver refuses is an error with its code, and is tried again") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel bad(x: in f32, y: out f32) { y = x * 11; }", "");
  const DeviceArray x(device, counting(10)), y(device, std::vector<float>(10));
  swage_fake_cuda_fail("cuModuleLoadDataEx", 218, 1);
  try {
    kernel.launch(nullptr, {x.tensor(), y.tensor()});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::driver);
    CHECK_THAT(error.what(), Contains("cuModuleLoadDataEx") && Contains("CUDA_ERROR_INVALID_PTX"));
  }
  kernel.launch(nullptr, {x.tensor(), y.tensor()});
  CHECK(y.get()[1] == 11);
}

TEST_CASE("a launch that the driver refuses is an error that names it") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel = device.kernel(kScale, "");
  const DeviceArray x(device, counting(10)), y(device, std::vector<float>(10));
  kernel.prepare({x.tensor(), 1, y.tensor()});
  swage_fake_cuda_fail("cuLaunchKernelEx", 701, 1);
  CHECK_THROWS_WITH(kernel.launch(nullptr, {x.tensor(), 1, y.tensor()}),
                    Contains("cuLaunchKernelEx") && Contains("LAUNCH_OUT_OF_RESOURCES"));
}

TEST_CASE("memory that runs out is told apart") {
  swage_fake_cuda_fail("cuMemAlloc_v2", 2, 1);
  try {
    gpu().allocate(100);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::out_of_memory);
  }
}

TEST_CASE("listing devices creates no context") {
  const std::uint64_t before = swage_fake_cuda_live("context");
  CHECK(Device::all().size() == 3);
  CHECK(swage_fake_cuda_live("context") == before);
}

TEST_CASE("launches are timed through graphs, and beside bare ones") {
  const Device device = gpu();
  const Kernel kernel = device.kernel(kScale, "");
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Tensor in = x.tensor(), out = y.tensor();
  const std::vector<std::vector<Arg>> sets{{in, 2, out}};
  measure::TimingOptions options;
  options.rounds = 3;
  options.round_seconds = 1e-4;
  const measure::LaunchTime time = measure::time_launches(kernel, sets, options);
  CHECK(time.rounds == 3);
  CHECK(time.low <= time.median);
  CHECK(time.median <= time.high);
  CHECK(is_scaled(x.get(), 2, y.get()));
}

TEST_CASE("the stages of a first call are told apart") {
  const Device device = gpu();
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg args[] = {in, 4, out};
  const auto times = measure::time_first_call(device, kScale, "", {}, {}, args);
  CHECK(times.parse > 0);
  CHECK(times.emit > 0);
  CHECK(times.load > 0);
  CHECK(is_scaled(x.get(), 4, y.get()));
}

TEST_CASE("a first call from disk reads, loads and launches, and the compiler has no part in it") {
  const Device device = gpu();
  const DeviceArray x(device, counting(64)), y(device, std::vector<float>(64));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg args[] = {in, 5, out};
  const std::int64_t compiles = codegen::compile_count();
  const std::uint64_t links = calls("cuLinkComplete");
  const auto times = measure::time_warm_call(device, kScale, "", {}, {}, args);
  CHECK(codegen::compile_count() == compiles + 1); // to fill the cache
  CHECK(calls("cuLinkComplete") == links + 1);
  REQUIRE(times);
  CHECK(times->read > 0);
  CHECK(times->load > 0);
  CHECK(is_scaled(x.get(), 5, y.get()));
}
