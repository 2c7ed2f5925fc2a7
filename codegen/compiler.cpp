// compiler.cpp -- the compiler of the whole library.
#include "codegen/compiler.hpp"

namespace swage::codegen {

const Compiler* compiler() noexcept {
  static constexpr Compiler kCompiler{compile, all_schedules, host_target};
  return &kCompiler;
}

} // namespace swage::codegen
