// toolchain.cpp -- the name of the compiler that this runtime shares a cache with.
#include "codegen/compile.hpp"
#include "codegen/source_digest.hpp"

namespace swage::codegen {

std::string_view toolchain_identity() noexcept {
  return "Swage " SWAGE_VERSION " " SWAGE_SOURCE_DIGEST ", LLVM " SWAGE_LLVM_VERSION;
}

} // namespace swage::codegen
