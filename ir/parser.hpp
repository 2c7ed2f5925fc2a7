// parser.hpp -- kernel text to a Program.
#pragma once

#include <string_view>

#include "ir/ast.hpp"
#include "ir/diagnostics.hpp"

namespace swage::ir {

/// Parses what can be parsed; every error goes to `diagnostics`, after it parsing goes on at the
/// next statement or declaration. Throws Stop when a limit on the whole text is passed or the list
/// is full. `text` must outlive the program.
Program parse(std::string_view text, Diagnostics& diagnostics);

} // namespace swage::ir
