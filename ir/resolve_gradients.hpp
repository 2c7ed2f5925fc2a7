// resolve_gradients.hpp -- which kernel each `grad` is taken of.
#pragma once

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"

namespace swage::ir {

/// Fills in GradDecl::target and of_gradient. Reports unknown kernels, and gradients that are taken
/// of themselves, directly or through others; those keep no target.
void resolve_gradients(Program& program, Diagnostics& diagnostics);

} // namespace swage::ir
