// overlap.cpp -- takes loops apart, and computes the first part one turn ahead, step by step.
#include "codegen/overlap.hpp"

#include <algorithm>
#include <vector>

#include <llvm/ADT/SmallPtrSet.h>
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

/// One step: the parts up to `last` of a turn, which lie in different turns already, are begun one
/// turn sooner than the rest.
class Step {
public:
  struct Options {
    int last;
    bool repeats_loads;
  };

  Step(BasicBlock& block, llvm::PHINode& index, Stages& stages, Options options)
      : block_(block), index_(index), stages_(stages), repeats_loads_(options.repeats_loads),
        branch_(*llvm::cast<llvm::BranchInst>(block.getTerminator())),
        before_(index.getIncomingBlock(index.getIncomingBlock(0) == &block ? 1 : 0)),
        done_(branch_.getSuccessor(1)) {
    llvm::SmallPtrSet<const llvm::User*, 32> in_first;
    for (Instruction& each : block)
      if (const auto stage = stages_.find(&each); stage != stages_.end()) {
        (stage->second <= options.last ? first_ : second_).push_back(&each);
        if (stage->second <= options.last)
          in_first.insert(&each);
      }
    for (Instruction* each : first_)
      if (!std::ranges::all_of(each->users(),
                               [&](const llvm::User* user) { return in_first.contains(user); }))
        (is_repeated(*each) ? repeated_ : kept_).push_back(each);
  }

  void overlap() {
    for (llvm::PHINode& phi : block_.phis())
      phis_.push_back(&phi);
    add_head();
    begin_next_turn();
    add_tail();
    take_out_first_part();
  }

private:
  BasicBlock* add_block(const char* name, BasicBlock* at) {
    return BasicBlock::Create(block_.getContext(), name, block_.getParent(), at);
  }

  /// The first part of the first turn, before the loop; which is passed by if that is all.
  void add_head() {
    head_ = add_block("head", &block_);
    tail_ = add_block("tail", done_);
    llvm::IRBuilder<> b(head_);
    for (llvm::PHINode* phi : phis_)
      begun_[phi] = phi->getIncomingValueForBlock(before_);
    copy(b, first_, begun_);
    b.CreateCondBr(copy(b, more(), begun_), &block_, tail_);
    before_->getTerminator()->replaceSuccessorWith(&block_, head_);
    for (llvm::PHINode* phi : phis_)
      phi->replaceIncomingBlockWith(before_, head_);
  }

  /// The first part of the next turn, before the second part of this one.
  void begin_next_turn() {
    auto* const next = llvm::cast<Instruction>(index_.getIncomingValueForBlock(&block_));
    next->moveBefore(block_, block_.getFirstNonPHIIt());
    llvm::IRBuilder<> b(&block_, std::next(next->getIterator()));
    for (llvm::PHINode* phi : phis_)
      ahead_[phi] = phi->getIncomingValueForBlock(&block_);
    copy(b, first_, ahead_);
    b.SetInsertPoint(&branch_);
    branch_.setCondition(copy(b, more(), ahead_));
    branch_.setSuccessor(1, tail_);
  }

  Instruction& more() const { return *llvm::cast<Instruction>(branch_.getCondition()); }

  /// The second part of the last turn, after the loop.
  void add_tail() {
    llvm::IRBuilder<> b(tail_);
    llvm::ValueToValueMapTy last;
    for (Instruction* value : kept_)
      last[value] = join(*tail_, *value);
    for (llvm::PHINode* phi : phis_)
      last[phi] = join(*tail_, *phi);
    copy(b, repeated_, last); // before anything is stored in their place
    copy(b, second_, last);
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
    for (Instruction* value : kept_)
      value->replaceAllUsesWith(join(block_, *value));
    for (auto each = first_.rbegin(); each != first_.rend(); ++each)
      if ((*each)->use_empty()) {
        stages_.erase(*each);
        (*each)->eraseFromParent();
      }
  }

  /// `part` once more, with what `map` has in place of its operands.
  void copy(llvm::IRBuilder<>& b, const std::vector<Instruction*>& part,
            llvm::ValueToValueMapTy& map) {
    for (Instruction* each : part)
      copy(b, *each, map);
  }

  /// One instruction, after the addresses that it needs, and the loads that are repeated.
  Value* copy(llvm::IRBuilder<>& b, Instruction& instruction, llvm::ValueToValueMapTy& map) {
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
    if (const auto stage = stages_.find(&instruction); stage != stages_.end())
      stages_[made] = stage->second;
    return made;
  }

