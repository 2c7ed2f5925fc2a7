// lower_cuda_memory.cpp -- wide accesses of global memory, and their cache policies.
#include "codegen/lower_cuda_memory.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

namespace {

/// Accesses as wide as alignment allows, as plain loads and stores or, where a cache policy is
/// asked for, as inline PTX: LLVM has no other way to say it.
class PolicyMemory final : public GlobalMemory {
public:
  PolicyMemory(llvm::IRBuilderBase& builder, const Job& job, const CudaSchedule& schedule)
      : b_(builder), schedule_(schedule), has_wide_(job.target.sm >= 100 && job.target.ptx >= 88),
        aligns_(job.kernel.params().size(), 1), constant_(aligns_.size(), false),
        reused_(aligns_.size(), false) {
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
      constant_[p] = schedule.load == LoadPolicy::read_only &&
                     schedule.dependent_launch == DependentLaunch::none &&
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

  void set_guard(Guard guard) override {
    guard_ = std::move(guard);
    lane_ = 0;
  }

  void set_fetching(Value* fetching, bool shared) override {
    fetching_ = fetching;
    fetches_shared_ = shared;
  }

  Value* load(Value* address, int unit, int count, std::uint32_t param) override {
    if (fetching_)
      return fetch(address, unit, count, param);
    if (guard_.lanes.empty())
      return load_whole(address, unit, count, param, guard_.whole);
    if (count == 1)
      return load_whole(address, unit, 1, param, next_lane());
    const auto by_element = [&] {
      Value* bits = llvm::PoisonValue::get(bits_of(unit, count));
      for (int i = 0; i < count; ++i)
        bits = b_.CreateInsertElement(
            bits, load_whole(advance(address, i * unit), unit, 1, param, lane_of(i, count)),
            static_cast<std::uint64_t>(i));
      return bits;
    };
    if (shape_of(unit, count, param).piece_bytes == unit)
      return by_element();
    return emit_either([&] { return load_whole(address, unit, count, param, nullptr); },
                       by_element);
  }

  void store(Value* address, int unit, Value* bits, std::uint32_t param) override {
    const int count = lanes_of(bits);
    if (guard_.lanes.empty())
      return store_whole(address, unit, bits, param, guard_.whole);
    if (count == 1)
      return store_whole(address, unit, bits, param, next_lane());
    const auto by_element = [&]() -> Value* {
      for (int i = 0; i < count; ++i)
        store_whole(advance(address, i * unit), unit,
                    b_.CreateExtractElement(bits, static_cast<std::uint64_t>(i)), param,
                    lane_of(i, count));
      return nullptr;
    };
    if (shape_of(unit, count, param).piece_bytes == unit)
      return void(by_element());
    emit_either(
        [&]() -> Value* {
          store_whole(address, unit, bits, param, nullptr);
          return nullptr;
        },
        by_element);
  }

  Value* load_own(Value* address, int unit, int count, Value* guard) override {
    const Shape shape{unit, count, 1, unit * count};
    if (guard)
      return load_asm("ld.global", address, shape, guard);
    return b_.CreateAlignedLoad(bits_of(unit, count), address,
                                llvm::Align(static_cast<std::uint64_t>(unit * count)));
  }

private:
  /// Where some elements of an access may be left out, all are: nothing depends on it.
  Value* fetch(Value* address, int unit, int count, std::uint32_t param) {
    constexpr int kSector = 32; // bytes that come at once
    Value* nothing = llvm::PoisonValue::get(bits_of(unit, count));
    if (reused_[param] && !fetches_shared_)
      return nothing;
    Value* guard = guard_.whole ? b_.CreateAnd(fetching_, guard_.whole) : fetching_;
    auto* type =
        llvm::FunctionType::get(b_.getVoidTy(), {address->getType(), b_.getInt1Ty()}, false);
    llvm::InlineAsm* fetch =
        llvm::InlineAsm::get(type, "@$1 prefetch.global.L2 [$0];", "l,b", true);
    for (int at = 0; at < unit * count; at += kSector)
      b_.CreateCall(type, fetch, {advance(address, at), guard});
    return nothing;
  }

  Value* next_lane() { return guard_.lanes[lane_++ % guard_.lanes.size()]; }
  /// Of element `i` of `count`: a pair of interleaved tensors has two a lane.
  Value* lane_of(int i, int count) const {
    return guard_
        .lanes[static_cast<std::size_t>(i) * guard_.lanes.size() / static_cast<std::size_t>(count)];
  }

  /// yes() where all lanes are there, else no(); their value, if they have one.
  template <class Yes, class No>
  Value* emit_either(const Yes& yes, const No& no) {
    llvm::Function* function = b_.GetInsertBlock()->getParent();
    auto* then = llvm::BasicBlock::Create(b_.getContext(), "whole", function);
    auto* otherwise = llvm::BasicBlock::Create(b_.getContext(), "parts", function);
    auto* after = llvm::BasicBlock::Create(b_.getContext(), "accessed", function);
    b_.CreateCondBr(guard_.whole, then, otherwise);
    b_.SetInsertPoint(then);
    Value* a = yes();
    llvm::BasicBlock* from_a = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(otherwise);
    Value* b = no();
    llvm::BasicBlock* from_b = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    if (!a)
      return nullptr;
    llvm::PHINode* either = b_.CreatePHI(a->getType(), 2);
    either->addIncoming(a, from_a);
    either->addIncoming(b, from_b);
    return either;
  }

  Value* load_whole(Value* address, int unit, int count, std::uint32_t param, Value* guard) {
    const Shape shape = shape_of(unit, count, param);
    std::vector<Value*> parts;
    for (int piece = 0; piece < shape.pieces; ++piece) {
      Value* part = load_piece(advance(address, piece * shape.piece_bytes), shape, param, guard);
      if (shape.per_piece == 1)
        parts.push_back(part);
      else
        for (int i = 0; i < shape.per_piece; ++i)
          parts.push_back(b_.CreateExtractElement(part, static_cast<std::uint64_t>(i)));
    }
    return b_.CreateBitCast(join(parts), bits_of(unit, count));
  }

  void store_whole(Value* address, int unit, Value* bits, std::uint32_t param, Value* guard) {
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
      store_piece(advance(address, piece * shape.piece_bytes), shape, values, guard);
    }
  }

