// parallel.cpp -- whether the threads of this process are there.
#include "runtime/base/parallel.hpp"

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

} // namespace swage::base
