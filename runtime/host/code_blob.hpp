// code_blob.hpp -- a host object file made executable in this process, without LLVM.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace swage::host {

/// Code in memory of its own: written once, then made executable and read-only. It lives as long as
/// something refers to it. No unwinder or profiler is told of it: kernels are leaves that neither
/// throw nor are thrown through.
class CodeBlob {
public:
  /// `object` is a relocatable ELF object for this machine, needed during the call alone. Throws
  /// Error: internal for a malformed one, unsupported if it calls functions that kernels do not, or
  /// if the system forbids to make code at run time, out_of_memory.
  static std::shared_ptr<const CodeBlob> load(std::span<const std::byte> object,
                                              std::string_view entry);
  CodeBlob(const CodeBlob&) = delete;
  CodeBlob& operator=(const CodeBlob&) = delete;
  ~CodeBlob();

  /// Of the function named at load.
  void* entry() const noexcept { return entry_; }
  /// Of memory taken.
  std::size_t bytes() const noexcept { return bytes_; }

private:
  CodeBlob() = default;
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  void* entry_ = nullptr;
};

} // namespace swage::host
