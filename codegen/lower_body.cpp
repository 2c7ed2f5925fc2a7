// lower_body.cpp -- from the nodes of a kernel to LLVM values, for both back ends.
#include "codegen/lower.hpp"

#include <algorithm>
#include <functional>
#include <span>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include "codegen/wide_products.hpp"

namespace swage::codegen {

using ir::Op;
using llvm::Constant;
using llvm::Value;

namespace {

// LLVM's instruction selection, scheduling and register allocation for CPUs take more than linear
// time in the length of a basic block: 30 times as long for 10 times the operations from 1,000 on.
// Larger bodies are cut into functions, which hand values on in memory as spills would.
constexpr std::size_t kWholeBodyNodes = 1024;

/// By node: whether it is a sigmoid that is only ever multiplied by its own argument. Empty where
/// no sigmoid gets a form of its own for it: but in `accurate` mode at half accuracy.
std::vector<bool> sigmoids_of_silu(const ir::Kernel& kernel,
                                   const std::vector<Accuracy>& accuracies) {
  if (kernel.math() != ir::MathMode::accurate)
    return {};
  std::vector<bool> result(kernel.nodes().size());
  for (std::size_t id = 0; id < result.size(); ++id)
    result[id] = kernel.nodes()[id].op == Op::sigmoid && accuracies[id] == Accuracy::half;
  for (const ir::Node& node : kernel.nodes())
    for (int i = 0; i < ir::info(node.op).arity; ++i) {
      const ir::NodeId used = node.args[static_cast<std::size_t>(i)];
      if (node.op != Op::mul ||
          node.args[static_cast<std::size_t>(1 - i)] != kernel.node(used).args[0])
        result[used] = false;
    }
  for (const ir::Store& store : kernel.stores())
    result[store.node] = false;
  return result;
}

bool stores_bf16_alone(const ir::Kernel& kernel) {
  return std::ranges::all_of(kernel.stores(), [&](const ir::Store& store) {
    return kernel.params()[store.param].dtype == DType::bf16;
  });
}

struct WideProducts {
  std::vector<std::optional<WideProduct>> products; ///< by node
  std::vector<bool> folded; ///< by node: a part of a product that nothing else uses
};

/// Half accuracy is that of the results, which may be normal where an intermediate one is not.
/// Empty where nothing of it applies, and for kernels that are cut into pieces. On a CPU, which is
/// bound by arithmetic, sigmoid stays one factor.
WideProducts wide_products(const ir::Kernel& kernel, const Target& target,
                           const std::vector<Accuracy>& accuracies) {
  if (kernel.math() != ir::MathMode::accurate || kernel.nodes().size() > kWholeBodyNodes)
    return {};
  WideProducts result{find_wide_products(kernel), std::vector<bool>(kernel.nodes().size())};
  for (ir::NodeId id = 0; id < kernel.nodes().size(); ++id)
    if (auto& product = result.products[id]) {
      const bool is_kept =
          target.kind == Target::Kind::cuda || kernel.node(product->function).op != Op::sigmoid;
      if (!is_kept || accuracies[product->function] != Accuracy::half) {
        product.reset();
        continue;
      }
      result.folded[product->function] = true;
      for (const ir::NodeId part : kernel.node(id).args)
        if (product->left && kernel.node(part).op == Op::mul && part != *product->left &&
            part != product->right)
          result.folded[part] = true;
    }
  return result;
}

/// Operations that make no NaN with bits in its lower half, on a CPU, from operands without such:
/// arithmetic passes on an operand's payload or makes the default NaN, and these functions are
/// arithmetic on the operand and powers of two.
bool keeps_nan_bits(Op op) {
  switch (op) {
  case Op::add:
  case Op::sub:
  case Op::mul:
  case Op::div:
  case Op::fma:
  case Op::neg:
  case Op::abs:
  case Op::copysign:
  case Op::select:
  case Op::sqrt:
  case Op::rsqrt:
  case Op::rcp:
  case Op::exp:
  case Op::exp2:
  case Op::sigmoid:
  case Op::tanh: return true;
  default: return false;
  }
}

/// By node: whether it is an f32 whose NaNs have nothing in the lower 16 bits. GPUs make NaNs of
/// all bits.
std::vector<bool> upper_half_nans(const ir::Kernel& kernel, const Target& target) {
  std::vector<bool> result(kernel.nodes().size());
  if (target.kind != Target::Kind::host)
    return result;
  for (std::size_t id = 0; id < result.size(); ++id) {
    const ir::Node& node = kernel.nodes()[id];
    if (node.type != DType::f32)
      continue;
    if (node.op == Op::load || node.op == Op::scalar)
      result[id] = kernel.params()[node.param].dtype == DType::bf16;
    else if (node.op == Op::constant)
      result[id] = node.real() == node.real();
    else if (node.op == Op::cast)
      result[id] = node.storage == DType::bf16;
    else if (keeps_nan_bits(node.op))
      result[id] = std::ranges::all_of(
          std::span(node.args).first(static_cast<std::size_t>(ir::info(node.op).arity)),
          [&](ir::NodeId arg) { return kernel.node(arg).type != DType::f32 || result[arg]; });
  }
  return result;
}

bool is_leaf(const ir::Node& node) {
  return node.op == Op::load || node.op == Op::scalar || node.op == Op::constant;
}

class Body {
public:
  /// Nodes outside what is emitted are asked of `fetch`.
  Body(llvm::IRBuilderBase& builder, const Job& job, int lanes,
       std::function<Value*(ir::NodeId)> fetch)
      : b_(builder), job_(job), lanes_(lanes), fetch_(std::move(fetch)),
        convert_(builder, job.target, job.split_bf16),
        full_(builder, job.target, job.kernel.math(), Accuracy::full),
        half_(builder, job.target, job.kernel.math(), Accuracy::half),
        accuracies_(ir::accuracies(job.kernel)),
        of_silu_(sigmoids_of_silu(job.kernel, accuracies_)),
        wide_(wide_products(job.kernel, job.target, accuracies_)),
        upper_half_nans_(upper_half_nans(job.kernel, job.target)),
        values_(job.kernel.nodes().size()), bits_(job.kernel.nodes().size()) {}

