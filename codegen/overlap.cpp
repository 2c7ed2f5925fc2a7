// overlap.cpp -- takes loops apart in two, and computes the first part one turn ahead.
#include "codegen/overlap.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/Transforms/Utils/ValueMapper.h>

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::Value;

namespace {

constexpr const char* kMark = "swage.overlap";
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

/// What is as cheap to compute again as to keep: addresses.
bool is_address(const Instruction& instruction) {
  return !instruction.getType()->isVectorTy() && !instruction.mayReadOrWriteMemory() &&
         !instruction.getType()->isFloatingPointTy();
}

class Loop {
public:
  /// Empty where the block is no loop of the kind.
  static std::optional<Loop> of(BasicBlock& block) {
    Loop loop(block);
    return loop.find_index() && loop.is_ordered() ? std::optional(std::move(loop)) : std::nullopt;
  }

  void overlap() {
    find_heights();
    if (!choose_cut())
      return;
    const std::vector<Instruction*> first = first_part(cut_);
    const std::vector<Instruction*> kept = kept_of(first);
    BasicBlock* const before = index_->getIncomingBlock(index_->getIncomingBlock(0) == &block_);
    BasicBlock* const head =
        BasicBlock::Create(block_.getContext(), "head", block_.getParent(), &block_);
    llvm::IRBuilder<> b(head);
    llvm::ValueToValueMapTy begun, ahead;
    copy(b, first, index_->getIncomingValueForBlock(before), begun);
    b.CreateBr(&block_);
    before->getTerminator()->replaceSuccessorWith(&block_, head);
    index_->replaceIncomingBlockWith(before, head);

    next_->moveBefore(block_, block_.getFirstNonPHIIt());
    more_->moveAfter(next_);
    b.SetInsertPoint(std::next(more_->getIterator()));
    copy(b, first, b.CreateSelect(more_, next_, index_), ahead);
    for (Instruction* value : kept) {
      llvm::PHINode* const phi =
          llvm::PHINode::Create(value->getType(), 2, "", block_.getFirstNonPHIIt());
      phi->addIncoming(begun[value], head);
      phi->addIncoming(ahead[value], &block_);
      value->replaceUsesWithIf(phi, [&](const llvm::Use& use) {
        auto* user = llvm::cast<Instruction>(use.getUser());
        return user != phi && heights_.contains(user);
      });
    }
    for (auto each = first.rbegin(); each != first.rend(); ++each)
      if ((*each)->use_empty())
        (*each)->eraseFromParent();
  }

private:
  explicit Loop(BasicBlock& block) : block_(block) {}

  bool find_index() {
    auto* const branch = llvm::dyn_cast<llvm::BranchInst>(block_.getTerminator());
    if (!branch || !branch->isConditional() || block_.phis().empty())
      return false;
    index_ = &*block_.phis().begin();
    more_ = llvm::dyn_cast<llvm::ICmpInst>(branch->getCondition());
    next_ = llvm::dyn_cast<Instruction>(index_->getIncomingValueForBlock(&block_));
    return std::next(block_.phis().begin()) == block_.phis().end() && more_ && next_ &&
           branch->getSuccessor(0) == &block_ && more_->getParent() == &block_ &&
           next_->getOpcode() == Instruction::Add && next_->getOperand(0) == index_ &&
           llvm::isa<llvm::Constant>(next_->getOperand(1)) && more_->getOperand(0) == next_ &&
           index_->getNumIncomingValues() == 2;
  }

  /// Loads, then stores, and nothing else that has to do with memory.
  bool is_ordered() const {
    bool stores = false;
    for (const Instruction& each : block_) {
      if (llvm::isa<llvm::LoadInst>(each) && !stores)
        continue;
      if (each.mayReadOrWriteMemory() && !llvm::isa<llvm::StoreInst>(each))
        return false;
      stores |= llvm::isa<llvm::StoreInst>(each);
    }
    return stores;
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

  /// The cycle by which an instruction has to be done.
  int due(const Instruction& instruction) const {
    return total_ - heights_.lookup(&instruction) + latency(instruction);
  }

  /// What has to be done by cycle `cut`, in order; addresses apart. Holds what it is made of.
  std::vector<Instruction*> first_part(int cut) const {
    std::vector<Instruction*> part;
    for (Instruction& each : block_)
      if (!llvm::isa<llvm::PHINode>(each) && !is_address(each) && !each.isTerminator() &&
          due(each) <= cut)
        part.push_back(&each);
    return part;
  }

  /// What the second part takes from the first.
  std::vector<Instruction*> kept_of(const std::vector<Instruction*>& first) const {
    const llvm::SmallPtrSet<Instruction*, 32> in_first(first.begin(), first.end());
    std::vector<Instruction*> kept;
    for (Instruction* each : first)
      if (std::ranges::any_of(each->users(), [&](llvm::User* user) {
            return !in_first.contains(llvm::cast<Instruction>(user));
          }))
        kept.push_back(each);
    return kept;
  }

  /// Where the least lives on, in the middle or rather late: what follows is then short, and what
  /// was begun is done when its turn comes. False where a turn is too short to pay.
  bool choose_cut() {
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
        last = std::max(last, is_address(use) ? total_ : due(use));
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

  /// `part` once more, of the turn at `index`.
  void copy(llvm::IRBuilder<>& b, const std::vector<Instruction*>& part, Value* index,
            llvm::ValueToValueMapTy& map) const {
    map[index_] = index;
    for (Instruction* each : part)
      copy(b, *each, map);
  }

  void copy(llvm::IRBuilder<>& b, Instruction& instruction, llvm::ValueToValueMapTy& map) const {
    for (Value* operand : instruction.operands()) {
      auto* const address = llvm::dyn_cast<Instruction>(operand);
      if (address && address->getParent() == &block_ && !map.count(address))
        copy(b, *address, map);
    }
    Instruction* const made = b.Insert(instruction.clone());
    llvm::RemapInstruction(made, map, llvm::RF_NoModuleLevelChanges | llvm::RF_IgnoreMissingLocals);
    map[&instruction] = made;
  }

  BasicBlock& block_;
  llvm::PHINode* index_ = nullptr;
  llvm::ICmpInst* more_ = nullptr;
  Instruction* next_ = nullptr;
  llvm::DenseMap<const Instruction*, int> heights_;
  int total_ = 0;
  int cut_ = 0;
};

} // namespace

// Zen 5 takes 2 to 25 % less time for sigmoids and tanh, f32 and bf16, and up to 5 % more for erf
// of f32. Models of Zen 3, Zen 4, Intel's CPUs and Neoverse gain nothing, or lose to the copies;
// and with sixteen registers what lives on is spilled.
bool gains_from_overlap(const Target& target) {
  return (target.cpu == "znver5" || target.cpu == "znver6") && target.vector_bits == 512;
}

void mark_for_overlap(Instruction& branch) {
  branch.setMetadata(kMark, llvm::MDNode::get(branch.getContext(), {}));
}

void overlap_iterations(llvm::Module& module) {
  std::vector<BasicBlock*> marked;
  for (llvm::Function& function : module)
    for (BasicBlock& block : function)
      if (block.getTerminator()->hasMetadata(kMark))
        marked.push_back(&block);
  for (BasicBlock* block : marked) {
    block->getTerminator()->setMetadata(kMark, nullptr);
    if (auto loop = Loop::of(*block))
      loop->overlap();
  }
}

} // namespace swage::codegen
