// llvm_compat.hpp -- what differs between LLVM versions, in one place. Written for 22.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <llvm/Config/llvm-config.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/TargetParser/Triple.h>

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

} // namespace swage::codegen::compat