  /// The value of node `id`. Constants are made where they are used.
  Value* value(ir::NodeId id) {
    if (!values_[id]) {
      const ir::Node& node = job_.kernel.node(id);
      values_[id] = node.op == Op::constant ? constant(node) : fetch_(id);
    }
    return values_[id];
  }

  void emit(ir::NodeId id) {
    const ir::Node& node = job_.kernel.node(id);
    if (!is_leaf(node) && !is_folded(id))
      values_[id] = emit(node, id);
  }

  Value* stored_bits(const ir::Store& store) {
    const DType storage = job_.kernel.params()[store.param].dtype;
    const ir::Node& node = job_.kernel.node(store.node);
    if (bits_[store.node] && node.storage == storage)
      return bits_[store.node]; // the value was rounded to this type already
    Value* stored = value(store.node);
    if (node.type != compute_type(storage))
      stored = convert_.cast(node.type, storage, stored);
    return convert_.narrow(storage, stored, nan_bits(store.node));
  }

private:
  Value* arg(const ir::Node& node, std::size_t i) { return value(node.args[i]); }

  NanBits nan_bits(ir::NodeId id) const {
    return upper_half_nans_[id] ? NanBits::upper_half : NanBits::any;
  }

  Value* emit(const ir::Node& node, std::size_t id) {
    switch (node.op) {
    case Op::cast:
      return convert_.cast(job_.kernel.node(node.args[0]).type, node.storage, arg(node, 0),
                           &bits_[id], nan_bits(node.args[0]));
    case Op::select: return b_.CreateSelect(arg(node, 0), arg(node, 1), arg(node, 2));
    case Op::logical_and: return b_.CreateAnd(arg(node, 0), arg(node, 1));
    case Op::logical_or: return b_.CreateOr(arg(node, 0), arg(node, 1));
    case Op::logical_not: return b_.CreateNot(arg(node, 0));
    default: break;
    }
    if (!wide_.products.empty() && wide_.products[id])
      return emit(*wide_.products[id]);
    const DType operand = job_.kernel.node(node.args[0]).type;
    if (!of_silu_.empty() && of_silu_[id])
      return half_.emit_sigmoid_of_silu(arg(node, 0), stores_bf16_alone(job_.kernel));
    return is_float(operand) ? emit_float(node, accuracies_[id]) : emit_integer(node);
  }

  /// Whether node `id` is computed as a part of a wide product only.
  bool is_folded(ir::NodeId id) const { return !wide_.folded.empty() && wide_.folded[id]; }

  Value* emit(const WideProduct& product) {
    const ir::Node& function = job_.kernel.node(product.function);
    const auto [outer, inner] = half_.emit_factors(
        function.op, arg(function, 0), of_silu_[product.function], stores_bf16_alone(job_.kernel));
    Value* left = product.left ? b_.CreateFMul(value(*product.left), outer) : outer;
    return b_.CreateFMul(left, b_.CreateFMul(value(product.right), inner));
  }

