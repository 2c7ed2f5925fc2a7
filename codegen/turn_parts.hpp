// turn_parts.hpp -- where one turn of a loop is best cut.
#pragma once

#include <optional>

#include <llvm/ADT/DenseMap.h>
#include <llvm/IR/Instructions.h>

#include "codegen/host_loop.hpp"

namespace swage::codegen {

/// The part that an instruction of a block is in, from 0 on, stores in the last one. A part takes
/// what those before it make. Addresses, and what else is as cheap to compute again as to keep, are
/// in none.
using Stages = llvm::DenseMap<const llvm::Instruction*, int>;

bool is_address(const llvm::Instruction& instruction);

/// Cut where the least lives on: in two in the middle of the longest chain or rather late, for what
/// follows is then short, and what was begun is done when its turn comes; in three about evenly.
/// None where a turn is too short to pay.
std::optional<Stages> divide_turn(llvm::BasicBlock& block, Overlap overlap);

} // namespace swage::codegen
