// turn_parts.hpp -- where one turn of a loop is best cut in two.
#pragma once

#include <optional>
#include <vector>

#include <llvm/IR/Instructions.h>

namespace swage::codegen {

/// The instructions of a block that is a loop, but for addresses and what else is as cheap to
/// compute again as to keep.
struct TurnParts {
  std::vector<llvm::Instruction*> first;  ///< with all that they are made of
  std::vector<llvm::Instruction*> second; ///< all stores among them
  std::vector<llvm::Instruction*> kept;   ///< of the first, what the second, or an address, takes
};

bool is_address(const llvm::Instruction& instruction);

/// Cut where the least lives on, in the middle of the longest chain or rather late: what follows is
/// then short, and what was begun is done when its turn comes. None where a turn is too short to
/// pay.
std::optional<TurnParts> divide_turn(llvm::BasicBlock& block);

} // namespace swage::codegen
