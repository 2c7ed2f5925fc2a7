// memory_limit_test.cpp -- address space that ends while a kernel compiles.
#include <string>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

namespace {

rlim_t address_space() {
  unsigned long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1)
      pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void launch(const Device& cpu, const std::string& source) {
  float x[8] = {}, y[8];
  const Tensor in(x, DType::f32, {8}), out(y, DType::f32, {8});
  const Arg arguments[] = {in, out};
  cpu.kernel(source, "k").launch(nullptr, arguments);
}

/// 0: all well; 1: another error than one of memory; 2: no kernel runs afterwards.
int compile_within(rlim_t bytes, const std::string& source) {
  const Device cpu = Device::open("cpu");
  launch(cpu, "kernel k(x: in f32, y: out f32) { y = x * 2; }");
  const rlim_t limit = address_space() + bytes;
  const rlimit tight{limit, RLIM_INFINITY}, wide{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_AS, &tight);
  int result = 0;
  try {
    launch(cpu, source);
  } catch (const Error& error) {
    result = error.code() == ErrorCode::out_of_memory ? 0 : 1;
  } catch (const std::bad_alloc&) {
  }
  setrlimit(RLIMIT_AS, &wide);
  try {
    launch(cpu, "kernel k(x: in f32, y: out f32) { y = x * 3; }");
  } catch (...) {
    result = 2;
  }
  return result;
}

} // namespace

TEST_CASE("address space that ends while a kernel compiles is an error, and the next one works") {
  std::string source = "kernel k(x: in f32, y: out f32) { y = x";
  for (int i = 0; i < 150; ++i)
    source += " + sin(x * " + std::to_string(i) + ".5)";
  source += "; }";
  for (const rlim_t mebibytes : {1, 2, 4, 8, 12, 16, 24, 40}) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(120);
      _exit(compile_within(mebibytes << 20, source));
    }
    int status = -1;
    waitpid(child, &status, 0);
    INFO(mebibytes << " MiB");
    CHECK(status == 0);
  }
}

} // namespace swage::test
