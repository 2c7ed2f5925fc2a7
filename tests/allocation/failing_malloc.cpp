// failing_malloc.cpp -- takes the place of the C library's allocator, and so of operator new and of
// LLVM's, in the whole program. Goes on to glibc's own functions.
#include "tests/allocation/failing_malloc.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <limits>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace swage::test {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max() / 2;

std::atomic<std::int64_t> first_failing = kNever, last_failing = kNever;
std::atomic<std::int64_t> made = 0, live = 0;
thread_local bool never_fails = false;

bool fails() {
  if (never_fails)
    return false;
  const std::int64_t number = made.fetch_add(1, std::memory_order_relaxed) + 1;
  if (number < first_failing.load(std::memory_order_relaxed) ||
      number > last_failing.load(std::memory_order_relaxed))
    return false;
  errno = ENOMEM;
  return true;
}

void* counted(void* memory) {
  if (memory)
    live.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

} // namespace

void fail_allocation(std::int64_t n, std::int64_t count) {
  first_failing = last_failing = kNever;
  made = 0;
  if (n > 0) {
    last_failing = n + count - 1;
    first_failing = n;
  }
}

std::int64_t end_failing() {
  first_failing = last_failing = kNever;
  return made;
}

NeverFailing::NeverFailing() {
  never_fails = true;
}

NeverFailing::~NeverFailing() {
  never_fails = false;
}

std::int64_t live_allocations() {
  return live;
}

} // namespace swage::test

using swage::test::counted;
using swage::test::fails;

extern "C" {

void* malloc(std::size_t size) {
  return fails() ? nullptr : counted(__libc_malloc(size));
}
void* calloc(std::size_t count, std::size_t size) {
  return fails() ? nullptr : counted(__libc_calloc(count, size));
}
void* realloc(void* memory, std::size_t size) {
  if (fails())
    return nullptr;
  return memory ? __libc_realloc(memory, size) : counted(__libc_realloc(memory, size));
}
void* memalign(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : counted(__libc_memalign(alignment, size));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  void* const made = memalign(alignment, size);
  if (!made)
    return ENOMEM;
  *memory = made;
  return 0;
}
void free(void* memory) {
  if (memory)
    swage::test::live.fetch_sub(1, std::memory_order_relaxed);
  __libc_free(memory);
}
}
