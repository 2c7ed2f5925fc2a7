// typing.hpp -- the types that a kernel's unbound generics may take.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/kernel_text.hpp"

namespace swage::cli {

/// The generics of the chosen kernel that no binding names, in order.
std::vector<std::string> unbound_generics(const KernelText& text);

/// `text` with every unbound generic bound to `type`.
KernelText bound_to(KernelText text, DType type);

/// Binds each unbound generic to one of `types`, by the first choice for which the kernel checks
/// and `accepts` it. Leaves `text` alone and returns false if there is none.
bool infer_generics(KernelText& text, const std::vector<DType>& types,
                    const std::function<bool(const ir::Kernel&)>& accepts);

} // namespace swage::cli
