// assembler_faults.cpp -- finds what ptxas gets wrong, and replaces it.
#include "codegen/assembler_faults.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <llvm/ADT/DenseMap.h>
#include <llvm/Analysis/InstructionSimplify.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PatternMatch.h>
#include <llvm/IR/ValueHandle.h>

#include "codegen/convert.hpp"

namespace swage::codegen {

namespace {

using llvm::Value;

/// What `instruction` is the negation of, of 16 or 32 bits, where it is one or LLVM makes one of it
/// at the very end: a product with -1 or another negative power of two, a quotient by a negative
/// number. Null elsewhere. `b` builds what it is made of.
Value* negated(llvm::IRBuilderBase& b, llvm::Instruction& instruction) {
  using namespace llvm::PatternMatch;
  Value* x = nullptr;
  const llvm::APInt* by = nullptr;
  llvm::Type* type = instruction.getType();
  if (!type->isIntOrIntVectorTy(32) && !type->isIntOrIntVectorTy(16))
    return nullptr;
  if (match(&instruction, m_Neg(m_Value(x))))
    return x;
  const auto is_negative = [&] { return by->isNegative() && !by->isMinSignedValue(); };
  if (match(&instruction, m_c_Mul(m_Value(x), m_APInt(by))) && is_negative() && (-*by).isPowerOf2())
    return by->isAllOnes() ? x : b.CreateShl(x, llvm::ConstantInt::get(type, (-*by).logBase2()));
  if (match(&instruction, m_SDiv(m_Value(x), m_APInt(by))) && is_negative())
    return b.CreateSDiv(x, llvm::ConstantInt::get(type, -*by));
  return nullptr;
}

Value* opaque_negation(llvm::IRBuilderBase& b, Value* x) {
  return x->getType()->getScalarType()->isIntegerTy(16)
             ? by_lane(b, {x}, "not.b16 $0, $1;\n\tadd.s16 $0, $0, 1;", "=h,h")
             : by_lane(b, {x}, "not.b32 $0, $1;\n\tadd.s32 $0, $0, 1;", "=r,r");
}

/// What has been rounded to a type before the choices that it is an operand of; null what cannot
/// be.
using Rounded = llvm::DenseMap<std::pair<Value*, llvm::Type*>, Value*>;

/// `value`, a float chosen among constants, rounded to `type` before the choice; null if it is
/// another. Choices that share parts have them rounded once.
Value* rounded_choice(Value* value, llvm::Type* type, Rounded& known) {
  if (llvm::isa<llvm::Constant>(value))
    return llvm::IRBuilder<>(value->getContext()).CreateFPTrunc(value, type);
  auto* choice = llvm::dyn_cast<llvm::SelectInst>(value);
  if (!choice)
    return nullptr;
  if (const auto found = known.find({value, type}); found != known.end())
    return found->second;
  Value* chosen = rounded_choice(choice->getTrueValue(), type, known);
  Value* other = chosen ? rounded_choice(choice->getFalseValue(), type, known) : nullptr;
  return known[{value, type}] =
             other ? llvm::IRBuilder<>(choice).CreateSelect(choice->getCondition(), chosen, other)
                   : nullptr;
}

std::string_view assembly_of(const llvm::CallBase& call) {
  const auto* code = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand());
  return code ? std::string_view(code->getAsmString()) : std::string_view();
}

bool is_zero(const Value* value) {
  return llvm::PatternMatch::match(value, llvm::PatternMatch::m_AnyZeroFP());
}

/// Whether the float `value` may be a maximum with 0 in the eyes of the assembler, which also looks
/// behind roundings to integers.
bool may_be_maximum_with_zero(const Value* value) {
  if (const auto* element = llvm::dyn_cast<llvm::ExtractElementInst>(value))
    return may_be_maximum_with_zero(element->getVectorOperand());
  if (llvm::isa<llvm::SelectInst, llvm::PHINode>(value))
    return true;
  if (const auto* one = llvm::dyn_cast<llvm::UnaryOperator>(value))
    return may_be_maximum_with_zero(one->getOperand(0));
  const auto* call = llvm::dyn_cast<llvm::CallBase>(value);
  if (!call)
    return false;
  if (call->arg_size() == 1)
    return may_be_maximum_with_zero(call->getArgOperand(0));
  // By name: LLVM before 20 has no llvm.maximumnum.
  const llvm::Function* callee = call->getCalledFunction();
  return (callee ? callee->getName().starts_with("llvm.max")
                 : assembly_of(*call).starts_with("max")) &&
         std::ranges::none_of(call->args(), [](const Value* argument) {
           return llvm::isa<llvm::Constant>(argument) && !is_zero(argument);
         });
}

/// Where `call` packs bytes of floats made integers, none of these is a maximum with 0 after it.
void keep_maxima_apart(llvm::CallBase& call) {
  const std::string_view code = assembly_of(call);
  const bool is_signed = code.starts_with("cvt.pack.sat.s8");
  if (!is_signed && !code.starts_with("cvt.pack.sat.u8"))
    return;
  for (unsigned i : {0u, 1u}) {
    auto* made = llvm::dyn_cast<llvm::Instruction>(call.getArgOperand(i));
    if (!made || !made->getOperand(0)->getType()->isFloatTy() ||
        !may_be_maximum_with_zero(made->getOperand(0)))
      continue;
    llvm::IRBuilder<> b(made);
    llvm::Instruction* other = made->clone();
    other->setOperand(0, b.CreateBinaryIntrinsic(
                             llvm::Intrinsic::minimum, made->getOperand(0),
                             llvm::ConstantFP::get(b.getFloatTy(), is_signed ? 128.0 : 256.0)));
    b.Insert(other);
    call.setArgOperand(i, other);
  }
}

/// What threads exchange of a constant is that constant. The assembler knows, and LLVM is not told.
void know_exchanged_constants(llvm::Function& function) {
  const auto exchanges_constant = [](const llvm::Instruction& instruction) {
    const auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction);
    const llvm::Function* callee = call ? call->getCalledFunction() : nullptr;
    return callee && callee->getName().starts_with("llvm.nvvm.shfl.sync") &&
           llvm::isa<llvm::Constant>(call->getArgOperand(1)) && !call->getType()->isStructTy();
  };
  const auto find = [&] {
    auto all = llvm::instructions(function);
    const auto found = std::find_if(all.begin(), all.end(), exchanges_constant);
    return found == all.end() ? nullptr : &*found;
  };
  while (llvm::Instruction* exchange = find()) {
    Value* constant = llvm::cast<llvm::CallBase>(exchange)->getArgOperand(1);
    const llvm::WeakTrackingVH left(exchange);
    llvm::replaceAndRecursivelySimplify(exchange, constant);
    if (left)
      exchange->eraseFromParent();
  }
}

