// turn_parts.cpp -- cuts a turn by the cycles that are left from each instruction to the end.
#include "codegen/turn_parts.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include <llvm/ADT/SmallPtrSet.h>

namespace swage::codegen {

using llvm::Instruction;

namespace {

constexpr int kLeastCycles = 48; ///< of a turn

/// Where a turn may be cut, in hundredths of its cycles.
struct Window {
  int earliest, latest;
};
constexpr Window kTwoParts[] = {{45, 85}};
constexpr Window kThreeParts[] = {{33, 42}, {60, 85}};

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

/// Bits of registers. A truth value takes as many as an f32, but with AVX-512.
std::int64_t size(const llvm::Type& type) {
  const auto bits = static_cast<std::int64_t>(type.getPrimitiveSizeInBits());
  return type.isIntOrIntVectorTy(1) ? 32 * bits : bits;
}

class Turn {
public:
  Turn(llvm::BasicBlock& block, Overlap overlap) : block_(block), overlap_(overlap) {
    if (overlap_.repeats_loads)
      find_widened_loads();
    find_heights();
    find_due();
  }

  bool is_long() const { return total_ >= kLeastCycles; }

  void cut() {
    const std::vector<std::int64_t> more = growth();
    for (const Window& window :
         overlap_.parts > 2 ? std::span<const Window>(kThreeParts) : kTwoParts) {
      std::int64_t kept = 0, least = std::numeric_limits<std::int64_t>::max();
      int best = 0;
      for (int cycle = 0; cycle <= total_ * window.latest / 100; ++cycle) {
        kept += more[static_cast<std::size_t>(cycle)];
        if (cycle >= total_ * window.earliest / 100 && kept < least) {
          least = kept;
          best = cycle;
        }
      }
      cuts_.push_back(best);
    }
  }

  /// By the last cut that an instruction has to be done by.
  Stages stages() const {
    Stages result;
    for (const Instruction& each : block_)
      if (!llvm::isa<llvm::PHINode>(each) && !is_address(each))
        result[&each] = static_cast<int>(
            std::ranges::count_if(cuts_, [&](int cycle) { return due(each) > cycle; }));
    return result;
  }

private:
  /// Loads, and what takes nothing but loads to f32.
  void find_widened_loads() {
    for (const Instruction& each : block_)
      switch (each.getOpcode()) {
      case Instruction::Load: widened_.insert(&each); break;
      case Instruction::Shl:
      case Instruction::And:
      case Instruction::BitCast:
      case Instruction::ShuffleVector:
        if (std::ranges::all_of(each.operands(), [&](const llvm::Value* operand) {
              return llvm::isa<llvm::Constant>(operand) || widened_.contains(operand);
            }))
          widened_.insert(&each);
        break;
      default: break;
      }
  }

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

  /// Of every instruction, the cycle by which it has to be done: where that is in time for what
  /// takes it, or, of a load that may be repeated, where that is done itself.
  void find_due() {
    for (const Instruction& each : llvm::reverse(block_)) {
      int due = total_ - heights_.lookup(&each) + latency(each);
      if (widened_.contains(&each)) {
        due = total_;
        for (const llvm::User* user : each.users())
          if (const auto found = due_.find(llvm::cast<Instruction>(user)); found != due_.end())
            due = std::min(due, found->second);
      }
      due_[&each] = due;
    }
  }

  int due(const Instruction& instruction) const { return due_.lookup(&instruction); }

  /// By cycle, how much more is kept in a cut there than in one a cycle before.
  std::vector<std::int64_t> growth() const {
    std::vector<std::int64_t> more(static_cast<std::size_t>(total_) + 1);
    for (const Instruction& each : block_) {
      if (llvm::isa<llvm::PHINode>(each) || is_address(each) || each.use_empty() ||
          (overlap_.repeats_loads && llvm::isa<llvm::LoadInst>(each)))
        continue;
      int last = 0;
      for (const llvm::User* user : each.users()) {
        const auto& use = *llvm::cast<Instruction>(user);
        last = std::max(last, is_address(use) ? total_ : std::min(due(use), total_));
      }
      more[static_cast<std::size_t>(due(each))] += size(*each.getType());
      more[static_cast<std::size_t>(last)] -= size(*each.getType());
    }
    return more;
  }

  llvm::BasicBlock& block_;
  Overlap overlap_;
  llvm::SmallPtrSet<const llvm::Value*, 32> widened_;
  llvm::DenseMap<const Instruction*, int> heights_, due_;
  int total_ = 0;
  std::vector<int> cuts_;
};

} // namespace

bool is_address(const Instruction& instruction) {
  return !instruction.getType()->isVectorTy() && !instruction.mayReadOrWriteMemory() &&
         !instruction.getType()->isFloatingPointTy();
}

std::optional<Stages> divide_turn(llvm::BasicBlock& block, Overlap overlap) {
  Turn turn(block, overlap);
  if (!turn.is_long())
    return std::nullopt;
  turn.cut();
  return turn.stages();
}

} // namespace swage::codegen
