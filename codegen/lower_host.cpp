// lower_host.cpp -- the host function around a body: rows, vector loops, streaming stores.
#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/TargetParser/Triple.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/lower.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

/// Above this many operations another copy of the body costs more to compile than it saves.
constexpr std::size_t kRemainderNodes = 64;

class HostMemory final : public Memory {
public:
  explicit HostMemory(llvm::IRBuilderBase& builder) : b_(builder) {}

  /// Whether whole-vector stores of output `param` bypass the cache; they must be aligned then.
  std::vector<bool> streaming;

  Value* load(Value* address, int unit, int count, std::uint32_t) override {
    Type* scalar = b_.getIntNTy(8u * static_cast<unsigned>(unit));
    Type* type =
        count == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(count));
    // Aligned to an element, whatever the call knows: rows and tasks start anywhere, and unaligned
    // instructions cost nothing on aligned addresses.
    return b_.CreateAlignedLoad(type, address, llvm::Align(1));
  }

  void store(Value* address, int unit, Value* bits, std::uint32_t param) override {
    const int count = lanes_of(bits);
    const bool bypass = param < streaming.size() && streaming[param] && count > 1;
    const int bytes = bypass ? unit * count : 1;
    llvm::StoreInst* store =
        b_.CreateAlignedStore(bits, address, llvm::Align(static_cast<std::uint64_t>(bytes)));
    if (bypass)
      store->setMetadata(
          llvm::LLVMContext::MD_nontemporal,
          llvm::MDNode::get(b_.getContext(), {llvm::ConstantAsMetadata::get(b_.getInt32(1))}));
  }

private:
  llvm::IRBuilderBase& b_;
};

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

/// Builds two functions: `entry`, which sets the control register, and the loops. They are apart,
/// and never inlined, because LLVM takes floating-point operations to be free of state and could
/// move one across the change.
class HostLowering {
public:
  HostLowering(llvm::Module& module, const Job& job, const HostSchedule& schedule)
      : module_(module), context_(module.getContext()), job_(job), schedule_(schedule),
        triple_(job.target.triple), b_(context_), memory_(b_),
        arguments_(job.kernel.params().size()), tensors_(b_, job, memory_, arguments_, true) {}

  void run(const std::string& entry) {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(),
                                         {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
    outer_ = make_function(type, entry, llvm::GlobalValue::ExternalLinkage);
    function_ = make_function(type, entry + "_loops", llvm::GlobalValue::InternalLinkage);
    function_->addFnAttr(llvm::Attribute::NoInline);
    emit_outer();
    b_.SetInsertPoint(BasicBlock::Create(context_, "entry", function_));
    bind_arguments();
    if (job_.specialization.flat)
      emit_run(arguments_.base, begin(), end());
    else
      emit_rows();
    b_.CreateRetVoid();
  }

private:
  llvm::Function* make_function(llvm::FunctionType* type, const std::string& name,
                                llvm::GlobalValue::LinkageTypes linkage) {
    llvm::Function* function = llvm::Function::Create(type, linkage, name, module_);
    const std::string width = std::to_string(job_.target.vector_bits);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr("target-cpu", job_.target.cpu);
    function->addFnAttr("target-features", job_.target.features);
    function->addFnAttr("prefer-vector-width", width);
    function->addFnAttr("min-legal-vector-width", width);
    function->addFnAttr("no-builtins"); // loops must stay loops: the object calls nothing
    return function;
  }

  Value* begin() const { return function_->getArg(1); }
  Value* end() const { return function_->getArg(2); }

  void emit_outer() {
    b_.SetInsertPoint(BasicBlock::Create(context_, "entry", outer_));
    Value* saved = set_float_control(b_, module_, triple_);
    b_.CreateCall(function_, {outer_->getArg(0), outer_->getArg(1), outer_->getArg(2)});
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

  void bind_arguments() {
    const auto slots = argument_slots(job_.kernel, job_.specialization, Target::Kind::host);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      Value* word = b_.CreateLoad(b_.getInt64Ty(),
                                  b_.CreateConstGEP1_64(b_.getInt64Ty(), function_->getArg(0), i));
      if (slots[i].kind == SlotKind::pointer)
        word = b_.CreateIntToPtr(word, b_.getPtrTy());
      else if (slots[i].kind == SlotKind::scalar)
        word = b_.CreateTrunc(word, b_.getIntNTy(8u * slots[i].bytes));
      arguments_.bind(slots[i], word);
    }
    scalars_ = tensors_.scalars();
  }

  /// for (i = first; i < end; i += step) body(i), entered if first < end. Returns i after the loop.
  Value* emit_loop(Value* first, Value* end, std::int64_t step,
                   const std::function<void(Value*)>& body) {
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
    b_.CreateCondBr(b_.CreateICmpSLT(next, end), loop, done);
    b_.SetInsertPoint(done);
    llvm::PHINode* after = b_.CreatePHI(b_.getInt64Ty(), 2);
    after->addIncoming(first, before);
    after->addIncoming(next, latch);
    return after;
  }

  Value* smaller(Value* a, Value* b) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
  }

