// bind_gradient.hpp -- a derived gradient of a Program and its bindings to a Kernel.
#pragma once

#include <optional>
#include <vector>

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"
#include "ir/source.hpp"

namespace swage::ir {

/// Times that a gradient may be taken of a gradient.
inline constexpr int kMaxGradientOrder = 8;

/// The kernel at the end of the chain of forward kernels. Needs a resolved gradient with a target.
const KernelDecl& base_kernel(const Program& program, const GradDecl& gradient);

/// Binds the forward kernel and differentiates it. Errors go to `diagnostics`; `constants`, which
/// may be null, receives the forward kernel's.
std::optional<Kernel> bind_gradient(const Program& program, const GradDecl& gradient,
                                    const std::vector<Binding>& bindings,
                                    std::optional<MathMode> math, Diagnostics& diagnostics,
                                    std::vector<Constant>* constants);

} // namespace swage::ir
