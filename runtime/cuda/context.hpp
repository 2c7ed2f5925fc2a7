// context.hpp -- a context as a handle and an id, for a handle alone may stand for another one.
#pragma once

#include <atomic>
#include <cstdint>
#include <shared_mutex>

#include "runtime/cuda/driver.hpp"

namespace swage::cuda {

/// A context. A reset, or the end of one context and the making of another, leaves the handle and
/// changes the id, which the driver never gives out twice. Empty for the CPU.
struct ContextRef {
  Context handle = nullptr;
  std::uint64_t id = 0;

  explicit operator bool() const noexcept { return handle != nullptr; }
  friend bool operator==(const ContextRef&, const ContextRef&) = default;
};

/// The context that `handle` stands for now. Throws Error(driver) if there is none.
ContextRef identify(Context handle);

/// A context that code was loaded into. Made once for each, lives as long as the process.
struct ContextState {
  const ContextRef ref;
  /// Its handle was seen to stand for another context, so what was made in it is no more. Never
  /// cleared.
  std::atomic<bool> gone = false;

  explicit ContextState(const ContextRef& context) : ref(context) {}
};

/// The state of a context that was identified just now; an older context of the same handle is
/// marked as gone. Takes a lock.
const ContextState& state_of(const ContextRef& context);

/// Whether a result says that the current context, or what was made in it, is not what was thought.
bool is_about_context(Result result) noexcept;

/// Waiting for a context fails while a stream of it captures, whatever the mode of the capture, and
/// breaks the capture. Swage's own captures share this; `synchronize_context` has it alone.
std::shared_mutex& own_captures();
/// Waits for all work of the current context. Throws Error(driver), among others where a stream of
/// the program captures.
void synchronize_context();

/// Makes a context current that may have gone, for giving back what was made in it: true while it
/// is current. Afterwards the caller's is current again.
class FormerContext {
public:
  explicit FormerContext(const ContextRef& context) noexcept;
  FormerContext(const FormerContext&) = delete;
  FormerContext& operator=(const FormerContext&) = delete;
  ~FormerContext();
  explicit operator bool() const noexcept { return is_alive_; }

private:
  bool is_alive_ = false, pushed_ = false;
};

} // namespace swage::cuda
