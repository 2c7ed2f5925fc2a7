// execute.hpp -- runs a kernel's grid on the host: every thread of every block.
#pragma once

#include "emulator/memory.hpp"
#include "emulator/ptx.hpp"
#include "emulator/warp.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace swage::emulator {

/// Which value an instruction with a stated error bound returns (ex2.approx, div.full, ...).
enum class Approximation : std::uint8_t {
  nearest,    ///< the exact value, rounded to nearest
  worst_case, ///< off by up to the PTX ISA's bound, in a fixed pseudo-random way
};

enum class Special : std::uint8_t; // see program.cpp

/// One kernel, decoded. Immutable; holds copies of what it needs.
struct Program {
  Kernel kernel;
  std::vector<Step> steps;
  std::vector<Row> lists;
  std::vector<std::pair<Row, std::uint64_t>> constants;
  std::vector<std::pair<Row, Special>> specials;
  Row rows = 0;                 ///< of a register file
  std::size_t shared_bytes = 0; ///< static
  std::size_t local_bytes = 0;  ///< a thread
  bool has_barrier = false;
  bool has_warp_barrier = false;
  bool has_read_only_loads = false;
  bool has_atomics = false;
  bool waits_for_dependencies = false; ///< holds griddepcontrol.wait
};

/// Device addresses of the module's .global and .const variables.
using Symbols = std::unordered_map<std::string, std::uint64_t>;

/// Decodes one kernel. Throws ParseError on an unknown instruction, naming its text.
Program decode(const Module& module, const Kernel& kernel, const Symbols& symbols);

/// A module in memory: its variables, registered in `memory` for the image's life, and kernels.
class Image {
public:
  Image(const Module& module, Memory& memory);
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  /// Null if there is no such kernel.
  const Program* find(std::string_view kernel) const;
  const Symbols& symbols() const { return symbols_; }

private:
  Memory& memory_;
  std::vector<std::unique_ptr<std::byte[]>> storage_;
  Symbols symbols_;
  std::map<std::string, Program, std::less<>> programs_;
};

struct LaunchConfig {
  std::array<unsigned, 3> grid{1, 1, 1};
  std::array<unsigned, 3> block{1, 1, 1};
  std::size_t dynamic_shared = 0;
  std::vector<std::byte> parameters; ///< laid out as Kernel::parameters says
  Approximation approximation = Approximation::nearest;
  std::uint64_t seed = 0; ///< of Approximation::worst_case
  /// Fail where bytes loaded through .nc are stored to in the same grid, in whatever order; in
  /// allocations up to 64 MiB.
  bool check_read_only = true;
  /// Fail where a thread touches bytes that another thread of the grid writes, and no barrier says
  /// who comes first: in shared memory, and in global allocations up to 16 MiB, of kernels with
  /// barriers (of a warp, too) up to 4 MiB, of kernels with atomics none.
  bool check_races = true;
  /// The grid was launched to overlap with the one before it: fail where a thread touches global
  /// memory before griddepcontrol.wait, loads through .nc, or a block ends without having waited.
  bool programmatic = false;
  /// Blocks to run, in order; the rest are left out. For callers that want a sample of the cost.
  std::uint64_t block_limit = UINT64_MAX;
  /// Instructions, summed over threads, before the grid counts as hung.
  std::uint64_t instruction_limit = 1ULL << 36;
};

struct Statistics {
  std::map<std::string, std::uint64_t>
      executed; ///< by opcode with its modifiers, summed over threads
  std::uint64_t instructions = 0;
  std::uint64_t bytes_loaded = 0; ///< from global memory
  std::uint64_t bytes_stored = 0; ///< to global memory

  /// The sum over opcodes that begin with `prefix`.
  std::uint64_t count(std::string_view prefix) const;
  void operator+=(const Statistics& other);
};

/// Runs the grid to its end. Throws Fault, after which the contents of written memory are as far as
/// the grid came. Results do not depend on the order of blocks unless the kernel races.
Statistics execute(const Program& program, const LaunchConfig& config, Memory& memory);

} // namespace swage::emulator
