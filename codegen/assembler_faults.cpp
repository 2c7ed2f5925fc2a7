// assembler_faults.cpp -- finds what ptxas gets wrong, and replaces it.
#include "codegen/assembler_faults.hpp"

#include <string_view>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PatternMatch.h>

namespace swage::codegen {

namespace {

using llvm::Value;

/// x where `instruction` is -x of 16 or 32 bits, in whatever form ptxas takes for it; else null.
Value* negated(llvm::Instruction& instruction) {
  using namespace llvm::PatternMatch;
  Value* x = nullptr;
  const llvm::Type* type = instruction.getType();
  if ((type->isIntOrIntVectorTy(32) || type->isIntOrIntVectorTy(16)) &&
      (match(&instruction, m_Neg(m_Value(x))) ||
       match(&instruction, m_c_Mul(m_Value(x), m_AllOnes()))))
    return x;
  return nullptr;
}

Value* opaque_negation(llvm::IRBuilderBase& b, Value* x) {
  if (const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType())) {
    Value* all = llvm::PoisonValue::get(x->getType());
    for (std::uint64_t i = 0; i < vector->getNumElements(); ++i)
      all = b.CreateInsertElement(all, opaque_negation(b, b.CreateExtractElement(x, i)), i);
    return all;
  }
  llvm::Type* type = x->getType();
  const bool is_short = type->isIntegerTy(16);
  auto* negation = llvm::InlineAsm::get(llvm::FunctionType::get(type, {type}, false),
                                        is_short ? "not.b16 $0, $1;\n\tadd.s16 $0, $0, 1;"
                                                 : "not.b32 $0, $1;\n\tadd.s32 $0, $0, 1;",
                                        is_short ? "=h,h" : "=r,r", false);
  return b.CreateCall(negation, {x});
}

} // namespace

void make_negations_opaque(llvm::Module& module) {
  for (llvm::Function& function : module) {
    std::vector<llvm::Instruction*> found;
    for (llvm::Instruction& instruction : llvm::instructions(function))
      if (negated(instruction))
        found.push_back(&instruction);
    for (llvm::Instruction* instruction : found) {
      llvm::IRBuilder<> b(instruction);
      instruction->replaceAllUsesWith(opaque_negation(b, negated(*instruction)));
      instruction->eraseFromParent();
    }
  }
}

void replace_faulty_shifts(std::string& ptx) {
  constexpr std::string_view shift = "shl.b64", by_31 = ", 31;";
  for (std::size_t at = ptx.find(shift); at != std::string::npos; at = ptx.find(shift, at + 1)) {
    const std::size_t end = ptx.find(';', at);
    if (end == std::string::npos || !std::string_view(ptx).substr(0, end + 1).ends_with(by_31))
      continue;
    ptx.replace(end + 1 - by_31.size(), by_31.size(), ", 2147483648;");
    ptx.replace(at, shift.size(), "mul.lo.s64");
  }
}

} // namespace swage::codegen
