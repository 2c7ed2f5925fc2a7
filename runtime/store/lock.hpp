// lock.hpp -- locks between processes that die with their holder.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "runtime/store/directory.hpp"

namespace swage::store {

struct LockAttempt;

/// An flock on a file of its own. The kernel releases it when the holder dies, on network file
/// systems the server does; no process number, time stamp or heartbeat is ever looked at. Each
/// object opens the file for itself, so threads of one process exclude each other too.
class LockFile {
public:
  LockFile() = default;
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&& other) noexcept;
  ~LockFile() { release(); }

  bool held() const noexcept { return static_cast<bool>(fd_); }
  int fd() const noexcept { return fd_.get(); }
  /// The file was there before: its last holder died, or it is a file that stays.
  bool inherited() const noexcept { return inherited_; }

  /// Removes the file, if this kind of lock does so, and unlocks.
  void release() noexcept;

private:
  friend LockAttempt try_lock(const CacheDirectory&, const std::string&, bool);
  base::FileDescriptor fd_;
  int directory_ = -1; ///< not owned; the directory outlives the lock
  std::string name_;
  bool remove_ = false;
  bool inherited_ = false;
};

struct LockAttempt {
  enum class Status { held, busy, failed };
  Status status = Status::failed;
  LockFile lock; ///< with Status::held
  int error = 0; ///< errno, with Status::failed
};

/// Locks the file `name` without waiting, creating it if need be. With `remove` the file goes when
/// the lock does.
LockAttempt try_lock(const CacheDirectory& directory, const std::string& name, bool remove);

/// As try_lock, again and again until `wait` has passed.
LockAttempt lock_within(const CacheDirectory& directory, const std::string& name, bool remove,
                        std::chrono::milliseconds wait);

/// The pause before attempt number `attempt`: grows to 20 ms, differs from process to process.
std::chrono::microseconds pause_before(int attempt) noexcept;

/// Removes the file `name`, a lock or a temporary, if nobody alive holds a lock on it.
bool remove_if_abandoned(const CacheDirectory& directory, const std::string& name);

} // namespace swage::store
