// host_jit.hpp -- object code for this CPU to a function that can be called.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace swage::runtime {

/// Computes elements [begin, end), in row-major order, of the call that `words` describes; see
/// codegen/arguments.hpp.
using HostEntry = void (*)(const std::uint64_t* words, std::int64_t begin, std::int64_t end);

/// Linked code of one object file. Unloads with the object.
class HostCode {
public:
  /// Throws Error(internal) if the object does not link.
  HostCode(const std::string& object, const std::string& entry);
  HostCode(const HostCode&) = delete;
  HostCode& operator=(const HostCode&) = delete;
  ~HostCode();

  HostEntry entry() const noexcept { return entry_; }

private:
  struct Library;
  std::unique_ptr<Library> library_;
  HostEntry entry_ = nullptr;
};

} // namespace swage::runtime
