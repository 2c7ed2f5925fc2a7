// files.hpp -- reading whole files, and publishing new ones in one step.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace swage::cli {

/// The whole of a file, or of a pipe. Throws Error(io) if it cannot be read or is longer than
/// `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit);

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

/// A file mapped for reading. Empty files map to nothing.
class MappedFile {
public:
  /// Throws Error(io): not there, not readable, not a regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace swage::cli
