// overlap.hpp -- loops of which each turn begins the work of the next one.
#pragma once

#include <llvm/IR/Module.h>

#include "codegen/target.hpp"

namespace swage::codegen {

/// Whether a CPU is known to gain from `overlap_iterations`; `is_bf16`: of kernels whose tensors
/// are all bf16, whose words wait for their turn in half as many registers.
bool gains_from_overlap(const Target& target, bool is_bf16);

/// Marks the loop that `branch` closes for `overlap_iterations`: one block, whose loads come before
/// its stores and read nothing that other turns store.
void mark_for_overlap(llvm::Instruction& branch);

/// Takes every marked loop apart where what lives on is small: its first part is computed one turn
/// ahead, beside the second part of the turn before, with which it has nothing to do. So a CPU
/// finds independent operations within the few hundred that it looks at, where a turn is one long
/// chain. Changes no operation, and no result.
void overlap_iterations(llvm::Module& module);

} // namespace swage::codegen
