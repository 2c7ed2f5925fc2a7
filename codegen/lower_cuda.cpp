// lower_cuda.cpp -- the CUDA kernel around a body: items, tails, persistent grids, cache policies.
#include <algorithm>
#include <bit>
#include <functional>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/lower.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

constexpr unsigned kGlobal = 1; ///< NVPTX address space of global memory

/// Accesses as wide as alignment allows, as plain loads and stores or, where a cache policy is
/// asked for, as inline PTX: LLVM has no other way to say it.
class GlobalMemory final : public Memory {
public:
  GlobalMemory(llvm::IRBuilderBase& builder, const Job& job, const CudaSchedule& schedule)
      : b_(builder), schedule_(schedule), aligns_(job.kernel.params().size(), 1),
        constant_(aligns_.size(), false), reused_(aligns_.size(), false) {
    std::size_t tensor = 0;
    for (std::size_t p = 0; p < aligns_.size(); ++p) {
      const ir::Param& param = job.kernel.params()[p];
      if (!param.is_tensor())
        continue;
      const TensorSpec& spec = job.specialization.tensors[tensor++];
      aligns_[p] = 1 << spec.align_log2;
      reused_[p] = param.broadcast != ir::Broadcast::none;
      // Under dependent launch the grid before may still write what this grid reads, and .nc
      // demands memory that is unchanged for the grid's lifetime.
      constant_[p] = schedule.load == LoadPolicy::read_only && !schedule.dependent_launch &&
                     param.kind == ir::ParamKind::in && !spec.aliased;
    }
    const std::vector<bool> alone = constant_; // an interleaved pair is loaded as one
    tensor = 0;
    for (std::size_t p = 0; p < aligns_.size(); ++p)
      if (job.kernel.params()[p].is_tensor()) {
        const TensorSpec& spec = job.specialization.tensors[tensor++];
        if (is_interleaved(spec.layout))
          constant_[p] = alone[p] && alone[spec.partner];
      }
  }

  Value* load(Value* address, int unit, int count, std::uint32_t param) override {
    const Shape shape = shape_of(unit, count, param);
    std::vector<Value*> parts;
    for (int piece = 0; piece < shape.pieces; ++piece) {
      Value* part = load_piece(advance(address, piece * shape.piece_bytes), shape, param);
      if (shape.per_piece == 1)
        parts.push_back(part);
      else
        for (int i = 0; i < shape.per_piece; ++i)
          parts.push_back(b_.CreateExtractElement(part, static_cast<std::uint64_t>(i)));
    }
    return b_.CreateBitCast(join(parts), bits_of(unit, count));
  }

  void store(Value* address, int unit, Value* bits, std::uint32_t param) override {
    const int count = lanes_of(bits);
    const Shape shape = shape_of(unit, count, param);
    const int parts = shape.pieces * shape.per_piece;
    Value* whole = b_.CreateBitCast(bits, bits_of(shape.part_bytes, parts));
    for (int piece = 0; piece < shape.pieces; ++piece) {
      std::vector<Value*> values;
      for (int i = 0; i < shape.per_piece; ++i)
        values.push_back(parts == 1
                             ? whole
                             : b_.CreateExtractElement(
                                   whole, static_cast<std::uint64_t>(piece * shape.per_piece + i)));
      store_piece(advance(address, piece * shape.piece_bytes), shape, values);
    }
  }

private:
  /// An access of `pieces` instructions, each of `per_piece` registers of `part_bytes`.
  struct Shape {
    int part_bytes, per_piece, pieces, piece_bytes;
  };

  Shape shape_of(int unit, int count, std::uint32_t param) const {
    const int total = unit * count;
    const int widest = std::max(schedule_.access_bytes, 16);
    const int piece = std::min({total, aligns_[param], widest});
    const int part = std::min(piece, std::max(unit, 4));
    return {part, piece / part, total / piece, piece};
  }

