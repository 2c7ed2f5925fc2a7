// target.hpp -- Target, the value that says for which machine code is made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace swage::codegen {

/// One machine to compile for. Prints to one canonical line: `cuda sm_90 ptx80`,
/// `host x86-64 znver5 +avx2+avx512f...`.
struct Target {
  enum class Kind : std::uint8_t { cuda, host };
  Kind kind = Kind::host;

  // cuda
  int sm = 0;         ///< compute capability times ten: 75, 80, 86, 89, 90, 100, 120
  int ptx = 0;        ///< PTX ISA version times ten: 63 is 6.3; the lowest that serves
  int newest_ptx = 0; ///< that the driver at hand takes, where it is too old for clusters; 0: any
  int cluster = 0;    ///< blocks of the largest cluster; 0 where there are none

  // host
  std::string triple;   ///< "x86_64-unknown-linux-gnu"
  std::string cpu;      ///< LLVM's name: "znver5"
  std::string features; ///< LLVM feature string: "+avx2,+fma,..."
  int vector_bits = 0;  ///< widest vector worth using: 128, 256 or 512
  bool fma = false;     ///< fused multiply-add in hardware

  friend bool operator==(const Target&, const Target&) = default;
};

/// The architectures that PTX is promised for, ascending: 75 80 86 87 88 89 90 100 103 110 120 121.
std::span<const int> cuda_architectures() noexcept;

/// Blocks that a cluster has on every GPU that has clusters.
inline constexpr int kPortableCluster = 8;

/// A CUDA target. `sm` above the newest known one compiles for the newest known at or below it
/// (PTX runs forward). Throws Error(unsupported) below 75.
Target cuda_target(int sm);

/// The nearest older target whose PTX is of version `newest` at most: `target` itself if its own
/// is. PTX runs forward, so its code serves `target`.
Target within_ptx(const Target& target, int newest);

/// The most threads that a multiprocessor of a CUDA target holds at once.
int resident_threads(const Target& target) noexcept;

/// The machine this process runs on, asked once.
const Target& host_target();

/// "sm_90" or "host" to a target. Throws Error(invalid_argument) naming the known ones.
Target target_from_name(std::string_view name);

std::string canonical(const Target& target);

} // namespace swage::codegen
