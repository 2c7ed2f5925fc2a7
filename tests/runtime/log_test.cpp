// log_test.cpp -- a line of the log where nobody takes it.
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/log.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

/// Writes a line to `fd` as standard error in a process with the default signals; its exit status.
int status_of_logging_to(int fd, bool limited) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGXFSZ, SIG_DFL);
    ::dup2(fd, STDERR_FILENO);
    if (limited) {
      const rlimit none{0, 0};
      ::setrlimit(RLIMIT_FSIZE, &none);
    }
    base::write_log("a line");
    sigset_t waiting, blocked;
    ::sigpending(&waiting);
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (const int signal : {SIGPIPE, SIGXFSZ})
      if (::sigismember(&waiting, signal) == 1 || ::sigismember(&blocked, signal) == 1)
        ::_exit(2);
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

} // namespace

TEST_CASE("a log that nobody reads, or that has reached its limit, does not end the process") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  CHECK(status_of_logging_to(ends[1], false) == 0);
  ::close(ends[1]);
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  CHECK(status_of_logging_to(::fileno(file), true) == 0);
  std::fclose(file);
}
