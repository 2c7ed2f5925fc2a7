// cuda_function.cpp -- what CUDA kernel functions are made of: their entry, arguments, loops.
#include "codegen/cuda_function.hpp"

#include <algorithm>

#include <llvm/IR/InlineAsm.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/row_geometry.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

constexpr unsigned kGlobal = 1; ///< NVPTX address space of global memory
/// Of 128 threads, on a large GPU; later blocks begin when the launch before has ended, and need
/// not fetch.
constexpr std::uint64_t kBlocksAtOnce = 132 * 16;

} // namespace

CudaFunction::CudaFunction(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                           const std::string& entry)
    : module_(module), context_(module.getContext()), job_(job), schedule_(schedule), b_(context_),
      memory_(make_global_memory(b_, job, schedule)), arguments_(job.kernel.params().size()),
      selection_(b_, job, arguments_,
                 [this](Value* address, int unit, Value* inside) {
                   return memory_->load_own(address, unit, 1, inside);
                 }),
      wide_(job.specialization.index64), index_(wide_ ? b_.getInt64Ty() : b_.getInt32Ty()) {
  make_function(entry);
}

void CudaFunction::run() {
  b_.SetInsertPoint(BasicBlock::Create(context_, "entry", function_));
  if (schedule_.dependent_launch != DependentLaunch::none) {
    // Before anything else, in every block: those out of range must not let the next grid
    // believe that the one before this has finished. A block that ends lets it start, too.
    if (schedule_.dependent_launch == DependentLaunch::at_start)
      statement("griddepcontrol.launch_dependents;");
    if (!schedule_.fetch)
      await_launch_before();
  }
  emit_body();
  b_.CreateRetVoid();
}

void CudaFunction::make_function(const std::string& entry) {
  const auto slots = argument_slots(job_.kernel, job_.specialization, Target::Kind::cuda);
  std::vector<Type*> types;
  for (const Slot& slot : slots)
    types.push_back(slot.kind == SlotKind::pointer || slot.kind == SlotKind::workspace ||
                            slot.kind == SlotKind::valid_rows
                        ? static_cast<Type*>(llvm::PointerType::get(context_, kGlobal))
                        : b_.getIntNTy(8u * slot.bytes));
  function_ = llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), types, false),
                                     llvm::GlobalValue::ExternalLinkage, entry, module_);
  function_->setCallingConv(llvm::CallingConv::PTX_Kernel);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr("target-cpu", "sm_" + std::to_string(job_.target.sm));
  compat::set_launch_bounds(*function_, schedule_.threads,
                            std::max(schedule_.resident / schedule_.threads, 1),
                            in_clusters(job_.kernel, schedule_) ? schedule_.waves : 0);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    llvm::Argument* argument = function_->getArg(static_cast<unsigned>(i));
    if (slots[i].kind == SlotKind::pointer)
      argument->addAttr(llvm::Attribute::getWithAlignment(context_, alignment(slots[i].param)));
    if (slots[i].kind == SlotKind::valid_rows)
      argument->addAttr(llvm::Attribute::getWithAlignment(
          context_, llvm::Align(job_.specialization.counts64 ? 8 : 4)));
    if (slots[i].kind == SlotKind::workspace)
      argument->addAttr(
          llvm::Attribute::getWithAlignment(context_, llvm::Align(kWorkspaceAlignment)));
    arguments_.bind(slots[i], argument);
  }
}

llvm::Align CudaFunction::alignment(std::size_t param) const {
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < param; ++p)
    tensor += job_.kernel.params()[p].is_tensor();
  return llvm::Align(std::uint64_t{1} << job_.specialization.tensors[tensor].align_log2);
}

void CudaFunction::select_by(Tensors& tensors, const std::vector<Value*>& scalars) {
  selection_.set_leaves(scalars,
                        [this, &tensors](std::uint32_t param, const Place& at, Value* inside) {
                          memory_->set_guard({inside, {}});
                          Value* value = tensors.load_row_value(at, param);
                          memory_->set_guard({});
                          return value;
                        });
  selection_.begin();
}

void CudaFunction::statement(const char* text) {
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), false);
  llvm::CallInst* call = b_.CreateCall(type, llvm::InlineAsm::get(type, text, "~{memory}", true));
  call->setConvergent();
}

void CudaFunction::await_launch_before() {
  statement("griddepcontrol.wait;");
  if (schedule_.dependent_launch == DependentLaunch::after_wait)
    statement("griddepcontrol.launch_dependents;");
}

void CudaFunction::fetch_and_wait(const std::function<void()>& loads, bool shared) {
  if (!schedule_.fetch)
    return;
  Value* block = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
  memory_->set_fetching(b_.CreateICmpULT(block, constant(kBlocksAtOnce)), shared);
  loads();
  memory_->set_fetching(nullptr, false);
  // The assembler would wait first, but for what may end the thread: no call has so many columns.
  // Without a branch, for every thread has to be seen to wait (waits_for_dependencies).
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getInt1Ty()}, false);
  b_.CreateCall(type, llvm::InlineAsm::get(type, "@$0 trap;", "b,~{memory}", true),
                {columns_are_impossible()});
  await_launch_before();
}

Value* CudaFunction::columns_are_impossible() {
  return b_.CreateICmpEQ(arguments_.columns,
                         llvm::Constant::getAllOnesValue(arguments_.columns->getType()));
}

void CudaFunction::keep_loads_before() {
  emit_if(columns_are_impossible(), [&] { statement("trap;"); });
}

