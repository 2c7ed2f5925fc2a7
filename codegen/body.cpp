// body.cpp -- the operations of a kernel as LLVM values, one at a time.
#include "codegen/body.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include "codegen/cut.hpp"
#include "ir/float_format.hpp"

namespace swage::codegen {

using ir::Op;
using llvm::Constant;
using llvm::Value;

namespace {

/// `value`, of integers, as the result of an instruction that says nothing of it.
Value* opaque(llvm::IRBuilderBase& b, Value* value) {
  llvm::Type* const type = value->getType()->getScalarType();
  return by_lane(b, {value}, "", type->isIntegerTy(64) ? "=l,0" : "=r,0");
}

std::uint64_t mask_of(DType type) {
  return type == DType::boolean ? 1 : type == DType::i64 ? ~std::uint64_t{0} : 0xffffffffu;
}

/// A function of many instructions.
bool is_function(const ir::Node& node, DType operand) {
  return node.op == Op::div ? !is_float(operand) : instructions(node) >= kFunctionInstructions;
}

/// The bound of node `id` where it is clamped to that in both directions by the text; else
/// infinity.
double clamped_within(const ir::Kernel& kernel, ir::NodeId id) {
  const ir::Node& node = kernel.node(id);
  const double infinity = std::numeric_limits<double>::infinity();
  if (node.op != Op::clamp || node.type != DType::f32)
    return infinity;
  const ir::Node &low = kernel.node(node.args[1]), &high = kernel.node(node.args[2]);
  const bool is_even = low.op == Op::constant && high.op == Op::constant &&
                       low.real() == -high.real() && high.real() > 0;
  return is_even ? high.real() : infinity;
}

/// The largest number of a float of one byte; of other types none.
double largest_of(DType storage) {
  if (!is_byte_float(storage) || storage == DType::e8m0)
    return 0;
  return ir::with_float(storage, []<DType format>() {
    return ir::decode_float<format, double>(ir::FloatTraits<format>::kLargest);
  });
}

/// Whether an f32 is a number of e8m0 by what made it, or NaN.
bool is_power(const ir::Node& node) {
  return node.type == DType::f32 && (node.op == Op::e8m0_up || node.op == Op::e8m0_down ||
                                     (node.op == Op::cast && node.storage == DType::e8m0));
}

/// The attributes of `caller` as a function, but for those of a kernel's launch.
llvm::AttributeList attributes_of_functions(const llvm::Function& caller) {
  llvm::AttrBuilder attributes(caller.getContext(), caller.getAttributes().getFnAttrs());
  for (const char* name : {"nvvm.maxntid", "nvvm.reqntid", "nvvm.minctasm", "nvvm.maxnreg"})
    attributes.removeAttribute(name);
  return llvm::AttributeList::get(caller.getContext(), llvm::AttributeList::FunctionIndex,
                                  attributes);
}

} // namespace

Body::Body(llvm::IRBuilderBase& builder, const Job& job, const BodyFacts& facts, Calls& calls,
           int lanes, std::function<Value*(ir::NodeId)> fetch)
    : b_(builder), job_(job), facts_(facts), calls_(calls), lanes_(lanes), fetch_(std::move(fetch)),
      convert_(builder, job.target, job.split_bf16),
      full_(builder, job.target, job.kernel.math(), Accuracy::full),
      half_(builder, job.target, job.kernel.math(), Accuracy::half) {}

Value* Body::value(ir::NodeId id) {
  Value*& known = values_[id];
  if (known)
    return known;
  const ir::Node& node = job_.kernel.node(id);
  Value* const made = node.op == Op::constant ? constant(node) : fetch_(id);
  return values_[id] = made;
}

void Body::emit(ir::NodeId id) {
  const ir::Node& node = job_.kernel.node(id);
  if (is_leaf(node) || is_folded(id))
    return;
  Value* const made = emit(node, id);
  values_[id] = facts_.opaque.empty() || !facts_.opaque[id] ? made : opaque(b_, made);
}

Value* Body::stored_bits(const ir::Store& store) {
  const DType storage = job_.kernel.params()[store.param].dtype;
  const ir::Node& node = job_.kernel.node(store.node);
  if (Value* const rounded = bits_.lookup(store.node); rounded && node.storage == storage)
    return job_.split_bf16 ? convert_.join_split(rounded) : rounded; // rounded to this type already
  Value* stored = to_round(store.node, storage);
  if (node.type != compute_type(storage))
    stored = convert_.cast(node.type, storage, stored);
  return job_.split_bf16 ? convert_.narrow_split(stored, rounding(store.node, storage))
                         : convert_.narrow(storage, stored, rounding(store.node, storage));
}

Rounding Body::rounding(ir::NodeId id, DType storage) const {
  const double bound = clamped_within(job_.kernel, id);
  const double largest = largest_of(storage);
  return {.low_nan_bits = !facts_.upper_half_nans[id],
          .ties = facts_.ties[id],
          .saturates = bound == largest,
          .in_range = bound <= largest,
          .is_power = is_power(job_.kernel.node(id)),
          .positive_nan = storage == DType::f4e2m1 && is_plain_product(id),
          .to_nearest = job_.kernel.node(id).op == Op::round};
}

/// Whether node `id` is a product that was computed here, of a GPU that multiplies one pair at a
/// time: two at once are worth as much as one limit less. What a thread keeps is not: nothing says
/// what its operands are.
bool Body::is_plain_product(ir::NodeId id) const {
  const ir::Node& node = job_.kernel.node(id);
  const bool is_single = job_.target.kind == Target::Kind::cuda && job_.target.sm < 100;
  return is_single && node.op == Op::mul && node.type == DType::f32 &&
         (facts_.wide.products.empty() || !facts_.wide.products[id]) &&
         (facts_.slopes.empty() || !facts_.slopes[id]) && values_.lookup(node.args[0]) &&
         values_.lookup(node.args[1]);
}

/// What LLVM does not look through: else it might make the negation of a product of it, which gives
/// a NaN a sign.
Value* Body::opaque_product(const ir::Node& node) {
  return by_lane(b_, {arg(node, 0), arg(node, 1)}, "mul.rn.f32 $0, $1, $2;", "=f,f,f");
}

Value* Body::to_round(ir::NodeId id, DType storage) {
  const ir::Node& node = job_.kernel.node(id);
  if (rounding(id, storage).positive_nan)
    return opaque_product(node);
  const bool is_implied =
      (node.op == Op::round && convert_.rounds_to_integer(node.type, storage)) ||
      (rounding(id, storage).saturates && convert_.saturates(storage));
  // Where a thread keeps the value of the node itself there is nothing that it was made of.
  Value* const before = is_implied ? value(node.args[0]) : nullptr;
  return before ? before : value(id);
}

/// Whether node `id` is computed as a part of a wide product only.
bool Body::is_folded(ir::NodeId id) const {
  return !facts_.wide.folded.empty() && facts_.wide.folded[id];
}

Value* Body::clamped(ir::NodeId id, ClampRange range) {
  const ir::Node& node = job_.kernel.node(id);
  const bool is_bf16 = node.op == Op::load && job_.kernel.params()[node.param].dtype == DType::bf16;
  return is_bf16 && job_.split_bf16 && lanes_ > 1
             ? convert_.clamp_split(value(id), static_cast<float>(range.low),
                                    static_cast<float>(range.high))
             : half_.emit_clamped(value(id), range);
}

Value* Body::inline_or_call(const std::string& name, llvm::ArrayRef<Value*> operands,
                            const Emit& emit) {
  if (!facts_.calls_functions)
    return emit(b_, operands);
  const llvm::Function& caller = *b_.GetInsertBlock()->getParent();
  llvm::Module& module = *b_.GetInsertBlock()->getModule();
  // A copy for so many calls: NVPTX looks through all calls of a function at each of them.
  constexpr std::size_t kCallsOfCopy = 512;
  const std::size_t copy = calls_[name]++ / kCallsOfCopy;
  const std::string unique = fmt::format(
      "swage_{}_{}_{}_{}", name, operands[0]->getType()->getScalarSizeInBits(), lanes_, copy);
  llvm::Function* function = module.getFunction(unique);
  if (!function) {
    llvm::SmallVector<llvm::Type*, 3> types;
    for (const Value* operand : operands)
      types.push_back(operand->getType());
    function = llvm::Function::Create(llvm::FunctionType::get(types[0], types, false),
                                      llvm::GlobalValue::InternalLinkage, unique, module);
    function->setAttributes(attributes_of_functions(caller));
    function->addFnAttr(llvm::Attribute::NoInline);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr(llvm::Attribute::WillReturn);
    function->setDoesNotAccessMemory();
    llvm::IRBuilder<> inside(llvm::BasicBlock::Create(b_.getContext(), "entry", function));
    llvm::SmallVector<Value*, 3> parameters;
    for (llvm::Argument& parameter : function->args())
      parameters.push_back(&parameter);
    inside.CreateRet(emit(inside, parameters));
  }
  return b_.CreateCall(function, operands);
}

Value* Body::emit(const ir::Node& node, ir::NodeId id) {
  switch (node.op) {
  case Op::cast: {
    Value* rounded = nullptr;
    Value* const result = convert_.cast(job_.kernel.node(node.args[0]).type, node.storage,
                                        to_round(node.args[0], node.storage), &rounded,
                                        rounding(node.args[0], node.storage));
    if (rounded)
      bits_[id] = rounded;
    return result;
  }
  case Op::select: return b_.CreateSelect(arg(node, 0), arg(node, 1), arg(node, 2));
  case Op::logical_and: return b_.CreateAnd(arg(node, 0), arg(node, 1));
  case Op::logical_or: return b_.CreateOr(arg(node, 0), arg(node, 1));
  case Op::logical_not: return b_.CreateNot(arg(node, 0));
  default: break;
  }
  if (!facts_.wide.products.empty() && facts_.wide.products[id])
    return emit(*facts_.wide.products[id]);
  if (!facts_.slopes.empty() && facts_.slopes[id])
    return emit(*facts_.slopes[id]);
  const DType operand = job_.kernel.node(node.args[0]).type;
  if (!facts_.of_silu.empty() && facts_.of_silu[id]) {
    const bool is_host = job_.target.kind == Target::Kind::host;
    Value* const x = is_host ? clamped(node.args[0], kSiluRange) : arg(node, 0);
    return inline_or_call("sigmoid_of_silu", {x}, [&](auto& builder, auto operands) {
      return MathBuilder(builder, job_.target, job_.kernel.math(), Accuracy::half)
          .emit_sigmoid_of_silu(operands[0], facts_.stores_bf16_alone);
    });
  }
  if (facts_.is_number[id])
    return inline_or_call("sigmoid_of_number", {clamped(node.args[0], kSigmoidRange)},
                          [&](auto& builder, auto operands) {
                            return MathBuilder(builder, job_.target, job_.kernel.math(),
                                               Accuracy::half)
                                .emit_sigmoid_of_number(operands[0]);
                          });
  return is_float(operand) ? emit_float(node, facts_.accuracies[id]) : emit_integer(node);
}

Value* Body::emit(const WideProduct& product) {
  const ir::Node& function = job_.kernel.node(product.function);
  const auto [outer, inner] = half_.emit_factors(
      function.op, arg(function, 0), facts_.of_silu[product.function], facts_.stores_bf16_alone);
  Value* left = product.left ? b_.CreateFMul(value(*product.left), outer) : outer;
  return b_.CreateFMul(left, b_.CreateFMul(value(product.right), inner));
}

Value* Body::emit(const SlopeProduct& product) {
  Value* sigmoid = value(product.sigmoid);
  Value* slope = b_.CreateIntrinsic(
      llvm::Intrinsic::fma, {sigmoid->getType()},
      {b_.CreateFMul(value(product.x), sigmoid), value(product.complement), sigmoid});
  return product.rest ? b_.CreateFMul(value(*product.rest), slope) : slope;
}

Value* Body::constant(const ir::Node& node) const {
  llvm::Type* type = value_type(b_.getContext(), node.type, lanes_);
  if (is_float(node.type))
    return llvm::ConstantFP::get(type, node.real());
  return llvm::ConstantInt::get(type, node.bits & mask_of(node.type), false);
}

Value* Body::emit_float(const ir::Node& node, Accuracy accuracy) {
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
  if (divides_by_shared(node, accuracy))
    return half_.emit_quotient_of_shared(operands[0], operands[1]);
  if (node.op == Op::rcp && is_power(job_.kernel.node(node.args[0])))
    return full_.emit_reciprocal_of_power(operands[0]);
  if (is_shared_quotient(node))
    return full_.emit(node.op, operands);
  if (!is_function(node, job_.kernel.node(node.args[0]).type))
    return (accuracy == Accuracy::half ? half_ : full_).emit(node.op, operands);
  const std::string name = fmt::format("{}_{}", ir::info(node.op).spelling,
                                       accuracy == Accuracy::half ? "half" : "full");
  return inline_or_call(name, operands, [&](auto& builder, auto given) {
    return MathBuilder(builder, job_.target, job_.kernel.math(), accuracy).emit(node.op, given);
  });
}

/// Whether a quotient at half accuracy has the divisor of its whole row or group, of columns or of
/// rows.
bool Body::divides_by_shared(const ir::Node& node, Accuracy accuracy) const {
  if (node.op != Op::div || accuracy != Accuracy::half || node.type != DType::f32 ||
      job_.target.kind != Target::Kind::cuda || job_.kernel.math() != ir::MathMode::accurate ||
      ir::is_elementwise(job_.kernel))
    return false;
  const ir::Node& divisor = job_.kernel.node(node.args[1]);
  return divisor.op != Op::constant && divisor.space != node.space &&
         divisor.space.broadcast != ir::Broadcast::per_column;
}

/// A quotient that is computed once for a row or a group costs nothing to be rounded correctly, and
/// what is scaled by it then has the same bits everywhere.
bool Body::is_shared_quotient(const ir::Node& node) const {
  const ir::Broadcast broadcast = node.space.broadcast;
  const bool is_shared =
      broadcast == ir::Broadcast::per_row || broadcast == ir::Broadcast::per_group ||
      broadcast == ir::Broadcast::per_column_group || broadcast == ir::Broadcast::per_tensor;
  return is_shared && (node.op == Op::div || node.op == Op::rcp) &&
         job_.kernel.math() == ir::MathMode::accurate && !ir::is_elementwise(job_.kernel);
}

Value* Body::emit_integer(const ir::Node& node) {
  Value* a = arg(node, 0);
  Value* b = ir::info(node.op).arity > 1 ? arg(node, 1) : nullptr;
  Constant* zero = Constant::getNullValue(a->getType());
  switch (node.op) {
  case Op::add: return b_.CreateAdd(a, b);
  case Op::sub: return b_.CreateSub(a, b);
  case Op::mul: return b_.CreateMul(a, b);
  case Op::div:
    return inline_or_call("div", {a, b}, [&](auto& builder, auto operands) {
      return divide(builder, operands[0], operands[1]);
    });
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
    return b_.CreateBinaryIntrinsic(
        llvm::Intrinsic::smin, b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b), arg(node, 2));
  default: return nullptr;
  }
}

/// Division by zero gives 0 and by -1 wraps; both would be undefined in LLVM IR (and trap on
/// x86), so neither divisor reaches the instruction.
Value* Body::divide(llvm::IRBuilderBase& builder, Value* a, Value* b) const {
  Constant* zero = Constant::getNullValue(a->getType());
  Constant* one = llvm::ConstantInt::get(a->getType(), 1);
  Value* by_zero = builder.CreateICmpEQ(b, zero);
  Value* by_minus_one = builder.CreateICmpEQ(b, Constant::getAllOnesValue(a->getType()));
  Value* divisor = builder.CreateSelect(builder.CreateOr(by_zero, by_minus_one), one, b);
  Value* quotient = builder.CreateSDiv(a, divisor);
  Value* wrapped = builder.CreateSelect(by_minus_one, builder.CreateSub(zero, a), quotient);
  return builder.CreateSelect(by_zero, zero, wrapped);
}

} // namespace swage::codegen
