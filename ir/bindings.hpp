// bindings.hpp -- the values that a caller gives to generics and constants, checked.
#pragma once

#include <optional>
#include <vector>

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"
#include "ir/source.hpp"

namespace swage::ir {

/// What is bound, by index of the declaration; nothing where an error was reported.
struct BoundNames {
  std::vector<std::optional<DType>> generics;
  std::vector<std::optional<Literal>> params; ///< const parameters that have a binding
};

/// Matches `bindings` with the generics and constants of `kernel`. Reports bindings that name
/// nothing, come twice or have the wrong kind, and what is left without a value.
BoundNames match_bindings(const KernelDecl& kernel, const std::vector<Binding>& bindings,
                          Diagnostics& diagnostics);

} // namespace swage::ir