  Value* constant(const ir::Node& node) const {
    llvm::Type* type = value_type(b_.getContext(), node.type, lanes_);
    if (is_float(node.type))
      return llvm::ConstantFP::get(type, node.real());
    return llvm::ConstantInt::get(type, node.bits & mask(node.type), false);
  }

  static std::uint64_t mask(DType type) {
    return type == DType::boolean ? 1 : type == DType::i64 ? ~std::uint64_t{0} : 0xffffffffu;
  }

  Value* emit_float(const ir::Node& node, Accuracy accuracy) {
    switch (node.op) {
    case Op::add: return b_.CreateFAdd(arg(node, 0), arg(node, 1));
    case Op::sub: return b_.CreateFSub(arg(node, 0), arg(node, 1));
    case Op::mul: return b_.CreateFMul(arg(node, 0), arg(node, 1));
    case Op::eq: return b_.CreateFCmpOEQ(arg(node, 0), arg(node, 1));
    case Op::ne: return b_.CreateFCmpUNE(arg(node, 0), arg(node, 1));
    case Op::lt: return b_.CreateFCmpOLT(arg(node, 0), arg(node, 1));
    case Op::le: return b_.CreateFCmpOLE(arg(node, 0), arg(node, 1));
    case Op::gt: return b_.CreateFCmpOGT(arg(node, 0), arg(node, 1));
    case Op::ge: return b_.CreateFCmpOGE(arg(node, 0), arg(node, 1));
    default: break;
    }
    llvm::SmallVector<Value*, 3> operands;
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      operands.push_back(arg(node, static_cast<std::size_t>(i)));
    return (accuracy == Accuracy::half ? half_ : full_).emit(node.op, operands);
  }

  Value* emit_integer(const ir::Node& node) {
    Value* a = arg(node, 0);
    Value* b = ir::info(node.op).arity > 1 ? arg(node, 1) : nullptr;
    Constant* zero = Constant::getNullValue(a->getType());
    switch (node.op) {
    case Op::add: return b_.CreateAdd(a, b);
    case Op::sub: return b_.CreateSub(a, b);
    case Op::mul: return b_.CreateMul(a, b);
    case Op::div: return divide(a, b);
    case Op::neg: return b_.CreateSub(zero, a);
    case Op::abs: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b_.getFalse());
    case Op::eq: return b_.CreateICmpEQ(a, b);
    case Op::ne: return b_.CreateICmpNE(a, b);
    case Op::lt: return b_.CreateICmpSLT(a, b);
    case Op::le: return b_.CreateICmpSLE(a, b);
    case Op::gt: return b_.CreateICmpSGT(a, b);
    case Op::ge: return b_.CreateICmpSGE(a, b);
    case Op::min: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
    case Op::max: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
    case Op::relu: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, zero);
    case Op::clamp:
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin,
                                      b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b),
                                      arg(node, 2));
    default: return nullptr;
    }
  }

  /// Division by zero gives 0 and by -1 wraps; both would be undefined in LLVM IR (and trap on
  /// x86), so neither divisor reaches the instruction.
  Value* divide(Value* a, Value* b) {
    Constant* zero = Constant::getNullValue(a->getType());
    Constant* one = llvm::ConstantInt::get(a->getType(), 1);
    Value* by_zero = b_.CreateICmpEQ(b, zero);
    Value* by_minus_one = b_.CreateICmpEQ(b, Constant::getAllOnesValue(a->getType()));
    Value* divisor = b_.CreateSelect(b_.CreateOr(by_zero, by_minus_one), one, b);
    Value* quotient = b_.CreateSDiv(a, divisor);
    Value* wrapped = b_.CreateSelect(by_minus_one, b_.CreateSub(zero, a), quotient);
    return b_.CreateSelect(by_zero, zero, wrapped);
  }

  llvm::IRBuilderBase& b_;
  const Job& job_;
  int lanes_;
  std::function<Value*(ir::NodeId)> fetch_;
  Converter convert_;
  MathBuilder full_, half_;
  const std::vector<Accuracy> accuracies_; ///< by node
  const std::vector<bool> of_silu_;        ///< see sigmoids_of_silu
  const WideProducts wide_;
  const std::vector<bool> upper_half_nans_; ///< see there
  std::vector<Value*> values_;
  std::vector<Value*> bits_; ///< of casts to 16-bit floats: the value in storage
};

