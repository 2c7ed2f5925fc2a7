// bind.hpp -- a resolved kernel of a Program and its bindings to a Kernel.
#pragma once

#include <optional>
#include <vector>

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"
#include "ir/source.hpp"

namespace swage::ir {

/// Calls of functions that one kernel may inline, and operations that may be visited on the way.
inline constexpr int kMaxInlinedCalls = 100'000;
inline constexpr std::size_t kMaxVisited = 4'000'000;

/// Binds types and constants, checks types, inlines functions, builds the graph. Errors go to
/// `diagnostics`; with any in it, also from before, there is no kernel. `constants` may be null.
/// Throws Stop at a limit.
std::optional<Kernel> bind_kernel(const Program& program, const KernelDecl& kernel,
                                  const std::vector<Binding>& bindings,
                                  std::optional<MathMode> math, Diagnostics& diagnostics,
                                  std::vector<Constant>* constants);

} // namespace swage::ir
