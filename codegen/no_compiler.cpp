// no_compiler.cpp -- the runtime without the compiler has none.
#include "codegen/compiler.hpp"

namespace swage::codegen {

const Compiler* compiler() noexcept {
  return nullptr;
}

} // namespace swage::codegen
