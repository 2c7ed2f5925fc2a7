// recursion.hpp -- functions are inlined, so none may call itself.
#pragma once

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"

namespace swage::ir {

/// Reports every cycle of calls, naming it, and poisons the call that closes it. Needs resolved
/// calls.
void reject_recursion(Program& program, Diagnostics& diagnostics);

} // namespace swage::ir