  /// An access of `pieces` instructions, each of `per_piece` registers of `part_bytes`.
  struct Shape {
    int part_bytes, per_piece, pieces, piece_bytes;
  };

  Shape shape_of(int unit, int count, std::uint32_t param) const {
    const int total = unit * count;
    const int widest = has_wide_ ? std::max(schedule_.access_bytes, 16) : 16;
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

  Value* load_piece(Value* address, const Shape& shape, std::uint32_t param, Value* guard) {
    if (schedule_.load == LoadPolicy::no_l1_allocate && !reused_[param])
      return load_asm("ld.global.L1::no_allocate", address, shape, guard);
    if (schedule_.load == LoadPolicy::streaming && !reused_[param])
      return load_asm("ld.global.cs", address, shape, guard);
    if (schedule_.load == LoadPolicy::evict_last && !reused_[param])
      return load_asm("ld.global.L2::cache_hint", address, shape, guard, evict_last());
    if (guard)
      return load_asm(constant_[param] ? "ld.global.nc" : "ld.global", address, shape, guard);
    llvm::LoadInst* load =
        b_.CreateAlignedLoad(bits_of(shape.part_bytes, shape.per_piece), address,
                             llvm::Align(static_cast<std::uint64_t>(shape.piece_bytes)));
    if (constant_[param])
      load->setMetadata(llvm::LLVMContext::MD_invariant_load,
                        llvm::MDNode::get(b_.getContext(), {}));
    return load;
  }

  void store_piece(Value* address, const Shape& shape, const std::vector<Value*>& values,
                   Value* guard) {
    if (schedule_.store == StorePolicy::streaming)
      return store_asm("st.global.cs", address, shape, values, guard);
    if (guard)
      return store_asm("st.global", address, shape, values, guard);
    b_.CreateAlignedStore(join(values), address,
                          llvm::Align(static_cast<std::uint64_t>(shape.piece_bytes)));
  }

  /// The cache policy of loads, made where the function begins.
  Value* evict_last() {
    if (!evict_last_) {
      llvm::BasicBlock& entry = b_.GetInsertBlock()->getParent()->getEntryBlock();
      llvm::IRBuilder<> at(&entry, entry.begin());
      auto* type = llvm::FunctionType::get(at.getInt64Ty(), false);
      evict_last_ = at.CreateCall(
          type, llvm::InlineAsm::get(type, "createpolicy.fractional.L2::evict_last.b64 $0, 1.0;",
                                     "=l", false));
    }
    return evict_last_;
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
  Value* load_asm(std::string_view opcode, Value* address, const Shape& shape, Value* guard,
                  Value* policy = nullptr) {
    Type* part = b_.getIntNTy(8u * static_cast<unsigned>(register_bytes(shape)));
    std::string constraints;
    for (int i = 0; i < shape.per_piece; ++i)
      constraints += fmt::format("={},", constraint(shape));
    constraints += "l";
    std::vector<Type*> types{address->getType()};
    std::vector<Value*> operands{address};
    std::string text =
        fmt::format("{}{} {}, [${}]{};", opcode, suffix(shape), registers(shape, 0),
                    shape.per_piece, policy ? fmt::format(", ${}", shape.per_piece + 1) : "");
    if (policy) {
      constraints += ",l";
      types.push_back(policy->getType());
      operands.push_back(policy);
    }
    if (guard) {
      // The results begin as 0, each tied to an operand.
      text = fmt::format("@${} {}", shape.per_piece + (policy ? 2 : 1), text);
      constraints += ",b";
      types.push_back(guard->getType());
      operands.push_back(guard);
      for (int i = 0; i < shape.per_piece; ++i) {
        constraints += fmt::format(",{}", i);
        types.push_back(part);
        operands.push_back(llvm::Constant::getNullValue(part));
      }
    }
    constraints += ",~{memory}";
    std::vector<Type*> results(static_cast<std::size_t>(shape.per_piece), part);
    Type* result = shape.per_piece == 1 ? part : llvm::StructType::get(b_.getContext(), results);
    auto* type = llvm::FunctionType::get(result, types, false);
    Value* loaded =
        b_.CreateCall(type, llvm::InlineAsm::get(type, text, constraints, true), operands);
    if (shape.per_piece == 1)
      return b_.CreateTrunc(loaded, bits_of(shape.part_bytes, 1));
    std::vector<Value*> parts;
    for (int i = 0; i < shape.per_piece; ++i)
      parts.push_back(b_.CreateExtractValue(loaded, static_cast<unsigned>(i)));
    return join(parts);
  }

  void store_asm(std::string_view opcode, Value* address, const Shape& shape,
                 const std::vector<Value*>& values, Value* guard) {
    Type* part = b_.getIntNTy(8u * static_cast<unsigned>(register_bytes(shape)));
    std::vector<Type*> types{address->getType()};
    std::vector<Value*> operands{address};
    std::string constraints = "l";
    for (Value* value : values) {
      types.push_back(part);
      operands.push_back(b_.CreateZExt(value, part));
      constraints += fmt::format(",{}", constraint(shape));
    }
    std::string text = fmt::format("{}{} [$0], {};", opcode, suffix(shape), registers(shape, 1));
    if (guard) {
      text = fmt::format("@${} {}", shape.per_piece + 1, text);
      types.push_back(guard->getType());
      operands.push_back(guard);
      constraints += ",b";
    }
    constraints += ",~{memory}";
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), types, false);
    b_.CreateCall(type, llvm::InlineAsm::get(type, text, constraints, true), operands);
  }

  llvm::IRBuilderBase& b_;
  const CudaSchedule& schedule_;
  bool has_wide_;              ///< accesses of 32 bytes, where alignment and schedule allow them
  std::vector<int> aligns_;    ///< bytes, by parameter
  std::vector<bool> constant_; ///< by parameter: read through the read-only path
  std::vector<bool> reused_;   ///< by parameter: broadcast, so worth its place in every cache
  Value* evict_last_ = nullptr;
  Value* fetching_ = nullptr;
  bool fetches_shared_ = false;
  Guard guard_;
  std::size_t lane_ = 0; ///< of the accesses of single lanes
};

} // namespace

std::unique_ptr<GlobalMemory> make_global_memory(llvm::IRBuilderBase& builder, const Job& job,
                                                 const CudaSchedule& schedule) {
  return std::make_unique<PolicyMemory>(builder, job, schedule);
}

} // namespace swage::codegen
