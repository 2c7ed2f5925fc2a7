// process_test.cpp -- a process that forks, and one that ends, with kernels alive.
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr const char* kTwice = "kernel twice(x: in f32, y: out f32) { y = x * 2; }";
constexpr int kDeinitialized = 4;  // what a driver says once it has shut itself down
constexpr int kNotInitialized = 3; // and in the child of a process that used it

/// Every call of the double that a launch or the end of a handle makes.
void refuse_all(int result) {
  for (const char* name :
       {"cuCtxGetCurrent", "cuCtxGetDevice", "cuCtxGetId", "cuCtxPushCurrent_v2",
        "cuCtxPopCurrent_v2", "cuDevicePrimaryCtxGetState", "cuDevicePrimaryCtxRetain",
        "cuDevicePrimaryCtxRelease_v2", "cuLaunchKernel", "cuLaunchKernelEx", "cuMemFree_v2",
        "cuMemAlloc_v2", "cuModuleLoadDataEx", "cuModuleUnload", "cuLinkCreate_v2"})
    swage_fake_cuda_fail(name, result, -1);
}

/// What a launch gives: its number of the driver, 0 if it went well, -1 for another error.
int launch(const Kernel& kernel, const Tensor& x, const Tensor& y) {
  try {
    kernel.launch(nullptr, {x, y});
    return 0;
  } catch (const Error& error) {
    return error.driver_result() ? error.driver_result() : -1;
  }
}

/// Handles that are destroyed after main, and late launches.
struct Late {
  Kernel kernel, on_cpu;
  Buffer x, y;
  Tensor in() const { return Tensor(x.data(), f32, {64}); }
  Tensor out() const { return Tensor(y.data(), f32, {64}); }
};

Late& late() {
  static Late instance;
  return instance;
}

int launch_on_cpu() {
  float x[64] = {2}, y[64] = {};
  const int result = launch(late().on_cpu, Tensor(x, f32, {64}), Tensor(y, f32, {64}));
  return result == 0 && y[0] == 4 ? 0 : -2;
}

struct LaunchesWhenTheThreadEnds {
  ~LaunchesWhenTheThreadEnds() {
    std::printf("thread: %d %d\n", launch(late().kernel, late().in(), late().out()),
                launch_on_cpu());
  }
};

void at_exit() {
  std::printf("exit: %d %d\n", launch(late().kernel, late().in(), late().out()), launch_on_cpu());
  refuse_all(kDeinitialized);
  std::printf("after the driver: %d %d\n", launch(late().kernel, late().in(), late().out()),
              launch_on_cpu());
  std::fflush(stdout);
}

/// Launches on several threads until the process ends.
void launch_for_ever(std::atomic<int>& launches) {
  const Kernel& kernel = *new Kernel(Device::open("cpu").kernel(kTwice, ""));
  std::thread([&] {
    std::vector<float> x(1 << 20, 2.0f), y(1 << 20);
    for (;; ++launches)
      launch(kernel, Tensor(x.data(), f32, {1 << 20}), Tensor(y.data(), f32, {1 << 20}));
  }).detach();
}

void own_new_handler() {
  throw std::bad_alloc();
}

} // namespace

TEST_CASE("a process that ends with handles alive and a launch just made", "[.exit]") {
  std::set_new_handler(own_new_handler);
  late().kernel = gpu().kernel(kTwice, "");
  late().on_cpu = Device::open("cpu").kernel(kTwice, "");
  late().x = gpu().allocate(256);
  late().y = gpu().allocate(256);
  std::atexit(at_exit); // runs before what is static above is destroyed
  std::thread([] {
    thread_local LaunchesWhenTheThreadEnds at_end;
    static_cast<void>(&at_end);
  }).join();
  std::printf("new handler kept: %d\n", std::get_new_handler() == own_new_handler);
  static std::atomic<int> launches = 0;
  launch_for_ever(launches);
  while (launches < 3)
    std::this_thread::yield();
  launch(late().kernel, late().in(), late().out());
  std::exit(0);
}

TEST_CASE("a process may end at any time: handles are static objects, launches come late") {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  FILE* pipe = popen(("exec '" + program + "' '[.exit]'").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string seen;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), pipe))
    seen += line.data();
  const int status = pclose(pipe);
  INFO(seen);
  CHECK(status == 0);
  using Catch::Matchers::Contains;
  CHECK_THAT(seen, Contains("thread: 0 0\n") && Contains("new handler kept: 1\n") &&
                       Contains("exit: 0 0\n") && Contains("after the driver: 4 0\n"));
}

TEST_CASE("after a fork the child goes on with the CPU, and CUDA is an error with its number") {
  const Device cpu = Device::open("cpu");
  const Kernel on_cpu = cpu.kernel(kTwice, "");
  const Kernel on_gpu = gpu().kernel(kTwice, "");
  const DeviceArray x(gpu(), counting(64)), y(gpu(), std::vector<float>(64));
  REQUIRE(launch(on_gpu, x.tensor(), y.tensor()) == 0);
  const std::size_t large = 1 << 22; // runs on several threads here
  std::vector<float> in = counting(large), out(large);
  const auto right_on_cpu = [&](const Kernel& kernel, float factor) {
    const auto size = static_cast<std::int64_t>(large);
    std::fill(out.begin(), out.end(), 0.0f);
    return launch(kernel, Tensor(in.data(), f32, {size}), Tensor(out.data(), f32, {size})) == 0 &&
           out[large - 1] == in[large - 1] * factor;
  };
  REQUIRE(right_on_cpu(on_cpu, 2));
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    refuse_all(kNotInitialized);
    const std::string text = "kernel k(x: in f32, y: out f32) { y = x * 3; }";
    const bool right = right_on_cpu(on_cpu, 2) && right_on_cpu(cpu.kernel(text, ""), 3) &&
                       launch(on_gpu, x.tensor(), y.tensor()) == kNotInitialized;
    _exit(right ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(right_on_cpu(on_cpu, 2));
  CHECK(launch(on_gpu, x.tensor(), y.tensor()) == 0);
}
