// host.cpp -- the host back end's machine.
#include "codegen/host.hpp"

#include "codegen/llvm_compat.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

std::unique_ptr<llvm::TargetMachine> make_host_machine(const Target& target) {
  const llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target* found = compat::lookup_target(triple, error);
  if (!found)
    throw Error(ErrorCode::unsupported,
                "this build of LLVM has no back end for the host: " + error);
  llvm::TargetOptions options; // contraction is decided in ir
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return compat::create_machine(*found, triple, target.cpu, target.features, options,
                                llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                llvm::CodeGenOptLevel::Default);
}

} // namespace swage::codegen
