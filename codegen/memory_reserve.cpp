// memory_reserve.cpp -- a new handler that gives its thread memory put by.
#include "codegen/memory_reserve.hpp"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace swage::codegen {

namespace {

/// Starting LLVM takes less than a MiB.
constexpr std::size_t kBytes = std::size_t{4} << 20;

std::mutex mutex; // guards what follows, but for reading `before`
int living = 0;
std::atomic<std::new_handler> before = nullptr;

} // namespace

thread_local MemoryReserve* MemoryReserve::innermost = nullptr;

MemoryReserve::MemoryReserve() : memory_(std::malloc(kBytes)), outer_(innermost) {
  if (!memory_)
    throw std::bad_alloc();
  innermost = this;
  const std::lock_guard lock(mutex);
  if (living++ == 0)
    before = std::set_new_handler(handle);
}

MemoryReserve::~MemoryReserve() {
  {
    const std::lock_guard lock(mutex);
    // A handler that the program has set meanwhile stays.
    if (--living == 0 && std::get_new_handler() == handle)
      std::set_new_handler(before);
  }
  innermost = outer_;
  std::free(memory_);
}

void MemoryReserve::handle() {
  for (MemoryReserve* own = innermost; own; own = own->outer_)
    if (own->memory_)
      return std::free(std::exchange(own->memory_, nullptr));
  const std::new_handler other = before;
  if (!other || other == handle)
    throw std::bad_alloc();
  other();
}

} // namespace swage::codegen
