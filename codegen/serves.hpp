// serves.hpp -- which calls code serves that was made for another.
#pragma once

#include "codegen/specialization.hpp"

namespace swage::codegen {

/// Whether code made for `made` computes a call that `call` describes: everything that `made`
/// relies on holds for it. The arguments are then those of `made`. Both are of one kernel.
bool serves(const Specialization& made, const Specialization& call);

/// How much `made` relies on: of two that serve a call, the one that relies on more is the faster.
int knowledge(const Specialization& made);

} // namespace swage::codegen