  /// Walks the rows that [begin, end) touches.
  void emit_rows() {
    auto* head = BasicBlock::Create(context_, "rows", function_);
    auto* loop = BasicBlock::Create(context_, "row", function_);
    auto* done = BasicBlock::Create(context_, "rows_done", function_);
    b_.CreateCondBr(b_.CreateICmpSLT(begin(), end()), head, done);
    b_.SetInsertPoint(head);
    Value* first_row = b_.CreateUDiv(begin(), arguments_.columns);
    Value* first_column = b_.CreateURem(begin(), arguments_.columns);
    b_.CreateBr(loop);
    b_.SetInsertPoint(loop);
    llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
    llvm::PHINode* row = b_.CreatePHI(b_.getInt64Ty(), 2);
    llvm::PHINode* column = b_.CreatePHI(b_.getInt64Ty(), 2);
    Value* last = smaller(arguments_.columns, b_.CreateAdd(column, b_.CreateSub(end(), at)));
    emit_run(row_bases(row), column, last);
    Value* next = b_.CreateAdd(at, b_.CreateSub(last, column));
    Value* next_row = b_.CreateAdd(row, b_.getInt64(1));
    BasicBlock* latch = b_.GetInsertBlock();
    const auto join = [&](llvm::PHINode* phi, Value* initial, Value* later) {
      phi->addIncoming(initial, head);
      phi->addIncoming(later, latch);
    };
    join(at, begin(), next);
    join(row, first_row, next_row);
    join(column, first_column, b_.getInt64(0));
    b_.CreateCondBr(b_.CreateICmpSLT(next, end()), loop, done);
    b_.SetInsertPoint(done);
  }

  std::vector<Value*> row_bases(Value* row) {
    std::vector<Value*> bases = arguments_.base;
    for (std::size_t p = 0; p < bases.size(); ++p)
      if (Value* stride = arguments_.row_stride[p])
        bases[p] = b_.CreateGEP(bits_type(context_, job_.kernel.params()[p].dtype, 1), bases[p],
                                b_.CreateMul(row, stride));
    return bases;
  }

  Place place(const std::vector<Value*>& bases, Value* column) const {
    Place place;
    place.base = bases;
    place.offset.resize(bases.size());
    place.column = column;
    return place;
  }

  /// Columns [first, last) of one row.
  void emit_run(const std::vector<Value*>& bases, Value* first, Value* last) {
    fixed_ = scalars_;
    for (std::uint32_t p = 0; p < fixed_.size(); ++p)
      if (tensors_.spec(p).layout == Layout::per_row)
        fixed_[p] = tensors_.load_row_value(place(bases, nullptr), p);
    Value* at = first;
    if (schedule_.streaming && schedule_.lanes > 1 && leading_output())
      at = emit_streaming(bases, at, last);
    at = emit_vectors(bases, at, last);
    if (schedule_.lanes > 1)
      emit_scalars(bases, at, last);
  }

  Value* emit_scalars(const std::vector<Value*>& bases, Value* first, Value* last) {
    return emit_loop(first, last, 1, [&](Value* i) { compute(bases, i, 1, 1); });
  }

