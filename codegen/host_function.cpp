// host_function.cpp -- the entry of host functions: control register, arguments; and their loops.
#include "codegen/host_function.hpp"

#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/machine.hpp"
#include "codegen/overlap.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

/// Sets the control register to what IEEE 754 and the evaluator mean: nearest even, subnormals
/// kept, no traps. Returns the caller's setting.
Value* set_float_control(llvm::IRBuilder<>& b, llvm::Module& module, const llvm::Triple& triple) {
  if (triple.isX86()) {
    constexpr std::uint32_t kDefault = 0x1f80;
    Value* saved = b.CreateAlloca(b.getInt32Ty());
    Value* wanted = b.CreateAlloca(b.getInt32Ty());
    b.CreateStore(b.getInt32(kDefault), wanted);
    b.CreateCall(compat::declare(module, llvm::Intrinsic::x86_sse_stmxcsr), {saved});
    b.CreateCall(compat::declare(module, llvm::Intrinsic::x86_sse_ldmxcsr), {wanted});
    return saved;
  }
  if (triple.isAArch64()) {
    Value* saved = b.CreateCall(compat::declare(module, llvm::Intrinsic::aarch64_get_fpcr));
    b.CreateCall(compat::declare(module, llvm::Intrinsic::aarch64_set_fpcr), {b.getInt64(0)});
    return saved;
  }
  return nullptr;
}

void restore_float_control(llvm::IRBuilder<>& b, llvm::Module& module, const llvm::Triple& triple,
                           Value* saved) {
  if (triple.isX86())
    b.CreateCall(compat::declare(module, llvm::Intrinsic::x86_sse_ldmxcsr), {saved});
  else if (triple.isAArch64())
    b.CreateCall(compat::declare(module, llvm::Intrinsic::aarch64_set_fpcr), {saved});
}

} // namespace

HostFunction::HostFunction(llvm::Module& module, const Job& job, const HostSchedule& schedule)
    : module_(module), context_(module.getContext()), job_(job), schedule_(schedule),
      triple_(job.target.triple), b_(context_), memory_(b_), arguments_(job.kernel.params().size()),
      tensors_(b_, job, memory_, arguments_, true),
      selection_(b_, job, arguments_, [this](Value* address, int unit, Value*) -> Value* {
        return b_.CreateAlignedLoad(b_.getIntNTy(8u * static_cast<unsigned>(unit)), address,
                                    llvm::Align(static_cast<std::uint64_t>(unit)));
      }) {}

void HostFunction::run(const std::string& entry, int arguments) {
  std::vector<Type*> types{b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()};
  types.resize(static_cast<std::size_t>(arguments), b_.getPtrTy());
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), types, false);
  outer_ = make_function(type, entry, llvm::GlobalValue::ExternalLinkage);
  function_ = make_function(type, entry + "_loops", llvm::GlobalValue::InternalLinkage);
  function_->addFnAttr(llvm::Attribute::NoInline);
  emit_outer();
  b_.SetInsertPoint(BasicBlock::Create(context_, "entry", function_));
  bind_arguments();
  emit_body();
  b_.CreateRetVoid();
}

llvm::Function* HostFunction::make_function(llvm::FunctionType* type, const std::string& name,
                                            llvm::GlobalValue::LinkageTypes linkage) {
  llvm::Function* function = llvm::Function::Create(type, linkage, name, module_);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  set_host_attributes(*function, job_.target);
  function->addFnAttr("no-builtins"); // loops must stay loops: the object calls nothing
  return function;
}

void HostFunction::emit_outer() {
  b_.SetInsertPoint(BasicBlock::Create(context_, "entry", outer_));
  Value* saved = set_float_control(b_, module_, triple_);
  std::vector<Value*> arguments;
  for (llvm::Argument& argument : outer_->args())
    arguments.push_back(&argument);
  b_.CreateCall(function_, arguments);
  if (schedule_.streaming) {
    // Non-temporal stores are weakly ordered; the caller hands the memory to other threads.
    if (triple_.isX86())
      b_.CreateCall(compat::declare(module_, llvm::Intrinsic::x86_sse_sfence));
    else
      b_.CreateFence(llvm::AtomicOrdering::SequentiallyConsistent);
  }
  restore_float_control(b_, module_, triple_, saved);
  b_.CreateRetVoid();
}

void HostFunction::bind_arguments() {
  const auto slots = argument_slots(job_.kernel, job_.specialization, Target::Kind::host);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Value* word = b_.CreateLoad(b_.getInt64Ty(),
                                b_.CreateConstGEP1_64(b_.getInt64Ty(), function_->getArg(0), i));
    if (slots[i].kind == SlotKind::pointer || slots[i].kind == SlotKind::valid_rows)
      word = b_.CreateIntToPtr(word, b_.getPtrTy());
    else if (slots[i].kind == SlotKind::scalar)
      word = b_.CreateTrunc(word, b_.getIntNTy(8u * slots[i].bytes));
    arguments_.bind(slots[i], word);
  }
  scalars_ = tensors_.scalars();
  selection_.set_leaves(scalars_, [this](std::uint32_t param, const Place& at, Value*) {
    return tensors_.load_row_value(at, param);
  });
  selection_.begin();
}

