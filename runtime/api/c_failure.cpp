// c_failure.cpp -- the last failure of a thread.
#include "runtime/api/c_failure.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include <pthread.h>

namespace swage {

namespace {

/// The last failure of a thread.
struct Failure {
  std::string message, build_log;
};

/// Of this thread. Trivial, for glibc ends the process where it has no memory to register the
/// destructor of a thread's variable.
struct LastFailure {
  Failure* texts = nullptr; ///< null: none failed yet, or there was no memory
  const char* message = ""; ///< where there was no memory for it
  std::int32_t driver_result = 0;
};
thread_local LastFailure last_failure;

extern "C" void drop_texts(void* texts) {
  last_failure = {};
  delete static_cast<Failure*>(texts);
}

Failure& texts_of_this_thread() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, drop_texts) != 0)
      throw std::bad_alloc();
    return made;
  }();
  if (!last_failure.texts) {
    auto made = std::make_unique<Failure>();
    if (pthread_setspecific(key, made.get()) != 0)
      throw std::bad_alloc();
    last_failure.texts = made.release();
  }
  return *last_failure.texts;
}

} // namespace

swage_status api::fail(swage_status status, const char* message, const char* build_log,
                       int driver_result) noexcept {
  last_failure.driver_result = driver_result;
  last_failure.message = nullptr;
  try {
    Failure& texts = texts_of_this_thread();
    texts.message = message;
    texts.build_log = build_log;
  } catch (...) {
    // The status still tells.
    last_failure.message = status == SWAGE_OUT_OF_MEMORY
                               ? "host memory ran out"
                               : "the message is lost: there was no memory to keep it";
    if (last_failure.texts)
      last_failure.texts->build_log.clear();
  }
  return status;
}

} // namespace swage

using swage::last_failure;

extern "C" {

const char* swage_last_error(void) {
  return last_failure.message ? last_failure.message : last_failure.texts->message.c_str();
}

const char* swage_last_build_log(void) {
  return last_failure.texts ? last_failure.texts->build_log.c_str() : "";
}

int32_t swage_last_driver_result(void) {
  return last_failure.driver_result;
}

} // extern "C"

static_assert(static_cast<int>(swage::ErrorCode::invalid_kernel) == SWAGE_INVALID_KERNEL);
static_assert(static_cast<int>(swage::ErrorCode::internal) == SWAGE_INTERNAL);
