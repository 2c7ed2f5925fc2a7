// memory.hpp -- the registry of device allocations, and what an access outside them raises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <shared_mutex>
#include <stdexcept>
#include <string>

namespace swage::emulator {

enum class FaultKind {
  illegal_address,
  misaligned_address,
  illegal_instruction, ///< trap, or an instruction outside its defined domain
  read_only_conflict,  ///< bytes read through .nc were written by the same grid
  race,                ///< two threads touch a byte that one of them writes, in no order
  dependency,          ///< a dependent grid touched memory before griddepcontrol.wait
  deadlock,            ///< threads wait at a barrier that can never open, or for such a phase
  timeout,             ///< the instruction limit was passed
};

/// A kernel did something that is an error, or undefined, on a device. `what()` names instruction,
/// thread, block and address.
class Fault : public std::runtime_error {
public:
  Fault(FaultKind kind, std::uint64_t address, const std::string& message)
      : std::runtime_error(message), kind_(kind), address_(address) {}
  FaultKind kind() const noexcept { return kind_; }
  std::uint64_t address() const noexcept { return address_; }

private:
  FaultKind kind_;
  std::uint64_t address_;
};

/// `size` bytes at device address `base`, kept at `host`. The two addresses may be equal.
struct Allocation {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::byte* host = nullptr;

  bool contains(std::uint64_t address, std::uint64_t bytes) const {
    return address - base < size && size - (address - base) >= bytes;
  }
};

/// Which addresses a kernel may touch. Owns nothing. Thread safe.
class Memory {
public:
  void add(const Allocation& allocation);
  /// Registers host memory under its own address.
  void add(void* data, std::size_t size);
  bool remove(std::uint64_t base);
  /// The allocation that holds the byte at `address`.
  std::optional<Allocation> find(std::uint64_t address) const;
  /// Where `address` lies relative to the nearest allocation, for messages.
  std::string describe(std::uint64_t address) const;

private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, Allocation> allocations_; // by base
};

} // namespace swage::emulator