  Type* bits_of(int bytes, int count) const {
    Type* scalar = b_.getIntNTy(8u * static_cast<unsigned>(bytes));
    return count == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(count));
  }

  Value* advance(Value* address, int bytes) {
    return bytes == 0
               ? address
               : b_.CreateConstGEP1_32(b_.getInt8Ty(), address, static_cast<unsigned>(bytes));
  }

  Value* join(const std::vector<Value*>& parts) {
    if (parts.size() == 1)
      return parts[0];
    Value* vector = llvm::PoisonValue::get(
        llvm::FixedVectorType::get(parts[0]->getType(), static_cast<unsigned>(parts.size())));
    for (std::size_t i = 0; i < parts.size(); ++i)
      vector = b_.CreateInsertElement(vector, parts[i], static_cast<std::uint64_t>(i));
    return vector;
  }

  Value* load_piece(Value* address, const Shape& shape, std::uint32_t param) {
    if (schedule_.load == LoadPolicy::no_l1_allocate && !reused_[param])
      return load_asm("ld.global.L1::no_allocate", address, shape);
    if (schedule_.load == LoadPolicy::streaming && !reused_[param])
      return load_asm("ld.global.cs", address, shape);
    llvm::LoadInst* load =
        b_.CreateAlignedLoad(bits_of(shape.part_bytes, shape.per_piece), address,
                             llvm::Align(static_cast<std::uint64_t>(shape.piece_bytes)));
    if (constant_[param])
      load->setMetadata(llvm::LLVMContext::MD_invariant_load,
                        llvm::MDNode::get(b_.getContext(), {}));
    return load;
  }

  void store_piece(Value* address, const Shape& shape, const std::vector<Value*>& values) {
    if (schedule_.store == StorePolicy::streaming)
      return store_asm("st.global.cs", address, shape, values);
    b_.CreateAlignedStore(join(values), address,
                          llvm::Align(static_cast<std::uint64_t>(shape.piece_bytes)));
  }

  /// PTX has no 8-bit registers: bytes travel in 16-bit ones.
  static int register_bytes(const Shape& shape) { return std::max(shape.part_bytes, 2); }
  static std::string suffix(const Shape& shape) {
    return fmt::format("{}.b{}", shape.per_piece == 1 ? "" : fmt::format(".v{}", shape.per_piece),
                       8 * shape.part_bytes);
  }
  static char constraint(const Shape& shape) {
    return shape.part_bytes == 8 ? 'l' : shape.part_bytes == 4 ? 'r' : 'h';
  }
  /// "{$0, $1}", or "$0" for one register.
  static std::string registers(const Shape& shape, int first) {
    std::string list;
    for (int i = 0; i < shape.per_piece; ++i)
      list += fmt::format("{}${}", i == 0 ? "" : ", ", first + i);
    return shape.per_piece == 1 ? list : "{" + list + "}";
  }

  // Volatile and clobbering memory: nothing that touches memory, the dependency wait above all,
  // may change places with it.
  Value* load_asm(std::string_view opcode, Value* address, const Shape& shape) {
    Type* part = b_.getIntNTy(8u * static_cast<unsigned>(register_bytes(shape)));
    std::string constraints;
    for (int i = 0; i < shape.per_piece; ++i)
      constraints += fmt::format("={},", constraint(shape));
    constraints += "l,~{memory}";
    std::vector<Type*> results(static_cast<std::size_t>(shape.per_piece), part);
    Type* result = shape.per_piece == 1 ? part : llvm::StructType::get(b_.getContext(), results);
    auto* type = llvm::FunctionType::get(result, {address->getType()}, false);
    Value* loaded =
        b_.CreateCall(type,
                      llvm::InlineAsm::get(type,
                                           fmt::format("{}{} {}, [${}];", opcode, suffix(shape),
                                                       registers(shape, 0), shape.per_piece),
                                           constraints, true),
                      {address});
    if (shape.per_piece == 1)
      return b_.CreateTrunc(loaded, bits_of(shape.part_bytes, 1));
    std::vector<Value*> parts;
    for (int i = 0; i < shape.per_piece; ++i)
      parts.push_back(b_.CreateExtractValue(loaded, static_cast<unsigned>(i)));
    return join(parts);
  }

  void store_asm(std::string_view opcode, Value* address, const Shape& shape,
                 const std::vector<Value*>& values) {
    Type* part = b_.getIntNTy(8u * static_cast<unsigned>(register_bytes(shape)));
    std::vector<Type*> types{address->getType()};
    std::vector<Value*> operands{address};
    std::string constraints = "l";
    for (Value* value : values) {
      types.push_back(part);
      operands.push_back(b_.CreateZExt(value, part));
      constraints += fmt::format(",{}", constraint(shape));
    }
    constraints += ",~{memory}";
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), types, false);
    b_.CreateCall(type,
                  llvm::InlineAsm::get(
                      type,
                      fmt::format("{}{} [$0], {};", opcode, suffix(shape), registers(shape, 1)),
                      constraints, true),
                  operands);
  }

  llvm::IRBuilderBase& b_;
  const CudaSchedule& schedule_;
  std::vector<int> aligns_;    ///< bytes, by parameter
  std::vector<bool> constant_; ///< by parameter: read through the read-only path
  std::vector<bool> reused_;   ///< by parameter: broadcast, so worth its place in every cache
};

