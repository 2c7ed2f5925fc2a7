// host_level.hpp -- the named levels of CPUs that host code is shipped for.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "codegen/target.hpp"

namespace swage::codegen {

/// A set of instructions with a name that others know: the micro-architecture levels of the x86-64
/// psABI ("x86-64-v2", "x86-64-v3", "x86-64-v4"), and the base of Armv8-A ("aarch64").
struct HostLevel {
  std::string_view name;
  std::string_view triple;
  std::string_view cpu;      ///< LLVM's name
  std::string_view features; ///< LLVM's, those that lowering asks for
  int vector_bits;
  bool fma;
};

/// All of them; those of one architecture stand together, lowest first.
std::span<const HostLevel> host_levels() noexcept;
/// Those of the machine that this was built for.
std::span<const HostLevel> native_levels() noexcept;
const HostLevel* find_host_level(std::string_view name) noexcept;

/// Whether this machine's CPU and operating system run code of a level.
bool runs_here(const HostLevel& level) noexcept;
/// The highest level that this machine runs; the lowest there is if it runs none.
const HostLevel& best_host_level() noexcept;

Target target_of(const HostLevel& level);

} // namespace swage::codegen
