// excerpt.hpp -- one kernel out of a program text, with what it needs to be read alone.
#pragma once

#include <string>
#include <string_view>

#include "ir/source.hpp"

namespace swage::cli {

/// The declaration of `kernel` as written in `text`, a program that parses: its comment, and before
/// it the functions that it calls, directly or not.
std::string excerpt(std::string_view text, const ir::KernelDeclaration& kernel);

/// What stands after the `=` of a kernel declared by one ("grad swiglu(gate, up)"); empty for one
/// with a body.
std::string derivation(std::string_view text, const ir::KernelDeclaration& kernel);

} // namespace swage::cli
