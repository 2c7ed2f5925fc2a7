// file.cpp -- the few file operations of the cache, with errors as values.
#include "runtime/base/file.hpp"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <sys/random.h>
#include <system_error>
#include <unistd.h>

namespace swage::base {

void FileDescriptor::reset() noexcept {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

FileDescriptor open_at(int directory, const char* name, int flags, mode_t mode) {
  int fd = -1;
  do
    fd = ::openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
  while (fd < 0 && errno == EINTR);
  return FileDescriptor(fd);
}

WriteSignalsHeld::WriteSignalsHeld() noexcept {
  sigset_t waiting, held;
  ::sigpending(&waiting);
  ::sigemptyset(&held);
  ::sigemptyset(&ours_);
  for (const int signal : {SIGXFSZ, SIGPIPE}) {
    ::sigaddset(&held, signal);
    if (::sigismember(&waiting, signal) != 1)
      ::sigaddset(&ours_, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &held, &before_);
}

WriteSignalsHeld::~WriteSignalsHeld() {
  const int error = errno; // of the write
  const timespec at_once = {};
  while (::sigtimedwait(&ours_, nullptr, &at_once) >= 0 || errno == EINTR) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = error;
}

void make_directories(const std::string& path) {
  const auto make = [](const std::string& one) {
    if (::mkdir(one.c_str(), 0700) == 0)
      ::chmod(one.c_str(), 0700); // a umask may have left it unusable
  };
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1))
    make(path.substr(0, slash));
  make(path);
}

bool write_all(int fd, std::string_view bytes) {
  const WriteSignalsHeld held;
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      errno = written == 0 ? EIO : errno;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool read_at(int fd, std::uint64_t offset, std::uint64_t size, std::string& bytes) {
  bytes.resize(static_cast<std::size_t>(size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return false;
    if (got == 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return true;
}

std::uint64_t random_number() noexcept {
  std::uint64_t value = 0;
  // Does not block once the machine is up. If it fails, as under a strict seccomp filter, time and
  // process still tell concurrent callers apart.
  if (::getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value)
    return value;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return (static_cast<std::uint64_t>(now) ^ static_cast<std::uint64_t>(::getpid()) << 32) *
         0x9E3779B97F4A7C15;
}

bool same_file(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string error_text(int error) {
  return std::generic_category().message(error);
}

} // namespace swage::base