  /// The vector loop, and what it leaves over in ever smaller vectors down to one register: rows
  /// are often short.
  Value* emit_vectors(const std::vector<Value*>& bases, Value* first, Value* last) {
    constexpr int kSmallestRemainder = 128; // bits
    Value* at = first;
    const auto loop = [&](int lanes, int unroll) {
      const std::int64_t step = std::int64_t{lanes} * unroll;
      Value* stop = b_.CreateSub(last, b_.getInt64(static_cast<std::uint64_t>(step - 1)));
      at = emit_loop(at, stop, step, [&](Value* i) { compute(bases, i, lanes, unroll); });
    };
    loop(schedule_.lanes, schedule_.unroll);
    if (schedule_.unroll > 1)
      loop(schedule_.lanes, 1);
    if (job_.kernel.nodes().size() <= kRemainderNodes && memory_.streaming.empty())
      for (int lanes = schedule_.lanes / 4; lanes * 32 >= kSmallestRemainder; lanes /= 4)
        loop(lanes, 1);
    return at;
  }

  /// `unroll` vectors from column `i` on: all loads, then the arithmetic, then all stores.
  void compute(const std::vector<Value*>& bases, Value* i, int lanes, int unroll) {
    std::vector<Place> places;
    std::vector<std::vector<Value*>> loaded, bits;
    for (int u = 0; u < unroll; ++u) {
      places.push_back(
          place(bases, b_.CreateAdd(i, b_.getInt64(static_cast<std::uint64_t>(u * lanes)))));
      loaded.push_back(tensors_.load(places.back(), lanes, fixed_));
    }
    for (const auto& values : loaded)
      bits.push_back(lower_body(b_, job_, lanes, values));
    for (std::size_t u = 0; u < places.size(); ++u)
      tensors_.store(places[u], lanes, bits[u]);
  }

  // --- streaming stores ---

  bool can_stream(std::uint32_t param) const {
    return job_.kernel.params()[param].is_written() && tensors_.spec(param).layout == Layout::unit;
  }

  /// The output whose alignment the loops are started by.
  std::optional<std::uint32_t> leading_output() const {
    for (std::uint32_t p = 0; p < arguments_.base.size(); ++p)
      if (can_stream(p))
        return p;
    return std::nullopt;
  }

  /// Bytes that the address of column `column` of output `param` is past a whole vector.
  Value* misalignment(const std::vector<Value*>& bases, std::uint32_t param, Value* column) {
    const int vector = schedule_.lanes * size_of(job_.kernel.params()[param].dtype);
    Value* address =
        b_.CreatePtrToInt(tensors_.address(place(bases, column), param), b_.getInt64Ty());
    return b_.CreateAnd(address, b_.getInt64(static_cast<std::uint64_t>(vector - 1)));
  }

  /// Single elements until the first output is aligned to a vector, then the vector loop with
  /// non-temporal stores if that aligned them all; else none: the plain loop takes over.
  Value* emit_streaming(const std::vector<Value*>& bases, Value* first, Value* last) {
    const std::uint32_t leader = *leading_output();
    const int size = size_of(job_.kernel.params()[leader].dtype);
    const int vector = schedule_.lanes * size;
    Value* past = misalignment(bases, leader, first);
    Value* missing =
        b_.CreateAnd(b_.CreateNeg(past), b_.getInt64(static_cast<std::uint64_t>(vector - 1)));
    Value* count = b_.CreateUDiv(missing, b_.getInt64(static_cast<std::uint64_t>(size)));
    Value* aligned = emit_scalars(bases, first, smaller(last, b_.CreateAdd(first, count)));
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
    Value* reached = emit_vectors(bases, aligned, last);
    memory_.streaming.clear();
    BasicBlock* streamed = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
    at->addIncoming(aligned, before);
    at->addIncoming(reached, streamed);
    return at;
  }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Job& job_;
  const HostSchedule& schedule_;
  llvm::Triple triple_;
  llvm::IRBuilder<> b_;
  HostMemory memory_;
  Arguments arguments_;
  Tensors tensors_;
  llvm::Function* outer_ = nullptr;
  llvm::Function* function_ = nullptr;
  std::vector<Value*> scalars_;
  std::vector<Value*> fixed_; ///< by parameter: scalars, and per-row values of the row at hand
};

} // namespace

void lower_host(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                const std::string& entry) {
  HostLowering(module, job, schedule).run(entry);
}

} // namespace swage::codegen
