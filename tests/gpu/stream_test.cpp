// stream_test.cpp -- graphs, threads, streams and several devices.
#include <atomic>
#include <thread>

#include "codegen/compile.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/device_support.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("launches captured in a graph are right at every replay with changed inputs") {
  const auto device = gpu();
  if (!device)
    return;
  const CurrentDevice current(device->info().index);
  const Kernel kernel =
      device->kernel("kernel captured(x: in f32, y: out f32) { y = x * 2 + 1; }", "");
  constexpr std::size_t size = 1027;
  DeviceArray x(*device, counting(size, 0));
  const DeviceArray y(*device, std::vector<float>(size));
  kernel.prepare({x.tensor(), y.tensor()});
  const cuda::OwnedStream stream = cuda::make_stream();
  const cuda::OwnedGraphExec graph = cuda::capture(stream.get(), [&] {
    kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
    kernel.launch(Stream(stream.get()), {y.tensor(), y.tensor()});
  });
  CHECK(y.get() == std::vector<float>(size)); // captured, not run
  for (const float first : {0.0f, 77.0f, -5.0f}) {
    x.set(counting(size, first));
    cuda::driver().cuGraphLaunch(graph.get(), stream.get());
    cuda::driver().cuStreamSynchronize(stream.get());
    const std::vector<float> got = y.get();
    for (std::size_t i = 0; i < size; ++i)
      REQUIRE(got[i] == (first + static_cast<float>(i)) * 4 + 3);
  }
}

TEST_CASE("sixteen threads on sixteen streams compile each kernel once, and all are right") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernels[] = {
      device->kernel("kernel first_of_two(x: in f32, y: out f32) { y = x * 7 - 2; }", ""),
      device->kernel("kernel second_of_two(x: in f32, y: out f32) { y = x * 5 + 9; }", "")};
  const std::int64_t before = codegen::compile_count();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      const CurrentDevice current(device->info().index);
      const cuda::OwnedStream stream = cuda::make_stream();
      const float first = static_cast<float>(100 * t);
      const DeviceArray x(*device, counting(500, first)), y(*device, std::vector<float>(500));
      const Kernel& kernel = kernels[t % 2];
      for (int repeat = 0; repeat < 10; ++repeat)
        kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
      cuda::driver().cuStreamSynchronize(stream.get());
      const std::vector<float> got = y.get();
      for (std::size_t i = 0; i < got.size(); ++i) {
        const float value = first + static_cast<float>(i);
        wrong += got[i] != (t % 2 == 0 ? value * 7 - 2 : value * 5 + 9);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  CHECK(codegen::compile_count() <= before + 2); // fewer if a disk cache had them
}

TEST_CASE("two devices run at once, each its own tensors, and the context is as it was") {
  std::vector<Device> devices;
  for (const Device& device : Device::all())
    if (device.info().kind == DeviceKind::cuda)
      devices.push_back(device);
  if (devices.size() < 2) {
    std::cout << "skipped: no CUDA device beside the first\n";
    return;
  }
  const CurrentDevice current(1);
  const cuda::Context before = current_context();
  std::vector<DeviceArray> x, y;
  for (std::size_t d = 0; d < 2; ++d) {
    x.emplace_back(devices[d], counting(3420, static_cast<float>(d)));
    y.emplace_back(devices[d], std::vector<float>(3420));
  }
  for (int repeat = 0; repeat < 3; ++repeat)
    for (std::size_t d = 0; d < 2; ++d) {
      devices[d]
          .kernel("kernel each(x: in f32, y: out f32) { y = x * 3; }", "")
          .launch(nullptr, {x[d].tensor(), y[d].tensor()});
      CHECK(current_context() == before);
    }
  for (std::size_t d = 0; d < 2; ++d) {
    devices[d].synchronize();
    const std::vector<float> got = y[d].get();
    for (std::size_t i = 0; i < got.size(); ++i)
      REQUIRE(got[i] == static_cast<float>(d + i) * 3);
  }
  CHECK(current_context() == before);
}
