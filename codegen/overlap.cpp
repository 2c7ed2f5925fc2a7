// overlap.cpp -- takes loops apart in two, and computes the first part one turn ahead.
#include "codegen/overlap.hpp"

#include <vector>

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/Transforms/Utils/ValueMapper.h>

#include "codegen/turn_parts.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::Value;

namespace {

constexpr const char* kMark = "swage.overlap";

class Loop {
public:
  explicit Loop(BasicBlock& block) : block_(block) {}

  void overlap() {
    auto parts = find_index() && is_ordered() ? divide_turn(block_) : std::nullopt;
    if (!parts)
      return;
    parts_ = std::move(*parts);
    add_head();
    begin_next_turn();
    add_tail();
    take_out_first_part();
  }

private:
  bool find_index() {
    auto* const branch = llvm::dyn_cast<llvm::BranchInst>(block_.getTerminator());
    if (!branch || !branch->isConditional() || block_.phis().empty())
      return false;
    index_ = &*block_.phis().begin();
    more_ = llvm::dyn_cast<llvm::ICmpInst>(branch->getCondition());
    next_ = llvm::dyn_cast<Instruction>(index_->getIncomingValueForBlock(&block_));
    if (std::next(block_.phis().begin()) != block_.phis().end() || !more_ || !next_ ||
        index_->getNumIncomingValues() != 2 || branch->getSuccessor(0) != &block_)
      return false;
    const unsigned entry = index_->getIncomingBlock(0) == &block_ ? 1 : 0;
    before_ = index_->getIncomingBlock(entry);
    start_ = index_->getIncomingValue(entry);
    done_ = branch->getSuccessor(1);
    return more_->getParent() == &block_ && more_->getOperand(0) == next_ &&
           next_->getOpcode() == Instruction::Add && next_->getOperand(0) == index_ &&
           llvm::isa<llvm::Constant>(next_->getOperand(1));
  }

  /// Loads, then stores, and nothing else that has to do with memory; and what goes on after the
  /// loop goes by way of phis.
  bool is_ordered() const {
    bool stores = false;
    for (const Instruction& each : block_) {
      for (const llvm::User* user : each.users()) {
        const auto& use = *llvm::cast<Instruction>(user);
        if (use.getParent() != &block_ &&
            !(use.getParent() == done_ && llvm::isa<llvm::PHINode>(use)))
          return false;
      }
      if (llvm::isa<llvm::LoadInst>(each) && !stores)
        continue;
      if (each.mayReadOrWriteMemory() && !llvm::isa<llvm::StoreInst>(each))
        return false;
      stores |= llvm::isa<llvm::StoreInst>(each);
    }
    return stores;
  }

  BasicBlock* add_block(const char* name, BasicBlock* at) {
    return BasicBlock::Create(block_.getContext(), name, block_.getParent(), at);
  }

  /// The first part of the first turn, before the loop; which is passed by if that is all.
  void add_head() {
    head_ = add_block("head", &block_);
    tail_ = add_block("tail", done_);
    llvm::IRBuilder<> b(head_);
    begun_[index_] = start_;
    copy(b, parts_.first, begun_);
    b.CreateCondBr(copy(b, *more_, begun_), &block_, tail_);
    before_->getTerminator()->replaceSuccessorWith(&block_, head_);
    index_->replaceIncomingBlockWith(before_, head_);
  }

  /// The first part of the next turn, before the second part of this one.
  void begin_next_turn() {
    next_->moveBefore(block_, block_.getFirstNonPHIIt());
    llvm::IRBuilder<> b(&block_, std::next(next_->getIterator()));
    ahead_[index_] = next_;
    copy(b, parts_.first, ahead_);
    auto* const branch = llvm::cast<llvm::BranchInst>(block_.getTerminator());
    b.SetInsertPoint(branch);
    branch->setCondition(copy(b, *more_, ahead_));
    branch->setSuccessor(1, tail_);
  }

