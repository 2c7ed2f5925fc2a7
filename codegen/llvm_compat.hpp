// llvm_compat.hpp -- what differs between LLVM 19, 20, 21 and 22, in one place. Written for 22.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <llvm/Config/llvm-config.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsNVPTX.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/TargetParser/Triple.h>

#include "swage/error.hpp"

namespace swage::codegen::compat {

inline void set_triple(llvm::Module& module, const llvm::Triple& triple) {
#if LLVM_VERSION_MAJOR >= 21
  module.setTargetTriple(triple);
#else
  module.setTargetTriple(triple.str());
#endif
}

/// Whether `module` is made for NVPTX.
inline bool is_nvptx(const llvm::Module& module) {
  return llvm::Triple(module.getTargetTriple()).isNVPTX();
}

inline const llvm::Target* lookup_target(const llvm::Triple& triple, std::string& error) {
#if LLVM_VERSION_MAJOR >= 22
  return llvm::TargetRegistry::lookupTarget(triple, error);
#else
  return llvm::TargetRegistry::lookupTarget(triple.str(), error);
#endif
}

inline std::unique_ptr<llvm::TargetMachine>
create_machine(const llvm::Target& target, const llvm::Triple& triple, const std::string& cpu,
               const std::string& features, const llvm::TargetOptions& options,
               std::optional<llvm::Reloc::Model> relocation,
               std::optional<llvm::CodeModel::Model> code_model, llvm::CodeGenOptLevel level) {
#if LLVM_VERSION_MAJOR >= 21
  return std::unique_ptr<llvm::TargetMachine>(
      target.createTargetMachine(triple, cpu, features, options, relocation, code_model, level));
#else
  return std::unique_ptr<llvm::TargetMachine>(target.createTargetMachine(
      triple.str(), cpu, features, options, relocation, code_model, level));
#endif
}

/// The declaration of an intrinsic in `module`.
inline llvm::Function* declare(llvm::Module& module, llvm::Intrinsic::ID id,
                               llvm::ArrayRef<llvm::Type*> overloads = {}) {
#if LLVM_VERSION_MAJOR >= 20
  return llvm::Intrinsic::getOrInsertDeclaration(&module, id, overloads);
#else
  return llvm::Intrinsic::getDeclaration(&module, id, overloads);
#endif
}

/// The newest PTX that this LLVM writes, but for what 22 has beyond our needs. What is newer, and
/// the architectures that need it, go by `within_ptx`.
#if LLVM_VERSION_MAJOR >= 22
inline constexpr int kNewestPtx = 90;
#elif LLVM_VERSION_MAJOR == 21
inline constexpr int kNewestPtx = 88;
#elif LLVM_VERSION_MAJOR == 20
inline constexpr int kNewestPtx = 87;
#else
inline constexpr int kNewestPtx = 85;
#endif

inline constexpr const char* kClusterAttribute = "nvvm.cluster_dim";

/// The directives of a kernel's launch: `.maxntid`, `.minnctapersm`, and `.cluster_dim` if
/// `cluster` is more than 0.
inline void set_launch_bounds(llvm::Function& kernel, int threads, int blocks, int cluster) {
#if LLVM_VERSION_MAJOR >= 21
  kernel.addFnAttr("nvvm.maxntid", std::to_string(threads));
  kernel.addFnAttr("nvvm.minctasm", std::to_string(blocks));
#else
  llvm::LLVMContext& context = kernel.getContext();
  llvm::SmallVector<llvm::Metadata*> facts{llvm::ValueAsMetadata::get(&kernel)};
  const auto add = [&](const char* name, int value) {
    facts.push_back(llvm::MDString::get(context, name));
    facts.push_back(llvm::ConstantAsMetadata::get(llvm::ConstantInt::getSigned(
        llvm::Type::getInt32Ty(context), static_cast<std::int64_t>(value))));
  };
  add("maxntidx", threads);
  add("minctasm", blocks);
  kernel.getParent()
      ->getOrInsertNamedMetadata("nvvm.annotations")
      ->addOperand(llvm::MDNode::get(context, facts));
#endif
  if (cluster > 0) // before 21 for `add_clusters` alone
    kernel.addFnAttr(kClusterAttribute, std::to_string(cluster));
}

/// Older LLVM writes no directives of clusters: they are put into the `ptx` of `module`, behind
/// `.minnctapersm`, the last of the others.
inline void add_clusters([[maybe_unused]] std::string& ptx,
                         [[maybe_unused]] const llvm::Module& module) {
#if LLVM_VERSION_MAJOR < 21
  for (const llvm::Function& function : module) {
    if (!function.hasFnAttribute(kClusterAttribute))
      continue;
    const std::size_t entry = ptx.find(".entry " + function.getName().str() + "(");
    const std::size_t bound = ptx.find("\n.minnctapersm", entry);
    const std::size_t line = ptx.find('\n', bound + 1);
    if (entry == std::string::npos || line == std::string::npos)
      throw Error(ErrorCode::internal, "this LLVM's PTX has no place for the size of a cluster");
    ptx.insert(line, "\n.explicitcluster\n.reqnctapercluster " +
                         function.getFnAttribute(kClusterAttribute).getValueAsString().str());
  }
#endif
}

/// ex2.approx.f32 of one value; `flush`: .ftz
inline llvm::Value* ex2_approx(llvm::IRBuilderBase& b, llvm::Value* x, bool flush) {
#if LLVM_VERSION_MAJOR >= 22
  return b.CreateIntrinsic(flush ? llvm::Intrinsic::nvvm_ex2_approx_ftz
                                 : llvm::Intrinsic::nvvm_ex2_approx,
                           {x->getType()}, {x});
#else
  return b.CreateIntrinsic(
      flush ? llvm::Intrinsic::nvvm_ex2_approx_ftz_f : llvm::Intrinsic::nvvm_ex2_approx_f, {}, {x});
#endif
}

/// div.full.f32 of two values; `flush`: .ftz
inline llvm::Value* div_full(llvm::IRBuilderBase& b, llvm::Value* x, llvm::Value* y, bool flush) {
#if LLVM_VERSION_MAJOR >= 21
  return b.CreateIntrinsic(
      flush ? llvm::Intrinsic::nvvm_div_full_ftz : llvm::Intrinsic::nvvm_div_full, {}, {x, y});
#else
  auto* type = llvm::FunctionType::get(x->getType(), {x->getType(), y->getType()}, false);
  return b.CreateCall(llvm::InlineAsm::get(
                          type, flush ? "div.full.ftz.f32 $0, $1, $2;" : "div.full.f32 $0, $1, $2;",
                          "=f,f,f", false),
                      {x, y});
#endif
}

/// cvt.rni.s32.f32 or cvt.rzi.s32.f32 of one value: saturates, and makes 0 of NaN. Older LLVM takes
/// the latter for `fptosi`, which makes anything of both.
inline llvm::Value* to_i32(llvm::IRBuilderBase& b, llvm::Value* x, bool to_nearest) {
#if LLVM_VERSION_MAJOR >= 22
  return b.CreateIntrinsic(to_nearest ? llvm::Intrinsic::nvvm_f2i_rn : llvm::Intrinsic::nvvm_f2i_rz,
                           {}, {x});
#else
  auto* type = llvm::FunctionType::get(b.getInt32Ty(), {x->getType()}, false);
  return b.CreateCall(
      llvm::InlineAsm::get(type, to_nearest ? "cvt.rni.s32.f32 $0, $1;" : "cvt.rzi.s32.f32 $0, $1;",
                           "=r,f", false),
      {x});
#endif
}

/// f32 rounded to `half` (half or bfloat), of one value or a vector. `has_pairs`: a GPU of sm_80 or
/// later. LLVM 21 makes a store of a vector's rounded elements a store of their bits unrounded, and
/// 19 rounds one at a time.
inline llvm::Value* narrow(llvm::IRBuilderBase& b, llvm::Value* f32, llvm::Type* half,
                           [[maybe_unused]] bool is_cuda, [[maybe_unused]] bool has_pairs) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(f32->getType());
  if (!vector)
    return b.CreateFPTrunc(f32, half);
  const unsigned lanes = vector->getNumElements();
  auto* type = llvm::FixedVectorType::get(half, lanes);
#if LLVM_VERSION_MAJOR < 22
  if (is_cuda) {
    const llvm::Intrinsic::ID convert =
        half->isBFloatTy() ? llvm::Intrinsic::nvvm_ff2bf16x2_rn : llvm::Intrinsic::nvvm_ff2f16x2_rn;
    llvm::Value* all = llvm::PoisonValue::get(type);
    for (std::uint64_t i = 0; i < lanes; ++i) {
      llvm::Value* low = b.CreateExtractElement(f32, i);
      if (!has_pairs || i + 1 == lanes) {
        all = b.CreateInsertElement(all, b.CreateFPTrunc(low, half), i);
        continue;
      }
      llvm::Value* pair = b.CreateIntrinsic(convert, {}, {b.CreateExtractElement(f32, i + 1), low});
      all = b.CreateInsertElement(all, b.CreateExtractElement(pair, std::uint64_t{0}), i);
      all = b.CreateInsertElement(all, b.CreateExtractElement(pair, std::uint64_t{1}), ++i);
    }
    return all;
  }
#endif
  return b.CreateFPTrunc(f32, type);
}

/// `half` widened to `f32`. On a CPU LLVM before 22 would choose between halves where the text
/// chooses between f32, and make calls of `fmaxf` of that.
inline llvm::Value* widen(llvm::IRBuilderBase& b, llvm::Value* half, llvm::Type* f32,
                          [[maybe_unused]] bool is_cuda) {
  llvm::Value* wide = b.CreateFPExt(half, f32);
#if LLVM_VERSION_MAJOR < 22
  if (!is_cuda)
    return b.CreateArithmeticFence(wide, f32);
#endif
  return wide;
}

} // namespace swage::codegen::compat
