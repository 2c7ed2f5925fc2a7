// no_exec_test.cpp -- a process that may not make memory executable, as services are run.
#include <cstring>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

constexpr int kSetMdwe = 65; // PR_SET_MDWE of Linux 6.3
constexpr int kNotThere = 40;

/// In a process of its own, for the ban cannot be taken back.
int launch_under_the_ban() {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (prctl(kSetMdwe, 1, 0, 0, 0) != 0)
      _exit(kNotThere);
    try {
      float x[4] = {1}, y[4] = {};
      Device::open("cpu")
          .kernel("kernel k(x: in f32, y: out f32) { y = x * 711; }", "")
          .launch(nullptr, {Tensor(x, f32, {4}), Tensor(y, f32, {4})});
      _exit(1);
    } catch (const Error& error) {
      _exit(std::strstr(error.what(), "executable") ? 0 : 2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace

TEST_CASE("where memory may not be made executable a launch on the CPU is an error that says so") {
  const int status = launch_under_the_ban();
  if (status == kNotThere)
    return; // an older kernel
  CHECK(status == 0);
}