constexpr ir::NodeId kPieceNodes = 256;
constexpr std::int64_t kMaxScratchBytes = 512 << 10; ///< of stack; beyond it the body stays whole

/// Which values outlive their piece, and where in the scratch memory each of them is.
class Cut {
public:
  Cut(const Job& job, int lanes) : job_(job), lanes_(lanes), slot_(job.kernel.nodes().size(), -1) {
    const auto nodes = job.kernel.nodes();
    std::vector<ir::NodeId> last(nodes.size(), 0); // piece of the last use
    for (ir::NodeId id = 0; id < nodes.size(); ++id)
      for (int i = 0; i < ir::info(nodes[id].op).arity; ++i)
        last[nodes[id].args[static_cast<std::size_t>(i)]] = id / kPieceNodes;
    for (const ir::Store& store : job.kernel.stores())
      last[store.node] = pieces(); // the caller's
    std::vector<std::vector<ir::NodeId>> ending(pieces() + 1);
    std::vector<int> free;
    for (ir::NodeId id = 0; id < nodes.size(); ++id) {
      if (id % kPieceNodes == 0 && id > 0)
        for (const ir::NodeId dead : ending[id / kPieceNodes - 1])
          free.push_back(slot_[dead]);
      const bool from_outside = nodes[id].op == Op::load || nodes[id].op == Op::scalar;
      if (nodes[id].op == Op::constant || (last[id] <= id / kPieceNodes && !from_outside))
        continue;
      // What comes from outside is written before the first piece, so its place is its own.
      if (free.empty() || from_outside) {
        slot_[id] = slots_++;
      } else {
        slot_[id] = free.back();
        free.pop_back();
      }
      ending[last[id]].push_back(id);
    }
  }

  ir::NodeId pieces() const {
    return (static_cast<ir::NodeId>(job_.kernel.nodes().size()) + kPieceNodes - 1) / kPieceNodes;
  }
  bool has_slot(ir::NodeId id) const { return slot_[id] >= 0; }
  std::int64_t scratch_bytes() const { return slots_ * slot_bytes(); }

  void store(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id, Value* value) const {
    if (job_.kernel.node(id).type == DType::boolean)
      value = b.CreateZExt(value, bits_type(b.getContext(), DType::boolean, lanes_));
    b.CreateAlignedStore(value, address(b, scratch, id), alignment());
  }
  Value* load(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id) const {
    const DType type = job_.kernel.node(id).type;
    const bool is_bool = type == DType::boolean;
    llvm::Type* held = is_bool ? bits_type(b.getContext(), type, lanes_)
                               : value_type(b.getContext(), type, lanes_);
    Value* value = b.CreateAlignedLoad(held, address(b, scratch, id), alignment());
    return is_bool ? b.CreateICmpNE(value, Constant::getNullValue(held)) : value;
  }

private:
  std::int64_t slot_bytes() const { return std::int64_t{8} * lanes_; }
  llvm::Align alignment() const {
    return llvm::Align(static_cast<std::uint64_t>(std::min<std::int64_t>(slot_bytes(), 64)));
  }
  Value* address(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id) const {
    return b.CreateConstGEP1_64(b.getInt8Ty(), scratch,
                                static_cast<std::uint64_t>(slot_[id] * slot_bytes()));
  }

  const Job& job_;
  int lanes_;
  std::vector<int> slot_; ///< by node; negative for none
  int slots_ = 0;
};

/// Emits a body as calls of its pieces. Loops of one module over the same lanes share the pieces.
class Pieces {
public:
  Pieces(llvm::IRBuilderBase& builder, const Job& job, int lanes, const Cut& cut)
      : b_(builder), job_(job), lanes_(lanes), cut_(cut),
        caller_(*builder.GetInsertBlock()->getParent()) {}

  std::vector<Value*> run(const std::vector<Value*>& loaded) {
    Value* scratch = make_scratch();
    const auto nodes = job_.kernel.nodes();
    for (ir::NodeId id = 0; id < nodes.size(); ++id)
      if (is_leaf(nodes[id]) && cut_.has_slot(id))
        cut_.store(b_, scratch, id, loaded[nodes[id].param]);
    for (ir::NodeId piece = 0; piece < cut_.pieces(); ++piece)
      b_.CreateCall(function(piece), {scratch});
    Body body(b_, job_, lanes_, [&](ir::NodeId id) { return cut_.load(b_, scratch, id); });
    std::vector<Value*> stored;
    for (const ir::Store& store : job_.kernel.stores())
      stored.push_back(body.stored_bits(store));
    return stored;
  }

private:
  /// One memory for all loops over the same lanes: each is done with it before the next begins.
  Value* make_scratch() {
    llvm::BasicBlock& entry = caller_.getEntryBlock();
    const std::string name = "scratch_" + std::to_string(lanes_);
    for (llvm::Instruction& instruction : entry)
      if (instruction.getName() == name)
        return &instruction;
    llvm::IRBuilder<> at(&entry, entry.begin());
    auto* bytes =
        llvm::ArrayType::get(at.getInt8Ty(), static_cast<std::uint64_t>(cut_.scratch_bytes()));
    llvm::AllocaInst* scratch = at.CreateAlloca(bytes, nullptr, name);
    scratch->setAlignment(llvm::Align(64));
    return scratch;
  }

