// rewordings.hpp -- how to write here what other languages spell otherwise.
#pragma once

#include <string_view>

namespace swage::ir {

/// "write abs(x)" for "fabs"; "" for a name that no other language gives a function.
std::string_view rewording_of_function(std::string_view name);
/// "write f32" for "float"; "" for a name that no other language gives a type.
std::string_view rewording_of_type(std::string_view name);

} // namespace swage::ir
