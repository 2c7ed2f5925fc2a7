// compile.hpp -- compile(Kernel, Specialization, Schedule, Target) -> Artifact, a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// Compiled code for one target, ready to load.
struct Artifact {
  Target target;
  std::string entry;   ///< symbol to launch
  std::string payload; ///< PTX text (cuda) or a relocatable object file (host)
  /// The PTX holds griddepcontrol.wait before its first load, so the launch attribute is allowed.
  bool waits_for_dependencies = false;
  bool has_totals = false; ///< a second symbol, `totals_entry`, is to be launched after it
  /// But not where the call has one row: the first stores all by itself then, and touches no
  /// workspace.
  bool stores_single_row = false;
};

/// Host time of the stages of one compile, in seconds.
struct CompileTimes {
  double lower = 0, optimise = 0, emit = 0;
};

/// Compiles. Thread safe; equal arguments give equal bytes. Throws Error(unsupported) for what the
/// target or math mode cannot do, among it kernels that are too long for a GPU,
/// Error(invalid_argument) for an illegal schedule.
Artifact compile(const ir::Kernel& kernel, const Specialization& specialization,
                 const Schedule& schedule, const Target& target, CompileTimes* times = nullptr);

enum class Emit { llvm, llvm_optimised, assembly };
/// The intermediate forms as text: LLVM IR before and after optimisation, PTX or host assembly.
std::string emit_text(const ir::Kernel& kernel, const Specialization& specialization,
                      const Schedule& schedule, const Target& target, Emit form);

/// "Swage 0.1.0 3f9c01d2a47b, LLVM 22.1.8", with a digest of the sources of ir and codegen: part of
/// every cache key.
std::string_view toolchain_identity() noexcept;

/// How often this process has started LLVM's pipeline; 0 proves that a warm start touched none.
std::int64_t compile_count() noexcept;

} // namespace swage::codegen
