// llvm_start.hpp -- LLVM's process-wide state: its handlers, its registries, and what happens to
// them when memory runs out.
#pragma once

#include "codegen/target.hpp"

namespace swage::codegen {

/// While one lives, this thread is inside LLVM for Swage: what would end the process (an error that
/// LLVM takes to be fatal, an allocation of its own that fails) is thrown as Error or
/// std::bad_alloc. A thread of the program that is inside the same LLVM for itself is not affected.
class LlvmScope {
public:
  LlvmScope();
  LlvmScope(const LlvmScope&) = delete;
  LlvmScope& operator=(const LlvmScope&) = delete;
  ~LlvmScope();

private:
  bool outer_;
};

/// Registers the back end for `target` and fills what LLVM keeps of its kind for the whole process,
/// once; later calls return at once. Within an LlvmScope. Throws Error(out_of_memory) if memory ran
/// out so badly that this LLVM cannot be used any more.
void start_llvm(const Target& target);

} // namespace swage::codegen
