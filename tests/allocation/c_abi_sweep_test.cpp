// c_abi_sweep_test.cpp -- each allocation of each function of the C ABI fails in turn: the process
// lives, the status tells, and the same call works when there is memory again.
//
// SWAGE_SWEEP=N takes N places of each call, evenly spread, and 0 all of them;
// SWAGE_SWEEP_CALL=TEXT only the calls whose names hold TEXT, SWAGE_SWEEP_FROM=N and
// SWAGE_SWEEP_TO=N places from N on, and to N.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/allocation/c_abi_calls.hpp"
#include "tests/allocation/failing_malloc.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

namespace {

namespace fs = std::filesystem;

/// That a child has. On a busy machine a search takes some; only one that hangs takes so many.
constexpr unsigned kSeconds = 240;

std::int64_t setting(const char* name, std::int64_t usual) {
  const char* const text = std::getenv(name);
  return text ? std::atoll(text) : usual;
}

/// 1 to `count`, or `limit` of them evenly spread.
std::vector<std::int64_t> places(std::int64_t count, std::int64_t limit) {
  const std::int64_t from = setting("SWAGE_SWEEP_FROM", 1);
  count = std::max<std::int64_t>(0, std::min(count, setting("SWAGE_SWEEP_TO", count)) - from + 1);
  std::vector<std::int64_t> result;
  const std::int64_t taken = limit > 0 ? std::min(limit, count) : count;
  for (std::int64_t i = 0; i < taken; ++i)
    result.push_back(from + i * count / taken);
  return result;
}

/// What a child tells: its counts by step, and what was wrong.
struct Report {
  std::array<std::int64_t, 64> allocations;
  char wrong[400];
};

Report& shared_report() {
  static Report* const report = static_cast<Report*>(
      mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return *report;
}

/// Runs `body` in a child process, from the state that this one is in. Returns what was wrong.
std::string in_child(const std::function<void(Report&)>& body) {
  Report& report = shared_report();
  report = {};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSeconds);
    body(report);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    return fmt::format("{} (a signal: {})", report.wrong, strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0)
    return fmt::format("{} (exit {})", report.wrong, WEXITSTATUS(status));
  return report.wrong;
}

template <class... Values>
void tell(Report& report, fmt::format_string<Values...> format, Values&&... values) {
  *fmt::format_to_n(report.wrong, sizeof report.wrong - 1, format, std::forward<Values>(values)...)
       .out = 0;
}

constexpr std::size_t kNoStep = ~std::size_t{0};

/// Takes every step; step `failing` once with its n-th allocation failing, and then again.
void take_steps(Report& report, const Program& form, std::size_t failing, std::int64_t n,
                std::int64_t count) {
  Program program;
  program.device_id = form.device_id;
  program.number = form.number;
  for (std::size_t s = 0; s < steps().size(); ++s) {
    const Step& step = steps()[s];
    if (step.is_slow && s != failing && failing != kNoStep)
      continue;
    if (s == failing) {
      // Stands if the child ends here.
      tell(report, "{}, allocation {}: the process ended", step.name, n);
      fail_allocation(n, count);
      const swage_status status = step.run(program);
      report.allocations[s] = end_failing();
      report.wrong[0] = 0;
      if (status != step.expected && status != SWAGE_OUT_OF_MEMORY)
        return tell(report, "{}, allocation {}: returned {}: {}", step.name, n,
                    static_cast<int>(status), swage_last_error());
      tell(report, "{}, allocation {}: the process ended later", step.name, n);
    } else {
      fail_allocation(0);
    }
    swage_status status = SWAGE_OK;
    if (s == failing) // by another thread, which finds out what is still locked
      std::thread([&] { status = step.run(program); }).join();
    else
      status = step.run(program);
    if (s != failing)
      report.allocations[s] = end_failing();
    if (status != step.expected)
      return tell(report, "{}, allocation {}: then {} returned {}: {}",
                  failing == kNoStep ? "none" : steps()[failing].name, n, step.name,
                  static_cast<int>(status), swage_last_error());
  }
  report.wrong[0] = 0;
}

/// Sweeps over every step in processes that start as this one is now. `begin` runs before each.
void sweep(
    const Program& form, std::int64_t limit, std::int64_t count = 1,
    const std::function<void()>& begin = [] {}) {
  begin();
  REQUIRE(in_child([&](Report& report) { take_steps(report, form, kNoStep, 0, 0); }) == "");
  const auto allocations = shared_report().allocations;
  std::int64_t tried = 0;
  const char* const only = std::getenv("SWAGE_SWEEP_CALL");
  for (std::size_t s = 0; s < steps().size(); ++s) {
    if (only && steps()[s].name.find(only) == std::string_view::npos)
      continue;
    int wrong = 0;
    for (const std::int64_t n : places(allocations[s], limit)) {
      begin();
      const std::string found =
          in_child([&](Report& report) { take_steps(report, form, s, n, count); });
      ++tried;
      if (!found.empty())
        UNSCOPED_INFO(found);
      CHECK(found.empty());
      if (!found.empty() && ++wrong == 5)
        break;
    }
    if (std::getenv("SWAGE_SWEEP"))
      std::printf("%-45s %8lld allocations\n", std::string(steps()[s].name).c_str(),
                  static_cast<long long>(allocations[s])),
          std::fflush(stdout);
  }
  if (std::getenv("SWAGE_SWEEP"))
    std::printf("%lld places\n", static_cast<long long>(tried));
}

} // namespace

TEST_CASE("a process lives through any failing allocation of its first calls") {
  sweep({}, setting("SWAGE_SWEEP", 12));
}

TEST_CASE("a process lives through any failing allocation of its first calls on CUDA") {
  Program on_cuda;
  on_cuda.device_id = "cuda:0";
  sweep(on_cuda, setting("SWAGE_SWEEP", 12));
}

// After those above, which start from a process that has not called Swage yet.
TEST_CASE("a warm call whose allocation fails leaks nothing and works again") {
  Program program;
  program.device_id = GENERATE("cpu", "cuda:0");
  for (int round = 0; round < 2; ++round)
    for (const Step& step : steps()) {
      const swage_status status = step.run(program);
      INFO(program.device_id << ": " << step.name << ": " << swage_last_error());
      REQUIRE(status == step.expected);
    }
  for (const Step& step : steps()) {
    if (step.name == "swage_unload_unused")
      break; // what comes after it compiles, and a compile that fails leaves its memory behind
    if (step.is_slow)
      continue;
    // Warm again: the rounds above end by unloading what no handle holds.
    REQUIRE(step.run(program) == step.expected);
    int failures = 0;
    for (std::int64_t n = 1;;) {
      const std::int64_t before = live_allocations();
      fail_allocation(n);
      const swage_status status = step.run(program);
      const bool was_reached = end_failing() >= n;
      const std::int64_t after = live_allocations();
      INFO(program.device_id << ": " << step.name << ", allocation " << n << ": "
                             << static_cast<int>(status));
      REQUIRE((status == step.expected || status == SWAGE_OUT_OF_MEMORY));
      if (!was_reached)
        break;
      // What grows once (a list that keeps its room) is no leak; what grows each time is.
      constexpr int kTimes = 3;
      if (status == SWAGE_OUT_OF_MEMORY && after != before) {
        REQUIRE(++failures < kTimes);
        continue;
      }
      failures = 0;
      ++n;
    }
    INFO(step.name);
    REQUIRE(step.run(program) == step.expected);
  }
}

} // namespace swage::test