/// Replaces the `mnemonic`s in `ptx` by what `make` writes of their operands, "d, a, b"; it writes
/// nothing where they may stay.
template <class Make>
void replace_instructions(std::string& ptx, std::string_view mnemonic, Make make) {
  for (std::size_t at = ptx.find(mnemonic); at != std::string::npos;
       at = ptx.find(mnemonic, at + 1)) {
    const std::size_t operands = ptx.find_first_not_of(" \t", at + mnemonic.size());
    const std::size_t end = ptx.find(';', at);
    if (operands == std::string::npos || end == std::string::npos)
      return;
    const std::string made = make(std::string_view(ptx).substr(operands, end - operands));
    if (!made.empty())
      ptx.replace(at, end - at, made);
  }
}

} // namespace

void avoid_assembler_faults(llvm::Module& module) {
  for (llvm::Function& function : module) {
    know_exchanged_constants(function);
    std::vector<llvm::Instruction*> found;
    Rounded rounded;
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      if (llvm::isa<llvm::BinaryOperator, llvm::FPTruncInst>(instruction))
        found.push_back(&instruction);
      if (auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction))
        keep_maxima_apart(*call);
    }
    for (llvm::Instruction* instruction : found) {
      llvm::IRBuilder<> b(instruction);
      Value* other = nullptr;
      if (llvm::isa<llvm::FPTruncInst>(instruction))
        other = rounded_choice(instruction->getOperand(0), instruction->getType(), rounded);
      else if (Value* x = negated(b, *instruction))
        other = opaque_negation(b, x);
      if (!other)
        continue;
      instruction->replaceAllUsesWith(other);
      instruction->eraseFromParent();
    }
  }
}

void avoid_assembler_faults(std::string& ptx) {
  replace_instructions(ptx, "shl.b64", [](std::string_view operands) {
    constexpr std::string_view by_31 = ", 31";
    return operands.ends_with(by_31)
               ? fmt::format("mul.lo.s64 \t{}, 2147483648",
                             operands.substr(0, operands.size() - by_31.size()))
               : std::string();
  });
  for (const int bits : {16, 32, 64})
    replace_instructions(ptx, fmt::format("abs.s{}", bits), [bits](std::string_view operands) {
      const std::string_view result = operands.substr(0, operands.find(','));
      const std::string_view x = operands.substr(operands.find_last_of(" \t") + 1);
      if (result == x) // is needed to the end
        return std::string();
      return fmt::format("not.b{0} \t{1}, {2};\n\tadd.s{0} \t{1}, {1}, 1;\n\t"
                         "max.s{0} \t{1}, {1}, {2}",
                         bits, result, x);
    });
}

} // namespace swage::codegen
