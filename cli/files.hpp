// files.hpp -- reading whole files, and publishing new ones in one step.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace swage::cli {

/// The whole of a file, or of a pipe. Throws Error(io) if it cannot be read or is longer than
/// `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit);

/// A descriptor that is closed with its scope.
class FileHandle {
public:
  explicit FileHandle(int fd) : fd_(fd) {}
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

private:
  int fd_;
};

/// Takes the bytes of a file as they are written.
class FileWriter {
public:
  FileWriter(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
  /// Throws Error(io).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

private:
  int descriptor_;
  const std::string& path_;
};

/// Writes `path` through a temporary file beside it and a rename: readers see the old file or the
/// new one, never a part, and a failure leaves the old one. What is there and is no regular file (a
/// pipe, /dev/null) is written to directly; a symbolic link stays and its target is replaced.
/// Throws Error(io), or what `fill` throws.
void write_file(const std::string& path, const std::function<void(FileWriter&)>& fill);

/// Address space for a whole file, whose parts are read when they are asked for. The file itself is
/// not mapped: one that is truncated or changed meanwhile, or lies on a disk that fails, is then an
/// error and never a signal.
class FileImage {
public:
  /// Throws Error(io): not there, not readable, not a regular file.
  explicit FileImage(const std::string& path);
  ~FileImage();
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;

  std::size_t size() const noexcept { return bytes_.size(); }
  /// All of it. Only what was read may be looked at.
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// Reads a part of `bytes`, and bytes that share its pages. Throws Error(io) if the file no
  /// longer holds it.
  void read(std::span<const std::byte> part) const;

private:
  std::string path_;
  FileHandle file_;
  std::span<std::byte> bytes_;
};

} // namespace swage::cli
