// own_stack.cpp -- room for recursion, whatever stack the calling thread was given.
#include "codegen/own_stack.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// The lowest address of the first thread's stack where this is it, or 0. For it the C library
/// reads /proc/self/maps, which takes most of a millisecond where a driver and PyTorch are loaded.
/// The stack begins with the program's file name, and Linux leaves 128 MiB below free of other
/// mappings, so an address this near is on it.
std::uintptr_t first_stack_limit(std::uintptr_t here) {
  constexpr std::uintptr_t kNear = std::uintptr_t{64} << 20, kGuard = std::uintptr_t{64} << 10;
  const std::uintptr_t begin = getauxval(AT_EXECFN);
  rlimit most{};
  if (begin == 0 || getrlimit(RLIMIT_STACK, &most) != 0)
    return 0;
  const std::uintptr_t bytes = std::min<std::uintptr_t>(most.rlim_cur, kNear);
  return here < begin && begin - here < bytes ? begin - bytes + kGuard : 0;
}

/// The lowest address of this thread's stack; all ones where it cannot be told.
std::uintptr_t stack_limit() {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (const std::uintptr_t limit = first_stack_limit(here); limit != 0)
    return limit;
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0)
    return ~std::uintptr_t{0};
  void* lowest = nullptr;
  std::size_t bytes = 0, guard = 0;
  const bool known = pthread_attr_getstack(&attributes, &lowest, &bytes) == 0 &&
                     pthread_attr_getguardsize(&attributes, &guard) == 0;
  pthread_attr_destroy(&attributes);
  return known ? reinterpret_cast<std::uintptr_t>(lowest) + guard : ~std::uintptr_t{0};
}

bool has_stack(std::size_t bytes) {
  // Asked once a thread.
  thread_local const std::uintptr_t limit = stack_limit();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here > limit && here - limit > bytes;
}

struct Work {
  const std::function<void()>& body;
  std::exception_ptr failure;
};

void* run(void* data) noexcept {
  Work& work = *static_cast<Work*>(data);
  try {
    work.body();
  } catch (...) {
    work.failure = std::current_exception();
  }
  return nullptr;
}

} // namespace

void with_stack(std::size_t bytes, const std::function<void()>& body) {
  if (has_stack(bytes))
    return body();
  Work work{body, nullptr};
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error == 0) {
    pthread_attr_setstacksize(&attributes, kOwnStackBytes);
    error = pthread_create(&thread, &attributes, run, &work);
    pthread_attr_destroy(&attributes);
  }
  if (error != 0)
    throw Error(ErrorCode::out_of_memory,
                fmt::format("this thread has too little stack to compile on, and one with {} MiB "
                            "could not be started: {}",
                            kOwnStackBytes >> 20, std::strerror(error)));
  pthread_join(thread, nullptr);
  if (work.failure)
    std::rethrow_exception(work.failure);
}

} // namespace swage::codegen
