// tune_compile_queue_test.cpp -- the order in which candidates are compiled, and what is left out
// for want of time.
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

std::string next_of(CompileQueue& queue, double elapsed) {
  const std::optional<CompileJob> job = queue.take(elapsed);
  return job ? job->line : "none";
}

} // namespace

TEST_CASE(
    "the likeliest candidates are compiled first, and the longest once it is known how long") {
  CompileQueue queue(jobs_of({1, 2, 1, 5, 3}), CompileQueue::kNoLimit, 2);
  const std::optional<CompileJob> first = queue.take(0);
  REQUIRE(first);
  CHECK(first->line == "0");
  CHECK(next_of(queue, 0) == "1");
  queue.done(*first, 0.1);
  CHECK(next_of(queue, 0.1) == "3");
  CHECK(next_of(queue, 0.1) == "4");
  CHECK(next_of(queue, 1e9) == "2");
  CHECK(next_of(queue, 1e9) == "none");
  CHECK(queue.left_out().empty());
}

TEST_CASE("what would not be compiled in time is left out, the unlikeliest first") {
  CompileQueue queue(jobs_of(std::vector<double>(16, 1)), 1.0, 2);
  const std::optional<CompileJob> first = queue.take(0);
  REQUIRE(first);
  queue.done(*first, 0.125);
  CHECK(next_of(queue, 0.125) == "1"); // two threads compile 14 of 15 in what is left
  CHECK(queue.left_out() == std::vector<std::string>{"15"});
  CHECK(next_of(queue, 0.25) == "2"); // 12 of 13
  CHECK(queue.left_out() == std::vector<std::string>{"15", "14"});
}

TEST_CASE("a candidate that alone would take too long is left out for others that do not") {
  CompileQueue queue(jobs_of({1, 1, 1, 1, 1, 1, 1, 1, 30, 1}), 2.0, 16);
  const std::optional<CompileJob> first = queue.take(0);
  REQUIRE(first);
  queue.done(*first, 0.1);
  CHECK(next_of(queue, 0.1) == "1");
  CHECK(queue.left_out() == std::vector<std::string>{"8"});
}

TEST_CASE("the likeliest candidates are compiled however late it is") {
  CompileQueue queue(jobs_of(std::vector<double>(12, 1)), 0.01, 1);
  std::size_t taken = 0;
  while (const std::optional<CompileJob> job = queue.take(static_cast<double>(taken))) {
    queue.done(*job, 1);
    ++taken;
  }
  CHECK(taken == kCompiledAtLeast);
  CHECK(queue.left_out().size() == 12 - kCompiledAtLeast);
}

TEST_CASE("a queue of nothing gives nothing") {
  CompileQueue queue({}, 1, 0);
  CHECK(next_of(queue, 0) == "none");
}
