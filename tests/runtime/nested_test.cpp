// nested_test.cpp -- launches on the CPU inside a program's own oneTBB work.
#include <atomic>
#include <mutex>

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

/// Large enough for several tasks.
constexpr std::int64_t kCount = 200'000;

Kernel negate() {
  return Device::open("cpu").kernel("kernel negate(x: in f32, y: out f32) { y = -x; }", "");
}

bool launch_and_check(const Kernel& kernel, float value) {
  std::vector<float> x(kCount, value), y(kCount);
  kernel.launch(nullptr, {Tensor(x.data(), f32, {kCount}), Tensor(y.data(), f32, {kCount})});
  return y == std::vector<float>(kCount, -value);
}

} // namespace

TEST_CASE("launches from the tasks of a caller's loop are right") {
  const Kernel kernel = negate();
  std::atomic<int> wrong = 0;
  tbb::parallel_for(
      0, 16, [&](int i) { wrong += !launch_and_check(kernel, 1.0f + static_cast<float>(i)); });
  CHECK(wrong == 0);
}

TEST_CASE("a launch under a caller's lock takes up no other task of the arena that wants it") {
  const Kernel kernel = negate();
  std::mutex mutex;
  std::atomic<int> wrong = 0;
  // Without isolation, a waiting launch would run another iteration on the same thread and lock a
  // mutex that the thread already holds.
  tbb::parallel_for(0, 16, [&](int i) {
    const std::lock_guard lock(mutex);
    wrong += !launch_and_check(kernel, 1.0f + static_cast<float>(i));
  });
  CHECK(wrong == 0);
}

TEST_CASE("a launch in an arena of one thread is right") {
  const Kernel kernel = negate();
  tbb::task_arena arena(1);
  CHECK(arena.execute([&] { return launch_and_check(kernel, 3); }));
}

// A cancelled group starts no more tasks, and loops inside it take after it unless told otherwise.
TEST_CASE("a launch from a task whose group was cancelled computes every element all the same") {
  const Kernel kernel = negate();
  tbb::task_group_context context;
  bool right = false;
  tbb::parallel_for(
      0, 1,
      [&](int) {
        context.cancel_group_execution();
        right = launch_and_check(kernel, 5);
      },
      context);
  CHECK(right);
}

TEST_CASE("tuning from a task whose group was cancelled misses no candidate") {
  const Kernel kernel = negate();
  std::vector<float> x(kCount, 1), y(kCount);
  const Tensor from(x.data(), f32, {kCount}), to(y.data(), f32, {kCount});
  tbb::task_group_context context;
  int candidates = 0;
  tbb::parallel_for(
      0, 1,
      [&](int) {
        context.cancel_group_execution();
        candidates = kernel.tune({from, to}, {0.05, true, false}).candidates;
      },
      context);
  CHECK(candidates > 1);
}
