// fork_test.cpp -- workers that a program forks, as loaders of data do, and their kernels on the
// CPU.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

// The address sanitizer's allocator (GCC 12) may hang in the child of a process with threads.
#ifndef __SANITIZE_ADDRESS__

namespace {

constexpr std::int64_t kSize = 1 << 20; // runs on several threads

std::string times(int factor) {
  return "kernel k(x: in f32, y: out f32) { y = x * " + std::to_string(factor) + "; }";
}

int threads_of_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

bool is_right(const Kernel& kernel, int factor) {
  std::vector<float> x(kSize, 2), y(kSize);
  kernel.launch(nullptr, {Tensor(x.data(), f32, {kSize}), Tensor(y.data(), f32, {kSize})});
  return std::ranges::all_of(y,
                             [&](float value) { return value == static_cast<float>(2 * factor); });
}

/// A worker with a kernel of its parent, a new one, and one of a device that it opens itself, all
/// on one thread.
pid_t fork_worker(const Device& device, const Kernel& kernel, int number) {
  const pid_t child = ::fork();
  if (child != 0)
    return child;
  ::alarm(60); // one that hangs is killed
  bool right = false;
  try {
    right = is_right(kernel, 3) && is_right(device.kernel(times(10 + number), ""), 10 + number) &&
            is_right(Device::open("cpu").kernel(times(20), ""), 20) && threads_of_process() == 1;
  } catch (...) {
  }
  ::_exit(right ? 0 : 1);
}

void check_exit(pid_t child) {
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

} // namespace

TEST_CASE("workers forked by any thread, while others launch, compute on one thread") {
  const Device device = Device::open("cpu");
  const Kernel kernel = device.kernel(times(3), "");
  REQUIRE(is_right(kernel, 3));
  std::atomic<bool> stop = false, wrong = false;
  std::thread busy([&] {
    while (!stop)
      if (!is_right(kernel, 3))
        wrong = true;
  });
  std::vector<pid_t> workers;
  for (int i = 0; i < 3; ++i)
    workers.push_back(fork_worker(device, kernel, i));
  std::thread([&] { workers.push_back(fork_worker(device, kernel, 3)); }).join();
  for (const pid_t worker : workers)
    check_exit(worker);
  stop = true;
  busy.join();
  CHECK_FALSE(wrong);
  CHECK(is_right(kernel, 3));
}

#endif
