// resolve.hpp -- what each name of a Program refers to, and the rules that need no types.
#pragma once

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"

namespace swage::ir {

/// Fills in Expr::ref and target, TypeName::generic and Statement::target, in every function and
/// kernel. Reports unknown, doubled and shadowing names, reads of outputs, wrong argument counts,
/// recursion, outputs that are not assigned exactly once. What was reported becomes poison.
void resolve(Program& program, Diagnostics& diagnostics);

} // namespace swage::ir