Value* HostFunction::emit_loop(Value* first, Value* end, std::int64_t step,
                               const std::function<void(Value*)>& body, Overlap overlap) {
  BasicBlock* before = b_.GetInsertBlock();
  auto* loop = BasicBlock::Create(context_, "loop", function_);
  auto* done = BasicBlock::Create(context_, "done", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(first, end), loop, done);
  b_.SetInsertPoint(loop);
  llvm::PHINode* i = b_.CreatePHI(b_.getInt64Ty(), 2);
  body(i);
  Value* next = b_.CreateNSWAdd(i, b_.getInt64(static_cast<std::uint64_t>(step)));
  BasicBlock* latch = b_.GetInsertBlock();
  i->addIncoming(first, before);
  i->addIncoming(next, latch);
  llvm::Instruction* branch = b_.CreateCondBr(b_.CreateICmpSLT(next, end), loop, done);
  if (overlap.parts > 1)
    mark_for_overlap(*branch, overlap);
  b_.SetInsertPoint(done);
  llvm::PHINode* after = b_.CreatePHI(b_.getInt64Ty(), 2);
  after->addIncoming(first, before);
  after->addIncoming(next, latch);
  return after;
}

void HostFunction::emit_selected(Value* row, const std::function<void()>& body) {
  Value* selected = selection_.selects(row, nullptr);
  return selected ? emit_if(selected, body) : body();
}

void HostFunction::emit_if(Value* condition, const std::function<void()>& body) {
  auto* chosen = BasicBlock::Create(context_, "selected", function_);
  auto* after = BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(condition, chosen, after);
  b_.SetInsertPoint(chosen);
  body();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

Value* HostFunction::smaller(Value* a, Value* b) {
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
}

std::vector<Value*> HostFunction::row_bases(Value* row) {
  std::vector<Value*> bases(arguments_.base.size());
  for (std::uint32_t p = 0; p < bases.size(); ++p)
    bases[p] = arguments_.row_base(b_, job_.kernel, p, row);
  return bases;
}

Place HostFunction::place(const std::vector<Value*>& bases, Value* column) const {
  Place place;
  place.base = bases;
  place.offset.resize(bases.size());
  place.column = column;
  return place;
}

bool HostFunction::can_stream(std::uint32_t param) const {
  return job_.kernel.params()[param].is_written() && tensors_.spec(param).layout == Layout::unit;
}

/// The output whose alignment the loops are started by.
std::optional<std::uint32_t> HostFunction::leading_output() const {
  for (std::uint32_t p = 0; p < arguments_.base.size(); ++p)
    if (can_stream(p))
      return p;
  return std::nullopt;
}

/// Bytes that the address of column `column` of output `param` is past a whole vector.
Value* HostFunction::misalignment(const std::vector<Value*>& bases, std::uint32_t param,
                                  Value* column) {
  const std::int64_t vector = bytes_of(job_.kernel.params()[param].dtype, schedule_.lanes);
  Value* address =
      b_.CreatePtrToInt(tensors_.address(place(bases, column), param), b_.getInt64Ty());
  return b_.CreateAnd(address, b_.getInt64(static_cast<std::uint64_t>(vector - 1)));
}

/// Single elements, or the two of a byte, until the first output is aligned to a vector, then the
/// vector loop with non-temporal stores if that aligned them all; else none: the plain loop takes
/// over.
Value* HostFunction::emit_streaming(const std::vector<Value*>& bases, Value* first, Value* last,
                                    const Run& scalars, const Run& vectors) {
  const std::uint32_t leader = *leading_output();
  const DType type = job_.kernel.params()[leader].dtype;
  const std::int64_t vector = bytes_of(type, schedule_.lanes);
  Value* past = misalignment(bases, leader, first);
  Value* missing =
      b_.CreateAnd(b_.CreateNeg(past), b_.getInt64(static_cast<std::uint64_t>(vector - 1)));
  Value* count =
      is_packed(type)
          ? b_.CreateShl(missing, 1)
          : b_.CreateUDiv(missing, b_.getInt64(static_cast<std::uint64_t>(size_of(type))));
  Value* aligned = scalars(first, smaller(last, b_.CreateAdd(first, count)));
  Value* off = b_.getInt64(0);
  for (std::uint32_t p = 0; p < bases.size(); ++p)
    if (can_stream(p))
      off = b_.CreateOr(off, misalignment(bases, p, aligned));
  BasicBlock* before = b_.GetInsertBlock();
  auto* stream = BasicBlock::Create(context_, "stream", function_);
  auto* after = BasicBlock::Create(context_, "stream_done", function_);
  b_.CreateCondBr(b_.CreateICmpEQ(off, b_.getInt64(0)), stream, after);
  b_.SetInsertPoint(stream);
  memory_.streaming.assign(bases.size(), false);
  for (std::uint32_t p = 0; p < bases.size(); ++p)
    memory_.streaming[p] = can_stream(p);
  Value* reached = vectors(aligned, last);
  memory_.streaming.clear();
  BasicBlock* streamed = b_.GetInsertBlock();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
  llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
  at->addIncoming(aligned, before);
  at->addIncoming(reached, streamed);
  return at;
}

} // namespace swage::codegen
