// log_test.cpp -- the log's level is read at the first line, where memory may be short.
#include <cstdio>
#include <cstdlib>
#include <new>

#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/log.hpp"
#include "tests/allocation/failing_malloc.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

namespace {

/// 0: all well; 1: the level is not the one that stands for a wrong SWAGE_LOG.
int ask_with_failing(std::int64_t n) {
  setenv("SWAGE_LOG", "a level that is none and is too long for a short string", 1);
  if (!std::freopen("/dev/null", "w", stderr))
    return 2;
  fail_allocation(n);
  try {
    base::logs(base::LogLevel::warn);
  } catch (const std::bad_alloc&) {
  }
  end_failing();
  return base::logs(base::LogLevel::warn) && !base::logs(base::LogLevel::info) ? 0 : 1;
}

} // namespace

TEST_CASE("a process lives through a lack of memory while the log's level is read") {
  for (std::int64_t n = 1; n <= 8; ++n) {
    const pid_t child = fork();
    if (child == 0)
      _exit(ask_with_failing(n));
    int status = -1;
    waitpid(child, &status, 0);
    INFO("allocation " << n);
    CHECK(status == 0);
  }
}

} // namespace swage::test
