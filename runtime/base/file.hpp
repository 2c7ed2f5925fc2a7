// file.hpp -- the few file operations of the cache, with errors as values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <csignal>
#include <sys/stat.h>

namespace swage::base {

/// Owns a file descriptor.
class FileDescriptor {
public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept;

private:
  int fd_ = -1;
};

/// Opens below `directory`, never through a symbolic link, never handed to a child process, and
/// never waiting for the other end of a pipe that somebody put there. errno tells a failure.
FileDescriptor open_at(int directory, const char* name, int flags, mode_t mode = 0);

/// Holds back from this thread the signals that writing raises: SIGXFSZ past the process's file
/// size limit, and SIGPIPE where nobody reads a pipe any more. The write fails with EFBIG or EPIPE
/// like any other that cannot be done, where the signal would end the process. One that was raised
/// meanwhile is taken back at the end.
class WriteSignalsHeld {
public:
  WriteSignalsHeld() noexcept;
  ~WriteSignalsHeld();
  WriteSignalsHeld(const WriteSignalsHeld&) = delete;
  WriteSignalsHeld& operator=(const WriteSignalsHeld&) = delete;

private:
  sigset_t before_; ///< what the thread blocked
  sigset_t ours_;   ///< of the two, those that did not wait already and so may be taken back
};

/// Creates every missing directory of `path` with mode 0700, whatever the umask says; whether that
/// worked shows when it is opened.
void make_directories(const std::string& path);

/// Writes all of it. False with errno set otherwise.
bool write_all(int fd, std::string_view bytes);

/// Reads up to `size` bytes from `offset`; fewer at the end of the file. False with errno set.
bool read_at(int fd, std::uint64_t offset, std::uint64_t size, std::string& bytes);

/// Not secret, but different in every process on every machine.
std::uint64_t random_number() noexcept;

bool same_file(const struct stat& a, const struct stat& b) noexcept;

/// "No space left on device", without the race in strerror.
std::string error_text(int error);

} // namespace swage::base