  /// The second part of the last turn, after the loop.
  void add_tail() {
    llvm::IRBuilder<> b(tail_);
    llvm::ValueToValueMapTy last;
    for (Instruction* value : parts_.kept)
      last[value] = join(*tail_, *value);
    last[index_] = join(*tail_, *index_);
    copy(b, parts_.second, last);
    for (llvm::PHINode& phi : done_->phis()) {
      const auto from = static_cast<unsigned>(phi.getBasicBlockIndex(&block_));
      auto* const value = llvm::dyn_cast<Instruction>(phi.getIncomingValue(from));
      if (value && value->getParent() == &block_)
        phi.setIncomingValue(from, copy(b, *value, last));
      phi.setIncomingBlock(from, tail_);
    }
    b.CreateBr(done_);
  }

  /// In `block`, `value` of the turn that the head or the turn before has begun.
  llvm::PHINode* join(BasicBlock& block, Instruction& value) {
    llvm::PHINode* const phi = llvm::PHINode::Create(value.getType(), 2, "", block.begin());
    phi->addIncoming(begun_[&value], head_);
    phi->addIncoming(ahead_[&value], &block_);
    return phi;
  }

  void take_out_first_part() {
    for (Instruction* value : parts_.kept)
      value->replaceAllUsesWith(join(block_, *value));
    for (auto each = parts_.first.rbegin(); each != parts_.first.rend(); ++each)
      if ((*each)->use_empty())
        (*each)->eraseFromParent();
  }

  /// `part` once more, with what `map` has in place of its operands.
  void copy(llvm::IRBuilder<>& b, const std::vector<Instruction*>& part,
            llvm::ValueToValueMapTy& map) const {
    for (Instruction* each : part)
      copy(b, *each, map);
  }

  /// One instruction, after the addresses that it needs.
  Value* copy(llvm::IRBuilder<>& b, Instruction& instruction, llvm::ValueToValueMapTy& map) const {
    if (map.count(&instruction))
      return map[&instruction];
    for (Value* operand : instruction.operands()) {
      auto* const address = llvm::dyn_cast<Instruction>(operand);
      if (address && address->getParent() == &block_)
        copy(b, *address, map);
    }
    Instruction* const made = b.Insert(instruction.clone());
    llvm::RemapInstruction(made, map, llvm::RF_NoModuleLevelChanges | llvm::RF_IgnoreMissingLocals);
    map[&instruction] = made;
    return made;
  }

  BasicBlock& block_;
  llvm::PHINode* index_ = nullptr;
  llvm::ICmpInst* more_ = nullptr; ///< whether there is a next turn
  Instruction* next_ = nullptr;    ///< its index
  Value* start_ = nullptr;
  BasicBlock *before_ = nullptr, *done_ = nullptr, *head_ = nullptr, *tail_ = nullptr;
  TurnParts parts_;
  llvm::ValueToValueMapTy begun_, ahead_; ///< the first part of the first turn, of the next one
};

} // namespace

// Zen 5 takes 2 to 25 % less time for sigmoids and tanh, f32 and bf16, and up to 5 % more for erf
// of f32. Models of Zen 4, Intel's CPUs and Neoverse gain nothing, or lose to the copies.
// With the sixteen registers of AVX2 what lives on is spilled: f32 gains nothing by it. bf16, of
// which a register holds twice as many, does: a Zen 5 takes 4 to 18 % less time for nearly all
// gated units and their gradients, and 2 to 4 % more for `gelu_tanh` and `glu` alone; models of
// Zen 2 and 3, Skylake and Alder Lake take from a fifth less to an eighth more for SwiGLU.
bool gains_from_overlap(const Target& target, bool is_bf16) {
  return (target.cpu == "znver5" && target.vector_bits == 512) ||
         (target.cpu == "x86-64-v3" && is_bf16);
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
    Loop(*block).overlap();
  }
}

} // namespace swage::codegen
