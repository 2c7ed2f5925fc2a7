// binding_text.hpp -- bindings as people write them: "T=bf16", "limit=5.0".
#pragma once

#include <string_view>

#include "swage/swage.hpp"

namespace swage::api {

/// "NAME=VALUE" to a binding: VALUE is a type's name, a whole number, a number, true (1) or false
/// (0). Of the C ABI and of the command alike. Throws Error(invalid_argument).
Binding parse_binding(std::string_view text);

} // namespace swage::api