  bool is_repeated(const Instruction& instruction) const {
    return repeats_loads_ && llvm::isa<llvm::LoadInst>(instruction);
  }

  BasicBlock& block_;
  llvm::PHINode& index_;
  Stages& stages_;
  bool repeats_loads_;
  llvm::BranchInst& branch_;
  BasicBlock *before_, *done_;
  BasicBlock *head_ = nullptr, *tail_ = nullptr;
  std::vector<Instruction*> first_, second_;
  /// Of the first, what the second takes: from registers, and by loading it again.
  std::vector<Instruction*> kept_, repeated_;
  std::vector<llvm::PHINode*> phis_;      ///< the index, and what steps before keep
  llvm::ValueToValueMapTy begun_, ahead_; ///< the first part of the first turn, of the next one
};

class Loop {
public:
  Loop(BasicBlock& block, Overlap overlap) : block_(block), overlap_(overlap) {}

  void overlap() {
    auto stages = find_index() && is_ordered() ? divide_turn(block_, overlap_) : std::nullopt;
    for (int last = 0; stages && last + 1 < overlap_.parts; ++last)
      Step(block_, *index_, *stages, {.last = last, .repeats_loads = overlap_.repeats_loads})
          .overlap();
  }

private:
  bool find_index() {
    auto* const branch = llvm::dyn_cast<llvm::BranchInst>(block_.getTerminator());
    if (!branch || !branch->isConditional() || block_.phis().empty())
      return false;
    index_ = &*block_.phis().begin();
    const auto* const more = llvm::dyn_cast<llvm::ICmpInst>(branch->getCondition());
    if (std::next(block_.phis().begin()) != block_.phis().end() || !more ||
        index_->getNumIncomingValues() != 2 || branch->getSuccessor(0) != &block_)
      return false;
    const auto* const next = llvm::dyn_cast<Instruction>(index_->getIncomingValueForBlock(&block_));
    return next && more->getParent() == &block_ && more->getOperand(0) == next &&
           next->getOpcode() == Instruction::Add && next->getOperand(0) == index_ &&
           llvm::isa<llvm::Constant>(next->getOperand(1));
  }

  /// Loads, then stores, and nothing else that has to do with memory; and what goes on after the
  /// loop goes by way of phis.
  bool is_ordered() const {
    const BasicBlock* const done = block_.getTerminator()->getSuccessor(1);
    bool stores = false;
    for (const Instruction& each : block_) {
      for (const llvm::User* user : each.users()) {
        const auto& use = *llvm::cast<Instruction>(user);
        if (use.getParent() != &block_ &&
            !(use.getParent() == done && llvm::isa<llvm::PHINode>(use)))
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

  BasicBlock& block_;
  Overlap overlap_;
  llvm::PHINode* index_ = nullptr;
};

/// What `mark_for_overlap` left.
Overlap take_mark(Instruction& branch) {
  const llvm::MDNode& mark = *branch.getMetadata(kMark);
  const auto number = [&](unsigned i) {
    return llvm::mdconst::extract<llvm::ConstantInt>(mark.getOperand(i))->getZExtValue();
  };
  const Overlap overlap{.parts = static_cast<int>(number(0)), .repeats_loads = number(1) != 0};
  branch.setMetadata(kMark, nullptr);
  return overlap;
}

} // namespace

void mark_for_overlap(Instruction& branch, Overlap overlap) {
  llvm::IRBuilder<> b(branch.getContext());
  const auto number = [](llvm::Constant* value) { return llvm::ConstantAsMetadata::get(value); };
  branch.setMetadata(kMark,
                     llvm::MDNode::get(branch.getContext(),
                                       {number(b.getInt32(static_cast<unsigned>(overlap.parts))),
                                        number(b.getInt1(overlap.repeats_loads))}));
}

void overlap_iterations(llvm::Module& module) {
  std::vector<BasicBlock*> marked;
  for (llvm::Function& function : module)
    for (BasicBlock& block : function)
      if (block.getTerminator()->hasMetadata(kMark))
        marked.push_back(&block);
  for (BasicBlock* block : marked) {
    const Overlap overlap = take_mark(*block->getTerminator());
    Loop(*block, overlap).overlap();
  }
}

} // namespace swage::codegen
