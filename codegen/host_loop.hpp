// host_loop.hpp -- what is chosen for the vector loops of an element-wise kernel on a CPU.
#pragma once

#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// Host kernels whose tensors, but for one value a row, are all bf16 at unit stride.
bool can_split_bf16(const ir::Kernel& kernel, const Specialization& specialization,
                    const Target& target) noexcept;

/// How the turns of a loop overlap, see overlap.hpp.
struct Overlap {
  int parts = 1; ///< of a turn, each of which is computed one turn ahead of the next one; 1: none
  /// What is loaded is loaded again in a later part, and widened where it is needed first, in place
  /// of waiting in registers.
  bool repeats_loads = false;
};

/// Where a CPU is known to gain from it, by kernel and lanes.
Overlap overlap_of(const ir::Kernel& kernel, const Specialization& specialization,
                   const Target& target, int lanes) noexcept;

/// The lanes that gain the most from how turns overlap; 0 where any number does.
int lanes_of_overlap(const ir::Kernel& kernel, const Specialization& specialization,
                     const Target& target) noexcept;

} // namespace swage::codegen