Value* CudaFunction::any(const char* text, Value* condition) {
  auto* type = llvm::FunctionType::get(b_.getInt1Ty(), {b_.getInt1Ty()}, false);
  llvm::CallInst* call =
      b_.CreateCall(type, llvm::InlineAsm::get(type, text, "=b,b,~{memory}", true), {condition});
  call->setConvergent();
  return call;
}

Value* CudaFunction::any_of_warp(Value* condition) {
  return any("vote.sync.any.pred $0, $1, 0xffffffff;", condition);
}

Value* CudaFunction::any_of_block(Value* condition) {
  return any("bar.red.or.pred $0, 0, $1;", condition);
}

Value* CudaFunction::special(llvm::Intrinsic::ID id) {
  return b_.CreateZExt(b_.CreateCall(compat::declare(module_, id)), index_);
}

Value* CudaFunction::shuffle(Value* value, int distance) {
  return exchange(llvm::Intrinsic::nvvm_shfl_sync_bfly_i32, value, distance);
}

Value* CudaFunction::value_in(int lane, Value* value) {
  return exchange(llvm::Intrinsic::nvvm_shfl_sync_idx_i32, value, lane);
}

Value* CudaFunction::exchange(llvm::Intrinsic::ID how, Value* value, int with) {
  Type* type = value->getType();
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type)) {
    Value* all = llvm::PoisonValue::get(type);
    for (std::uint64_t i = 0; i < vector->getNumElements(); ++i)
      all = b_.CreateInsertElement(all, exchange(how, b_.CreateExtractElement(value, i), with), i);
    return all;
  }
  const unsigned bits = type->getScalarSizeInBits();
  const auto of_word = [&](Value* word) -> Value* {
    llvm::CallInst* call =
        b_.CreateCall(compat::declare(module_, how),
                      {b_.getInt32(0xffffffffu), word,
                       b_.getInt32(static_cast<std::uint32_t>(with)), b_.getInt32(31)});
    call->setConvergent();
    return call;
  };
  if (bits == 32)
    return b_.CreateBitCast(of_word(b_.CreateBitCast(value, b_.getInt32Ty())), type);
  auto* words = llvm::FixedVectorType::get(b_.getInt32Ty(), 2);
  Value* both = b_.CreateBitCast(value, words);
  Value* other = llvm::PoisonValue::get(words);
  for (std::uint64_t i = 0; i < 2; ++i)
    other = b_.CreateInsertElement(other, of_word(b_.CreateExtractElement(both, i)), i);
  return b_.CreateBitCast(other, type);
}

void CudaFunction::emit_loop(Value* first, Value* end, Value* step,
                             const std::function<void(Value*)>& body) {
  BasicBlock* before = b_.GetInsertBlock();
  auto* loop = BasicBlock::Create(context_, "loop", function_);
  auto* done = BasicBlock::Create(context_, "done", function_);
  b_.CreateCondBr(b_.CreateICmpULT(first, end), loop, done);
  b_.SetInsertPoint(loop);
  llvm::PHINode* item = b_.CreatePHI(first->getType(), 2);
  body(item);
  Value* next = b_.CreateAdd(item, step);
  item->addIncoming(first, before);
  item->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpULT(next, end), loop, done);
  b_.SetInsertPoint(done);
}

CudaFunction::Carried
CudaFunction::carry(Value* first, Value* end, Value* step, Carried carried,
                    const std::function<Carried(Value*, const Carried&)>& body) {
  return carry(
      first, end, [&](Value* item) { return b_.CreateAdd(item, step); }, std::move(carried), body);
}

CudaFunction::Carried
CudaFunction::carry(Value* first, Value* end, const std::function<Value*(Value*)>& following,
                    Carried carried, const std::function<Carried(Value*, const Carried&)>& body) {
  BasicBlock* before = b_.GetInsertBlock();
  auto* loop = BasicBlock::Create(context_, "carry", function_);
  auto* done = BasicBlock::Create(context_, "carried", function_);
  Value* enters = b_.CreateICmpULT(first, end);
  b_.CreateCondBr(enters, loop, done);
  b_.SetInsertPoint(loop);
  llvm::PHINode* item = b_.CreatePHI(first->getType(), 2);
  std::vector<llvm::PHINode*> phis;
  std::vector<Value*> now;
  for (Value* value : carried) {
    phis.push_back(b_.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
    now.push_back(phis.back());
  }
  const std::vector<Value*> next = body(item, now);
  Value* step_to = following(item);
  item->addIncoming(first, before);
  item->addIncoming(step_to, b_.GetInsertBlock());
  for (std::size_t i = 0; i < phis.size(); ++i)
    phis[i]->addIncoming(next[i], b_.GetInsertBlock());
  BasicBlock* last = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateICmpULT(step_to, end), loop, done);
  b_.SetInsertPoint(done);
  std::vector<Value*> results;
  for (std::size_t i = 0; i < carried.size(); ++i) {
    llvm::PHINode* result = b_.CreatePHI(carried[i]->getType(), 2);
    result->addIncoming(carried[i], before);
    result->addIncoming(next[i], last);
    results.push_back(result);
  }
  return results;
}

void CudaFunction::emit_if(Value* condition, const std::function<void()>& yes,
                           const std::function<void()>& no) {
  auto* then = BasicBlock::Create(context_, "then", function_);
  auto* otherwise = no ? BasicBlock::Create(context_, "else", function_) : nullptr;
  auto* after = BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(condition, then, no ? otherwise : after);
  b_.SetInsertPoint(then);
  yes();
  b_.CreateBr(after);
  if (no) {
    b_.SetInsertPoint(otherwise);
    no();
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
}

} // namespace swage::codegen
