// llvm_start_test.cpp -- what would end the process inside LLVM is an exception for Swage.
#include "codegen/llvm_start.hpp"

#include <new>

#include <sys/wait.h>
#include <unistd.h>

#include <llvm/Support/ErrorHandling.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;

TEST_CASE("an error that LLVM takes to be fatal is an error of Swage inside it") {
  const LlvmScope scope;
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler its_message_is_lost; // as docs/embedding.md says
#endif
  try {
    llvm::report_fatal_error("no such instruction");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::internal);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("no such instruction"));
  }
}

TEST_CASE("an allocation that fails inside LLVM is std::bad_alloc") {
  const LlvmScope scope;
  CHECK_THROWS_AS(llvm::report_bad_alloc_error("a buffer"), std::bad_alloc);
}

namespace {

constexpr int kOwnHandler = 77;

void own_handler(void*, const char*, bool) {
  _exit(kOwnHandler);
}

/// What a process that runs `body` after Swage has compiled ends with; it meets a fatal error of
/// its own.
template <class F>
int exit_status(F&& body) {
  const pid_t child = fork();
  if (child == 0) {
    close(STDERR_FILENO);
    {
      const LlvmScope scope;
      start_llvm(host_target());
    }
    body();
    llvm::report_fatal_error("the program's own", /*gen_crash_diag=*/false);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace

TEST_CASE("outside Swage LLVM goes on after a fatal error as it does without a handler") {
  CHECK(exit_status([] {}) == 1); // as LLVM exits
}

TEST_CASE(
    "a handler of LLVM's errors that a program sets after the first compile replaces Swage's") {
  CHECK(exit_status([] {
          llvm::remove_fatal_error_handler();
          llvm::install_fatal_error_handler(own_handler);
        }) == kOwnHandler);
}

TEST_CASE("scopes inside LLVM nest, and LLVM is started once") {
  const LlvmScope outer;
  start_llvm(host_target());
  {
    const LlvmScope inner;
    start_llvm(host_target());
  }
  CHECK_THROWS_AS(llvm::report_bad_alloc_error("a buffer"), std::bad_alloc);
}
