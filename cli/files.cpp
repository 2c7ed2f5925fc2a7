// files.cpp -- reading whole files, and publishing new ones in one step.
#include "cli/files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::cli {

namespace {

[[noreturn]] void throw_io(std::string_view action, const std::string& path) {
  throw Error(ErrorCode::io, fmt::format("cannot {} {}: {}", action, path, std::strerror(errno)));
}

/// The path that a rename has to replace: `path` with symbolic links followed where it exists.
std::string resolve(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : path;
}

void write_directly(const std::string& path, const std::function<void(FileWriter&)>& fill) {
  const FileHandle file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0)
    throw_io("write", path);
  FileWriter writer(file.get(), path);
  fill(writer);
}

/// The permissions that a plain creat would have given.
mode_t default_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

} // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0)
    ::close(fd_);
}

std::string read_file(const std::string& path, std::size_t limit) {
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    throw_io("read", path);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      throw_io("read", path);
    if (count == 0)
      return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > limit)
      throw Error(ErrorCode::io, fmt::format("{} is longer than {} bytes", path, limit));
  }
}

void FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      throw_io("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_file(const std::string& path, const std::function<void(FileWriter&)>& fill) {
  struct stat status = {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    throw Error(ErrorCode::io, fmt::format("cannot write {}: it is a folder", path));
  if (exists && !S_ISREG(status.st_mode))
    return write_directly(path, fill);

  const std::string target = exists ? resolve(path) : path;
  std::string temporary = target + ".XXXXXX";
  FileHandle file(::mkstemp(temporary.data()));
  if (file.get() < 0)
    throw_io("write", path);
  try {
    FileWriter writer(file.get(), path);
    fill(writer);
    ::fchmod(file.get(), exists ? status.st_mode & 07777 : default_mode());
    if (::close(file.release()) != 0 || ::rename(temporary.c_str(), target.c_str()) != 0)
      throw_io("write", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

FileImage::FileImage(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat status = {};
  if (file_.get() < 0 || ::fstat(file_.get(), &status) != 0)
    throw_io("read", path);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorCode::io, fmt::format("cannot read {}: it is not a regular file", path));
  const std::size_t size = static_cast<std::size_t>(status.st_size);
  if (size == 0)
    return;
  void* address =
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw_io("read", path);
  bytes_ = {static_cast<std::byte*>(address), size};
}

FileImage::~FileImage() {
  if (!bytes_.empty())
    ::munmap(bytes_.data(), bytes_.size());
}

void FileImage::read(std::span<const std::byte> part) const {
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::size_t at = static_cast<std::size_t>(part.data() - bytes_.data()) / page * page;
  const std::size_t end = static_cast<std::size_t>(part.data() - bytes_.data()) + part.size();
  if (part.empty())
    return;
  if (::mprotect(bytes_.data() + at, end - at, PROT_READ | PROT_WRITE) != 0)
    throw_io("read", path_);
  while (at < end) {
    const ssize_t count =
        ::pread(file_.get(), bytes_.data() + at, end - at, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      throw_io("read", path_);
    if (count == 0)
      throw Error(
          ErrorCode::io,
          fmt::format("{} was truncated while it was read: it ends at byte {}, expected {}; "
                      "wait until it is written, and run again",
                      path_, at, bytes_.size()));
    at += static_cast<std::size_t>(count);
  }
}

} // namespace swage::cli
