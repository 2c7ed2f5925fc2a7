// context.cpp -- a context as a handle and an id, for a handle alone may stand for another one.
#include "runtime/cuda/context.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace swage::cuda {

ContextRef identify(Context handle) {
  unsigned long long id = 0;
  driver().cuCtxGetId(handle, &id);
  return {handle, id};
}

const ContextState& state_of(const ContextRef& context) {
  // Leaked: modules may be unloaded while static objects are destroyed.
  static std::mutex& mutex = *new std::mutex;
  static auto& states = *new std::vector<std::unique_ptr<ContextState>>;
  const std::lock_guard lock(mutex);
  for (const auto& state : states)
    if (state->ref == context)
      return *state;
  states.push_back(std::make_unique<ContextState>(context));
  for (const auto& state : states)
    if (state->ref.handle == context.handle && state->ref.id != context.id)
      state->gone.store(true, std::memory_order_relaxed);
  return *states.back();
}

bool is_about_context(Result result) noexcept {
  return result == Result::invalid_context || result == Result::invalid_handle ||
         result == Result::context_is_destroyed || result == Result::not_initialized;
}

std::shared_mutex& own_captures() {
  static std::shared_mutex* const mutex = new std::shared_mutex;
  return *mutex;
}

void synchronize_context() {
  const std::unique_lock alone(own_captures());
  driver().cuCtxSynchronize();
}

FormerContext::FormerContext(const ContextRef& context) noexcept {
  pushed_ = driver().cuCtxPushCurrent_v2.raw(context.handle) == Result::success;
  unsigned long long id = 0;
  is_alive_ = pushed_ && driver().cuCtxGetId.raw(context.handle, &id) == Result::success &&
              id == context.id;
}

FormerContext::~FormerContext() {
  Context popped = nullptr;
  if (pushed_)
    driver().cuCtxPopCurrent_v2.raw(&popped);
}

} // namespace swage::cuda
