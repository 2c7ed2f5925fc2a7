// overlap.hpp -- loops of which each turn begins the work of the next ones.
#pragma once

#include <llvm/IR/Module.h>

#include "codegen/host_loop.hpp"

namespace swage::codegen {

/// Marks the loop that `branch` closes for `overlap_iterations`: one block, whose loads come before
/// its stores and read nothing that other turns store.
void mark_for_overlap(llvm::Instruction& branch, Overlap overlap);

/// Takes every marked loop apart where what lives on is small: each part of a turn but the last is
/// computed one turn ahead, beside the parts of turns before, with which it has nothing to do. So a
/// CPU finds independent operations within the few hundred that it looks at, where a turn is one
/// long chain. Changes no operation, and no result.
void overlap_iterations(llvm::Module& module);

} // namespace swage::codegen