  llvm::Function* function(ir::NodeId piece) {
    const std::string name =
        (caller_.getName() + "_" + llvm::Twine(lanes_) + "_" + llvm::Twine(piece)).str();
    llvm::Module& module = *caller_.getParent();
    if (llvm::Function* known = module.getFunction(name))
      return known;
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy()}, false);
    auto* made = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
    made->setAttributes(caller_.getAttributes()); // of the function alone: its parameters have none
    made->addFnAttr(llvm::Attribute::NoInline);
    fill(*made, piece);
    return made;
  }

  void fill(llvm::Function& made, ir::NodeId piece) {
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(b_.getContext(), "entry", &made));
    Value* scratch = made.getArg(0);
    Body body(b, job_, lanes_, [&](ir::NodeId id) { return cut_.load(b, scratch, id); });
    const auto end = std::min<ir::NodeId>((piece + 1) * kPieceNodes,
                                          static_cast<ir::NodeId>(job_.kernel.nodes().size()));
    for (ir::NodeId id = piece * kPieceNodes; id < end; ++id)
      body.emit(id);
    for (ir::NodeId id = piece * kPieceNodes; id < end; ++id)
      if (cut_.has_slot(id) && !is_leaf(job_.kernel.node(id)))
        cut_.store(b, scratch, id, body.value(id));
    b.CreateRetVoid();
  }

  llvm::IRBuilderBase& b_;
  const Job& job_;
  int lanes_;
  const Cut& cut_;
  llvm::Function& caller_;
};

/// Emits into `body` what `roots` need and is not known.
void emit_needed(Body& body, const Job& job, std::span<const ir::NodeId> roots,
                 const KnownValue& known) {
  std::vector<bool> needed(job.kernel.nodes().size(), false);
  for (const ir::NodeId root : roots)
    needed[root] = true;
  for (auto id = static_cast<ir::NodeId>(needed.size()); id-- > 0;) // users before operands
    if (needed[id] && !known(id))
      for (int i = 0; i < ir::info(job.kernel.node(id).op).arity; ++i)
        needed[job.kernel.node(id).args[static_cast<std::size_t>(i)]] = true;
  for (ir::NodeId id = 0; id < needed.size(); ++id)
    if (needed[id] && !known(id))
      body.emit(id);
}

} // namespace

std::vector<Value*> lower_nodes(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                std::span<const ir::NodeId> roots, const KnownValue& known) {
  Body body(builder, job, lanes, known);
  emit_needed(body, job, roots, known);
  std::vector<Value*> values;
  for (const ir::NodeId root : roots)
    values.push_back(body.value(root));
  return values;
}

std::vector<Value*> lower_stores(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                 std::span<const ir::Store> stores, const KnownValue& known) {
  Body body(builder, job, lanes, known);
  std::vector<ir::NodeId> roots;
  for (const ir::Store& store : stores)
    roots.push_back(store.node);
  emit_needed(body, job, roots, known);
  std::vector<Value*> bits;
  for (const ir::Store& store : stores)
    bits.push_back(body.stored_bits(store));
  return bits;
}

std::vector<Value*> lower_body(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                               const std::vector<Value*>& loaded) {
  if (job.target.kind == Target::Kind::host && job.kernel.nodes().size() > kWholeBodyNodes)
    if (const Cut cut(job, lanes); cut.scratch_bytes() <= kMaxScratchBytes)
      return Pieces(builder, job, lanes, cut).run(loaded);
  Body body(builder, job, lanes, [&](ir::NodeId id) { return loaded[job.kernel.node(id).param]; });
  for (ir::NodeId id = 0; id < job.kernel.nodes().size(); ++id)
    body.emit(id);
  std::vector<Value*> stored;
  for (const ir::Store& store : job.kernel.stores())
    stored.push_back(body.stored_bits(store));
  return stored;
}

} // namespace swage::codegen
