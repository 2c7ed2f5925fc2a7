// compiler.hpp -- the compiler as the runtime sees it: there, or not.
#pragma once

#include <vector>

#include "codegen/compile.hpp"

namespace swage::codegen {

/// What the runtime asks of the half of the library that holds LLVM.
struct Compiler {
  Artifact (*compile)(const ir::Kernel& kernel, const Specialization& specialization,
                      const Schedule& schedule, const Target& target, CompileTimes* times);
  /// What the tuner chooses from, see schedule.hpp.
  std::vector<Schedule> (*all_schedules)(const ir::Kernel& kernel,
                                         const Specialization& specialization,
                                         const Target& target);
  /// The machine this process runs on, with every feature that code could be made for.
  const Target& (*host_target)();
};

/// Null in the runtime without the compiler. Decided when a library is linked: compiler.cpp defines
/// it for the whole, no_compiler.cpp for the runtime.
const Compiler* compiler() noexcept;

} // namespace swage::codegen
