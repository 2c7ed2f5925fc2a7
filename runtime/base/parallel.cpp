// parallel.cpp -- whether the threads of this process are there.
#include "runtime/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <new>

#include <pthread.h>

namespace swage::base {

namespace {

std::atomic<bool> forked = false;

extern "C" void note_fork() {
  forked.store(true, std::memory_order_relaxed);
}

} // namespace

bool has_threads() {
  static const bool noted = [] {
    if (pthread_atfork(nullptr, nullptr, note_fork) != 0)
      throw std::bad_alloc();
    return true;
  }();
  return noted && !forked.load(std::memory_order_relaxed);
}

int threads_at_most(std::int64_t ranges) {
  if (!has_threads())
    return 1;
  return static_cast<int>(
      std::clamp<std::int64_t>(ranges, 1, tbb::this_task_arena::max_concurrency()));
}

} // namespace swage::base
