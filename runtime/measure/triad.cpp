// triad.cpp -- the memory bandwidth of the host: a[i] = b[i] + s * c[i].
#include "runtime/measure/triad.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "runtime/launch/inspect.hpp"

namespace swage::measure {

// The triad is a kernel like any other, so that both share code quality and threads and the ratio
// of a kernel's bandwidth to the triad's tells about the kernel's arithmetic alone.
double host_triad(std::int64_t elements, bool streaming) {
  const Device cpu = Device::open("cpu");
  const Kernel kernel = cpu.kernel(
      "kernel triad(b: in f32, c: in f32, s: f32, a: out f32) { a = b + s * c; }", "triad");
  const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(float);
  Buffer buffers[3] = {cpu.allocate(bytes), cpu.allocate(bytes), cpu.allocate(bytes)};
  Tensor tensors[3];
  for (int i = 0; i < 3; ++i) {
    std::fill_n(static_cast<float*>(buffers[i].data()), elements, 1.0f);
    tensors[i] = Tensor(buffers[i].data(), f32, {elements});
  }
  const Arg arguments[] = {tensors[0], tensors[1], 0.5, tensors[2]};
  codegen::HostSchedule schedule =
      std::get<codegen::HostSchedule>(launch::describe(kernel, arguments).schedule);
  schedule.streaming = streaming;

  double best = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < 9; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    launch::launch_with(kernel, schedule, nullptr, arguments);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = pass == 0 ? best : std::min(best, took.count()); // the first one compiles
  }
  return 3 * static_cast<double>(bytes) / best;
}

} // namespace swage::measure
