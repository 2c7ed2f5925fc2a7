// lock.cpp -- locks between processes that die with their holder.
#include "runtime/store/lock.hpp"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace swage::store {
namespace {

bool lock_now(int fd) {
  int result = -1;
  do
    result = ::flock(fd, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

// Whether `name` is still the file that `fd` is. A holder removes its lock file before it unlocks,
// so whoever waited on that file may hold a lock that means nothing.
bool still_named(int directory, const char* name, int fd) {
  struct stat opened {
  }, named{};
  return ::fstat(fd, &opened) == 0 &&
         ::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         base::same_file(opened, named);
}

} // namespace

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  release();
  fd_ = std::move(other.fd_);
  directory_ = other.directory_;
  name_ = std::move(other.name_);
  remove_ = other.remove_;
  inherited_ = other.inherited_;
  return *this;
}

void LockFile::release() noexcept {
  if (!fd_)
    return;
  if (remove_)
    ::unlinkat(directory_, name_.c_str(), 0);
  // Unlocks even if a child forked in the meantime still has the descriptor.
  ::flock(fd_.get(), LOCK_UN);
  fd_.reset();
}

LockAttempt try_lock(const CacheDirectory& directory, const std::string& name, bool remove) {
  LockAttempt attempt;
  // Each round lost means that another process made progress; more than a few are a broken disk.
  for (int round = 0; round < 100; ++round) {
    // Two steps, because opening with O_CREAT what another user made fails in a sticky directory.
    bool created = false;
    base::FileDescriptor fd = base::open_at(directory.fd(), name.c_str(), O_RDWR);
    if (!fd && errno == ENOENT) {
      fd = base::open_at(directory.fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
      created = static_cast<bool>(fd);
      if (!fd && errno == EEXIST)
        continue;
    }
    if (!fd) {
      attempt.error = errno;
      return attempt;
    }
    if (created)
      ::fchmod(fd.get(), directory.lock_mode());
    if (!lock_now(fd.get())) {
      attempt.error = errno;
      if (errno == EWOULDBLOCK)
        attempt.status = LockAttempt::Status::busy;
      return attempt;
    }
    if (!still_named(directory.fd(), name.c_str(), fd.get()))
      continue;
    attempt.status = LockAttempt::Status::held;
    attempt.lock.fd_ = std::move(fd);
    attempt.lock.directory_ = directory.fd();
    attempt.lock.name_ = name;
    attempt.lock.remove_ = remove;
    attempt.lock.inherited_ = !created;
    return attempt;
  }
  attempt.error = EAGAIN;
  return attempt;
}

std::chrono::microseconds pause_before(int attempt) noexcept {
  const int base = 500 << std::min(attempt, 5);
  // Without the spread, processes started together would knock together.
  const auto seed =
      static_cast<unsigned>(::getpid()) * 2654435761U + static_cast<unsigned>(attempt);
  return std::chrono::microseconds(base + static_cast<int>(seed % 4096));
}

LockAttempt lock_within(const CacheDirectory& directory, const std::string& name, bool remove,
                        std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (int round = 0;; ++round) {
    LockAttempt attempt = try_lock(directory, name, remove);
    if (attempt.status != LockAttempt::Status::busy || std::chrono::steady_clock::now() >= deadline)
      return attempt;
    std::this_thread::sleep_for(pause_before(round));
  }
}

bool remove_if_abandoned(const CacheDirectory& directory, const std::string& name) {
  const base::FileDescriptor fd = base::open_at(directory.fd(), name.c_str(), O_RDWR);
  return fd && lock_now(fd.get()) && still_named(directory.fd(), name.c_str(), fd.get()) &&
         ::unlinkat(directory.fd(), name.c_str(), 0) == 0;
}

} // namespace swage::store
