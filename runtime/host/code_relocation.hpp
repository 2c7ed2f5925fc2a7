// code_relocation.hpp -- the relocations that LLVM emits for kernels, and how each changes code.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/host/code_object.hpp"

namespace swage::host {

/// What a relocation wants the address of.
enum class RelocationTarget : std::uint8_t {
  symbol,  ///< the symbol itself
  call,    ///< code that leads to it: itself or a stub
  pointer, ///< a place that holds its address
  nothing, ///< the relocation does nothing
};

/// A row of the table of one machine.
struct RelocationRule {
  std::uint32_t type;
  RelocationTarget target;
  std::uint8_t bytes; ///< that it changes
  /// Changes the bytes at `place`, which will run at address `from`, to refer to `to` (addend
  /// included). False if `to` cannot be expressed.
  bool (*apply)(std::byte* place, std::uint64_t from, std::uint64_t to);
};

/// Null if the type is not known.
const RelocationRule* relocation_rule(CodeObject::Machine machine, std::uint32_t type) noexcept;

} // namespace swage::host
