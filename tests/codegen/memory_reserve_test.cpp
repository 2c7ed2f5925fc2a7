// memory_reserve_test.cpp -- the process's handler of failed allocations, while LLVM works.
#include "codegen/memory_reserve.hpp"

#include <new>
#include <thread>

#include "tests/support/catch.hpp"

using swage::codegen::MemoryReserve;

namespace {

struct Programs {}; // what the program's own handler throws

void programs_handler() {
  throw Programs{};
}

void other_handler() {
  throw std::bad_alloc();
}

/// What an allocation that fails does.
void fail() {
  if (const std::new_handler handler = std::get_new_handler())
    handler();
  else
    throw std::bad_alloc();
}

/// Puts back what was set before.
struct Restore {
  std::new_handler before = std::get_new_handler();
  ~Restore() { std::set_new_handler(before); }
};

} // namespace

TEST_CASE("memory in reserve is given once, and then the program's handler decides") {
  const Restore restore;
  std::set_new_handler(programs_handler);
  {
    const MemoryReserve reserve;
    CHECK(std::get_new_handler() != programs_handler);
    CHECK_NOTHROW(fail());
    CHECK_THROWS_AS(fail(), Programs);
  }
  CHECK(std::get_new_handler() == programs_handler);
}

TEST_CASE("other threads meet the handler that was set before, or the exception of none") {
  const Restore restore;
  for (const std::new_handler set : {std::new_handler{programs_handler}, std::new_handler{}}) {
    std::set_new_handler(set);
    const MemoryReserve reserve;
    bool right = false;
    std::thread([&] {
      try {
        fail();
      } catch (const Programs&) {
        right = set != nullptr;
      } catch (const std::bad_alloc&) {
        right = set == nullptr;
      }
    }).join();
    CHECK(right);
    CHECK_NOTHROW(fail()); // this thread's is still there
  }
}

TEST_CASE("a handler that is set while memory is in reserve stays") {
  const Restore restore;
  std::set_new_handler(programs_handler);
  {
    const MemoryReserve outer;
    const MemoryReserve inner;
    std::set_new_handler(other_handler);
  }
  CHECK(std::get_new_handler() == other_handler);
}
