// turn_parts.cpp -- cuts a turn by the cycles that are left from each instruction to the end.
#include "codegen/turn_parts.hpp"

#include <algorithm>
#include <limits>

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/SmallPtrSet.h>

namespace swage::codegen {

using llvm::Instruction;

namespace {

constexpr int kLeastCycles = 48;            ///< of a turn
constexpr int kEarliest = 45, kLatest = 85; ///< of a turn, in hundredths: where it may be cut

/// Cycles, roughly, as on CPUs of 2020 and later.
int latency(const Instruction& instruction) {
  switch (instruction.getOpcode()) {
  case Instruction::Load: return 6;
  case Instruction::FDiv: return 12;
  case Instruction::FAdd:
  case Instruction::FSub:
  case Instruction::FMul:
  case Instruction::Call: return 4;
  case Instruction::BitCast: return 0;
  default: return 1;
  }
}

class Turn {
public:
  explicit Turn(llvm::BasicBlock& block) : block_(block) {}

  /// False where a turn is too short.
  bool choose_cut() {
    find_heights();
    if (total_ < kLeastCycles)
      return false;
    // By cycle, how much more is kept in a cut there than in one a cycle before.
    std::vector<std::int64_t> more(static_cast<std::size_t>(total_) + 1);
    for (const Instruction& each : block_) {
      if (llvm::isa<llvm::PHINode>(each) || is_address(each) || each.use_empty())
        continue;
      int last = 0;
      for (const llvm::User* user : each.users()) {
        const auto& use = *llvm::cast<Instruction>(user);
        last = std::max(last, is_address(use) ? total_ : std::min(due(use), total_));
      }
      const auto bits = static_cast<std::int64_t>(each.getType()->getPrimitiveSizeInBits());
      more[static_cast<std::size_t>(due(each))] += bits;
      more[static_cast<std::size_t>(last)] -= bits;
    }
    std::int64_t kept = 0, least = std::numeric_limits<std::int64_t>::max();
    for (int cut = 0; cut <= total_ * kLatest / 100; ++cut) {
      kept += more[static_cast<std::size_t>(cut)];
      if (cut >= total_ * kEarliest / 100 && kept < least) {
        least = kept;
        cut_ = cut;
      }
    }
    return true;
  }

  /// Into what has to be done by cycle `cut_`, with all that it is made of, and the rest; addresses
  /// are in neither, and are computed where they are needed.
  TurnParts divide() const {
    TurnParts parts;
    llvm::SmallPtrSet<const llvm::User*, 32> in_first;
    for (Instruction& each : block_) {
      if (llvm::isa<llvm::PHINode>(each) || is_address(each))
        continue;
      (due(each) <= cut_ ? parts.first : parts.second).push_back(&each);
      if (due(each) <= cut_)
        in_first.insert(&each);
    }
    for (Instruction* each : parts.first)
      if (!std::ranges::all_of(each->users(),
                               [&](const llvm::User* user) { return in_first.contains(user); }))
        parts.kept.push_back(each);
    return parts;
  }

private:
  /// Of every instruction, the cycles from its start to the end of the turn.
  void find_heights() {
    for (Instruction& each : llvm::reverse(block_)) {
      int after = 0;
      for (const llvm::User* user : each.users())
        if (const auto found = heights_.find(llvm::cast<Instruction>(user));
            found != heights_.end() && !llvm::isa<llvm::PHINode>(user))
          after = std::max(after, found->second);
      heights_[&each] = after + latency(each);
      if (!is_address(each))
        total_ = std::max(total_, heights_[&each]);
    }
  }

  /// The cycle by which an instruction has to be done.
  int due(const Instruction& instruction) const {
    return total_ - heights_.lookup(&instruction) + latency(instruction);
  }

  llvm::BasicBlock& block_;
  llvm::DenseMap<const Instruction*, int> heights_;
  int total_ = 0;
  int cut_ = 0;
};

} // namespace

bool is_address(const Instruction& instruction) {
  return !instruction.getType()->isVectorTy() && !instruction.mayReadOrWriteMemory() &&
         !instruction.getType()->isFloatingPointTy();
}

std::optional<TurnParts> divide_turn(llvm::BasicBlock& block) {
  Turn turn(block);
  return turn.choose_cut() ? std::optional(turn.divide()) : std::nullopt;
}

} // namespace swage::codegen
