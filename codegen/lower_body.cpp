// lower_body.cpp -- from the nodes of a kernel to LLVM values, for both back ends.
#include "codegen/lower.hpp"

#include <limits>

#include <llvm/IR/Intrinsics.h>

namespace swage::codegen {

using ir::Op;
using llvm::Constant;
using llvm::Value;

namespace {

/// Functions whose results are approximate in `accurate` mode when accuracy is `half`.
bool is_approximate(Op op) {
  switch (op) {
  case Op::fma:
  case Op::floor:
  case Op::ceil:
  case Op::round:
  case Op::trunc:
  case Op::copysign: return false;
  default: return ir::info(op).rule == ir::TypeRule::real || op == Op::div;
  }
}

class Body {
public:
  Body(llvm::IRBuilderBase& builder, const Job& job, int lanes, const std::vector<Value*>& loaded)
      : b_(builder), job_(job), lanes_(lanes), loaded_(loaded), convert_(builder, job.target),
        math_(builder, job.target, job.kernel.math(), accuracy_of(job.kernel)),
        values_(job.kernel.nodes().size()), bits_(job.kernel.nodes().size()) {}

  std::vector<Value*> run() {
    for (std::size_t id = 0; id < values_.size(); ++id)
      values_[id] = emit(job_.kernel.nodes()[id], id);
    std::vector<Value*> stored;
    for (const ir::Store& store : job_.kernel.stores())
      stored.push_back(stored_bits(store));
    return stored;
  }

private:
  Value* arg(const ir::Node& node, std::size_t i) const { return values_[node.args[i]]; }

  Value* stored_bits(const ir::Store& store) {
    const DType storage = job_.kernel.params()[store.param].dtype;
    const ir::Node& node = job_.kernel.node(store.node);
    if (bits_[store.node] && node.storage == storage)
      return bits_[store.node]; // the value was rounded to this type already
    Value* value = values_[store.node];
    if (node.type != compute_type(storage))
      value = convert_.cast(node.type, storage, value);
    return convert_.narrow(storage, value);
  }

  Value* emit(const ir::Node& node, std::size_t id) {
    switch (node.op) {
    case Op::load:
    case Op::scalar: return loaded_[node.param];
    case Op::constant: return constant(node);
    case Op::cast:
      return convert_.cast(job_.kernel.node(node.args[0]).type, node.storage, arg(node, 0),
                           &bits_[id]);
    case Op::select: return b_.CreateSelect(arg(node, 0), arg(node, 1), arg(node, 2));
    case Op::logical_and: return b_.CreateAnd(arg(node, 0), arg(node, 1));
    case Op::logical_or: return b_.CreateOr(arg(node, 0), arg(node, 1));
    case Op::logical_not: return b_.CreateNot(arg(node, 0));
    default: break;
    }
    const DType operand = job_.kernel.node(node.args[0]).type;
    return is_float(operand) ? emit_float(node) : emit_integer(node);
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

  Value* emit_float(const ir::Node& node) {
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
    return math_.emit(node.op, operands);
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
  const std::vector<Value*>& loaded_;
  Converter convert_;
  MathBuilder math_;
  std::vector<Value*> values_;
  std::vector<Value*> bits_; ///< of casts to 16-bit floats: the value in storage
};

} // namespace

// A relative error of 2^-19 a function is 2^-8 ulp of f16. It shows neither in an f64, nor where a
// float becomes an integer or a decision whose result is stored as anything but a 16-bit float, and
// long chains of functions would add up: those get full accuracy.
Accuracy accuracy_of(const ir::Kernel& kernel) noexcept {
  constexpr int kMaxApproximate = 8;
  bool half = false;
  for (const ir::Store& store : kernel.stores()) {
    const DType dtype = kernel.params()[store.param].dtype;
    half = dtype == DType::f16 || dtype == DType::bf16;
    if (!half)
      return Accuracy::full;
  }
  int approximate = 0;
  for (const ir::Node& node : kernel.nodes()) {
    const bool from_float = node.op == Op::cast && is_float(kernel.node(node.args[0]).type);
    if (node.type == DType::f64 || (from_float && !is_float(node.type)))
      return Accuracy::full;
    approximate += is_approximate(node.op);
  }
  return half && approximate <= kMaxApproximate ? Accuracy::half : Accuracy::full;
}

std::vector<Value*> lower_body(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                               const std::vector<Value*>& loaded) {
  return Body(builder, job, lanes, loaded).run();
}

} // namespace swage::codegen