/// Builds one kernel function. An item is a vector of elements of one row, or one element of the
/// row's tail; a thread handles `accesses` items a block's width apart.
class CudaLowering {
public:
  CudaLowering(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
               const std::string& entry)
      : module_(module), context_(module.getContext()), job_(job), schedule_(schedule),
        b_(context_), memory_(b_, job, schedule), arguments_(job.kernel.params().size()),
        lanes_(vector_elements(schedule, job.kernel)),
        tail_(!job.specialization.exact && lanes_ > 1), wide_(job.specialization.index64),
        index_(wide_ ? b_.getInt64Ty() : b_.getInt32Ty()) {
    make_function(entry);
  }

  void run() {
    b_.SetInsertPoint(BasicBlock::Create(context_, "entry", function_));
    if (schedule_.dependent_launch) {
      // Before anything else, in every block: those out of range must not let the next grid
      // believe that the one before this has finished.
      statement("griddepcontrol.launch_dependents;");
      statement("griddepcontrol.wait;");
    }
    Tensors tensors(b_, job_, memory_, arguments_, wide_);
    tensors_ = &tensors;
    scalars_ = tensors.scalars();
    prepare();
    Value* first = b_.CreateAdd(b_.CreateMul(block_, per_block_), thread_);
    if (schedule_.waves == 0)
      emit_items(first);
    else
      emit_loop(first, items_,
                b_.CreateMul(special(llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_x), per_block_),
                [&](Value* item) { emit_items(item); });
    b_.CreateRetVoid();
  }

private:
  void make_function(const std::string& entry) {
    const auto slots = argument_slots(job_.kernel, job_.specialization, Target::Kind::cuda);
    std::vector<Type*> types;
    for (const Slot& slot : slots)
      types.push_back(slot.kind == SlotKind::pointer
                          ? static_cast<Type*>(llvm::PointerType::get(context_, kGlobal))
                          : b_.getIntNTy(8u * slot.bytes));
    function_ = llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), types, false),
                                       llvm::GlobalValue::ExternalLinkage, entry, module_);
    function_->setCallingConv(llvm::CallingConv::PTX_Kernel);
    function_->addFnAttr(llvm::Attribute::NoUnwind);
    function_->addFnAttr("nvvm.maxntid", std::to_string(schedule_.threads));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      llvm::Argument* argument = function_->getArg(static_cast<unsigned>(i));
      if (slots[i].kind == SlotKind::pointer)
        argument->addAttr(llvm::Attribute::getWithAlignment(context_, alignment(slots[i].param)));
      arguments_.bind(slots[i], argument);
    }
  }

  llvm::Align alignment(std::size_t param) const {
    std::size_t tensor = 0;
    for (std::size_t p = 0; p < param; ++p)
      tensor += job_.kernel.params()[p].is_tensor();
    return llvm::Align(std::uint64_t{1} << job_.specialization.tensors[tensor].align_log2);
  }

  void statement(const char* text) {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), false);
    b_.CreateCall(type, llvm::InlineAsm::get(type, text, "~{memory}", true));
  }

  Value* special(llvm::Intrinsic::ID id) {
    return b_.CreateZExt(b_.CreateCall(compat::declare(module_, id)), index_);
  }
  llvm::Constant* constant(std::uint64_t value) const {
    return llvm::ConstantInt::get(index_, value);
  }

  /// Sizes and special registers, once.
  void prepare() {
    width_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ntid_x);
    block_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
    thread_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
    per_block_ =
        schedule_.accesses == 1
            ? width_
            : b_.CreateMul(width_, constant(static_cast<std::uint64_t>(schedule_.accesses)));
    const auto lanes = static_cast<std::uint64_t>(lanes_);
    full_ = b_.CreateLShr(arguments_.columns,
                          constant(static_cast<std::uint64_t>(std::countr_zero(lanes))));
    if (!job_.specialization.flat)
      items_ = b_.CreateMul(arguments_.items_per_row, arguments_.rows);
    else
      items_ = tail_ ? b_.CreateAdd(full_, b_.CreateAnd(arguments_.columns, constant(lanes - 1)))
                     : full_;
  }

  /// for (item = first; item < end; item += step) body(item), leaving the builder after it.
  void emit_loop(Value* first, Value* end, Value* step, const std::function<void(Value*)>& body) {
    BasicBlock* before = b_.GetInsertBlock();
    auto* loop = BasicBlock::Create(context_, "loop", function_);
    auto* done = BasicBlock::Create(context_, "done", function_);
    b_.CreateCondBr(b_.CreateICmpULT(first, end), loop, done);
    b_.SetInsertPoint(loop);
    llvm::PHINode* item = b_.CreatePHI(index_, 2);
    body(item);
    Value* next = b_.CreateAdd(item, step);
    item->addIncoming(first, before);
    item->addIncoming(next, b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpULT(next, end), loop, done);
    b_.SetInsertPoint(done);
  }

  /// if (condition) yes() else no(), leaving the builder after both.
  void emit_if(Value* condition, const std::function<void()>& yes,
               const std::function<void()>& no = {}) {
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

  /// Row and item within the row. Beyond the last item both are meaningless.
  struct Split {
    Value* row = nullptr; ///< null when flat
    Value* item = nullptr;
  };

  Split split(Value* item) {
    if (job_.specialization.flat)
      return {nullptr, item};
    const auto id = wide_ ? llvm::Intrinsic::nvvm_mulhi_ull : llvm::Intrinsic::nvvm_mulhi_ui;
    Value* high = b_.CreateCall(compat::declare(module_, id),
                                {b_.CreateShl(item, constant(1)), arguments_.divider_factor});
    Value* row = b_.CreateLShr(high, b_.CreateZExt(arguments_.divider_shift, index_));
    return {row, b_.CreateSub(item, b_.CreateMul(row, arguments_.items_per_row))};
  }

  Place place(const Split& split, Value* column) {
    Place place;
    place.column = column;
    place.base = arguments_.base;
    place.offset.resize(arguments_.base.size());
    if (split.row)
      for (std::size_t p = 0; p < place.offset.size(); ++p)
        if (Value* stride = arguments_.row_stride[p])
          place.offset[p] =
              b_.CreateMul(split.row, wide_ ? stride : b_.CreateTrunc(stride, index_));
    return place;
  }
  Place vector_place(const Split& split) {
    // The product is an element offset, which is below 2^31 where the index has 32 bits.
    return place(split, b_.CreateMul(split.item, constant(static_cast<std::uint64_t>(lanes_)), "",
                                     true, !wide_));
  }
  /// The tail's items count single elements from the end of the full vectors.
  Place tail_place(const Split& split) {
    const auto extra = static_cast<std::uint64_t>(lanes_) - 1;
    return place(split, b_.CreateAdd(split.item, b_.CreateMul(full_, constant(extra))));
  }

  void compute(const Place& at, int lanes) {
    const auto loaded = tensors_->load(at, lanes, scalars_);
    tensors_->store(at, lanes, lower_body(b_, job_, lanes, loaded));
  }

  /// One item, whatever it is.
  void emit_item(Value* item) {
    if (job_.specialization.flat && tail_)
      return emit_if(
          b_.CreateICmpULT(item, full_),
          [&] {
            compute(vector_place({nullptr, item}), lanes_);
          },
          [&] {
            emit_if(b_.CreateICmpULT(item, items_), [&] {
              compute(tail_place({nullptr, item}), 1);
            });
          });
    emit_if(b_.CreateICmpULT(item, items_), [&] {
      const Split at = split(item);
      if (!tail_)
        return compute(vector_place(at), lanes_);
      emit_if(
          b_.CreateICmpULT(at.item, full_), [&] { compute(vector_place(at), lanes_); },
          [&] { compute(tail_place(at), 1); });
    });
  }

  /// The items of a thread from `first` on. Where all of them are full vectors, which is nearly
  /// always, every load is issued before the first computation.
  void emit_items(Value* first) {
    if (schedule_.accesses == 1)
      return emit_item(first);
    std::vector<Split> splits;
    Value* item = first;
    for (int access = 0; access < schedule_.accesses; ++access) {
      if (access > 0)
        item = b_.CreateAdd(item, width_);
      splits.push_back(split(item));
    }
    const bool flat = job_.specialization.flat;
    Value* all = b_.CreateICmpULT(item, flat && tail_ ? full_ : items_);
    if (tail_ && !flat)
      for (const Split& at : splits)
        all = b_.CreateAnd(all, b_.CreateICmpULT(at.item, full_));
    emit_if(
        all, [&] { emit_together(splits); },
        [&] {
          Value* end = b_.CreateAdd(first, per_block_);
          emit_loop(first, end, width_, [&](Value* one) { emit_item(one); });
        });
  }

  void emit_together(const std::vector<Split>& splits) {
    std::vector<Place> places;
    std::vector<std::vector<Value*>> loaded, bits;
    for (const Split& at : splits) {
      places.push_back(vector_place(at));
      loaded.push_back(tensors_->load(places.back(), lanes_, scalars_));
    }
    for (const auto& values : loaded)
      bits.push_back(lower_body(b_, job_, lanes_, values));
    for (std::size_t i = 0; i < places.size(); ++i)
      tensors_->store(places[i], lanes_, bits[i]);
  }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Job& job_;
  const CudaSchedule& schedule_;
  llvm::IRBuilder<> b_;
  GlobalMemory memory_;
  Arguments arguments_;
  int lanes_;
  bool tail_; ///< rows may end in elements that fill no vector
  bool wide_;
  llvm::Type* index_;
  llvm::Function* function_ = nullptr;
  Tensors* tensors_ = nullptr;
  std::vector<Value*> scalars_;
  Value *width_ = nullptr, *block_ = nullptr, *thread_ = nullptr, *per_block_ = nullptr;
  Value* full_ = nullptr;  ///< full vectors of a row
  Value* items_ = nullptr; ///< items in all
};

} // namespace

void lower_cuda(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                const std::string& entry) {
  CudaLowering(module, job, schedule, entry).run();
}

} // namespace swage::codegen
