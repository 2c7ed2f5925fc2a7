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
  Timed(std::vector<CompileJob> jobs, double seconds)
      : queue(std::move(jobs), seconds, [this] { return now; }) {}

  std::string next() {
    const std::optional<CompileJob> job = queue.take();
    return job ? job->line : "none";
  }

  /// Takes one, which takes so many seconds.
  std::string compile_one(double seconds) {
    const std::optional<CompileJob> job = queue.take();
    REQUIRE(job);
    now += seconds;
    queue.done(*job, seconds);
    return job->line;
  }

  std::vector<CompileJob> take_the_likeliest() {
    std::vector<CompileJob> taken;
    for (std::size_t i = 0; i < kCompiledAtLeast; ++i)
      taken.push_back(queue.take().value());
    return taken;
  }

  double now = 0;
  CompileQueue queue;
};

} // namespace

TEST_CASE("the likeliest are compiled first, and the longest once it is known how long they take") {
  Timed timed(jobs_of({1, 2, 1, 5, 3}), CompileQueue::kNoLimit);
  CHECK(timed.compile_one(0.1) == "0");
  for (const char* line : {"3", "4", "1", "2", "none"})
    CHECK(timed.next() == line);
  Timed early(jobs_of({1, 2, 5, 1, 3}), CompileQueue::kNoLimit);
  for (const char* line : {"0", "1", "3"}) // for others it has to be known how long they take
    CHECK(early.next() == line);
}

TEST_CASE("as many of the likeliest are compiled as there is time for, the longest of them first") {
  std::vector<double> weights(16, 1);
  weights[9] = 2, weights[14] = 3;
  Timed timed(jobs_of(weights), 1.5);
  const std::vector<CompileJob> taken = timed.take_the_likeliest();
  timed.now = 1;
  for (const CompileJob& job : taken)
    timed.queue.done(job, 0.125); // 8 in a second, and half a second left: 8 to 10, which are 4
  for (const char* line : {"9", "8", "10", "none"})
    CHECK(timed.next() == line);
  CHECK(timed.queue.waiting() == 5);
}

TEST_CASE("what is under way counts half as done") {
  Timed timed(jobs_of(std::vector<double>(16, 1)), 2);
  const std::vector<CompileJob> taken = timed.take_the_likeliest();
  timed.now = 1;
  timed.queue.done(taken[0], 1);
  timed.queue.done(taken[1], 1); // 2 done and 6 under way: 5 a second, of which 3 are to come
  for (const char* line : {"8", "9", "none"})
    CHECK(timed.next() == line);
}

TEST_CASE("a candidate that alone would take too long is passed over for others that do not") {
  Timed timed(jobs_of({1, 1, 1, 1, 1, 1, 1, 1, 3, 1}), 10);
  const std::vector<CompileJob> taken = timed.take_the_likeliest();
  timed.now = 4;
  for (const CompileJob& job : taken)
    timed.queue.done(job, 4); // at a time: 2 a second, but 3 take one thread 12 s
  CHECK(timed.next() == "9");
  CHECK(timed.next() == "none");
}

TEST_CASE("the likeliest candidates are compiled however late it is") {
  std::vector<double> weights(12, 1);
  weights[2] = 3; // more than twice the first
  Timed timed(jobs_of(weights), 0.01);
  for (std::size_t i = 0; i < kCompiledAtLeast; ++i)
    CHECK(timed.compile_one(1) == std::to_string(i < 2 ? i : i + 1));
  CHECK(timed.next() == "none");
  CHECK(timed.queue.waiting() == 12 - kCompiledAtLeast);
}

TEST_CASE("more than the likeliest wait until it is known how long compiling takes") {
  Timed timed(jobs_of(std::vector<double>(12, 1)), 1);
  const std::vector<CompileJob> taken = timed.take_the_likeliest();
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
  CHECK(timed.queue.waiting() == 12 - kCompiledAtLeast);
}

TEST_CASE("a queue of nothing gives nothing") {
  Timed timed({}, 1);
  CHECK(timed.next() == "none");
}
