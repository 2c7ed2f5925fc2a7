// tune_compile_queue_test.cpp -- the order in which candidates are compiled, and what is left out
// for want of time.
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "runtime/tune/compile_queue.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::tune;

namespace {

/// One job a weight, named by its place.
std::vector<CompileJob> jobs_of(const std::vector<double>& weights) {
  std::vector<CompileJob> jobs;
  for (const double weight : weights)
    jobs.push_back({std::to_string(jobs.size()), codegen::CudaSchedule{}, weight});
  return jobs;
}

/// A queue, and the time that it sees.
struct Timed {
  Timed(std::vector<CompileJob> jobs, double seconds, int threads)
      : queue(std::move(jobs), seconds, threads, [this] { return now; }) {}

  std::string next(double at) {
    now = at;
    const std::optional<CompileJob> job = queue.take();
    return job ? job->line : "none";
  }

  /// Takes one, which takes so many seconds.
  void compile_one(double seconds) {
    const std::optional<CompileJob> job = queue.take();
    REQUIRE(job);
    now += seconds;
    queue.done(*job, seconds);
  }

  double now = 0;
  CompileQueue queue;
};

} // namespace

TEST_CASE("the likeliest are compiled first, and the longest once it is known how long they take") {
  Timed timed(jobs_of({1, 2, 1, 5, 3}), CompileQueue::kNoLimit, 2);
  timed.compile_one(0.1);
  CHECK(timed.next(0.1) == "3");
  CHECK(timed.next(0.1) == "4");
  CHECK(timed.next(1e9) == "1");
  CHECK(timed.next(1e9) == "2");
  CHECK(timed.next(1e9) == "none");
  CHECK(timed.queue.left_out().empty());
  Timed early(jobs_of({1, 2, 1, 5, 3}), CompileQueue::kNoLimit, 2);
  for (const char* line : {"0", "1", "2"})
    CHECK(early.next(0) == line);
}

TEST_CASE("what would not be compiled in time is left out, the unlikeliest first") {
  Timed timed(jobs_of(std::vector<double>(16, 1)), 1.0, 2);
  timed.compile_one(0.125);
  CHECK(timed.next(0.125) == "1"); // two threads compile 14 of 15 in what is left
  CHECK(timed.queue.left_out() == std::vector<std::string>{"15"});
  CHECK(timed.next(0.25) == "2"); // 12 of 13
  CHECK(timed.queue.left_out() == std::vector<std::string>{"15", "14"});
}

TEST_CASE("a candidate that alone would take too long is left out for others that do not") {
  Timed timed(jobs_of({1, 1, 1, 1, 1, 1, 1, 1, 30, 1}), 2.0, 16);
  timed.compile_one(0.1);
  CHECK(timed.next(0.1) == "1");
  CHECK(timed.queue.left_out() == std::vector<std::string>{"8"});
}

TEST_CASE("the likeliest candidates are compiled however late it is") {
  Timed timed(jobs_of(std::vector<double>(12, 1)), 0.01, 1);
  for (std::size_t i = 0; i < kCompiledAtLeast; ++i)
    timed.compile_one(1);
  CHECK(timed.next(timed.now) == "none");
  CHECK(timed.queue.left_out().size() == 12 - kCompiledAtLeast);
}

TEST_CASE("more than the likeliest wait until it is known how long compiling takes") {
  Timed timed(jobs_of(std::vector<double>(12, 1)), 1, 16);
  std::vector<CompileJob> taken;
  for (std::size_t i = 0; i < kCompiledAtLeast; ++i)
    taken.push_back(timed.queue.take().value());
  std::atomic<bool> asks = false;
  std::future<std::optional<CompileJob>> ninth = std::async(std::launch::async, [&] {
    asks = true;
    return timed.queue.take();
  });
  while (!asks)
    std::this_thread::yield();
  CHECK(ninth.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  timed.queue.done(taken.front(), 10); // too long for any other
  CHECK_FALSE(ninth.get());
  CHECK(timed.queue.left_out().size() == 12 - kCompiledAtLeast);
}

TEST_CASE("a queue of nothing gives nothing") {
  Timed timed({}, 1, 0);
  CHECK(timed.next(0) == "none");
}
