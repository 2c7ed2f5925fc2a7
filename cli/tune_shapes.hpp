// tune_shapes.hpp -- the shapes and the budget of `swage tune`, as they are written.
#pragma once

#include <string_view>
#include <vector>

#include "cli/shape.hpp"

namespace swage::cli {

/// "1,16,128x14336" is 1x14336, 16x14336 and 128x14336: the last entry's dimensions after its first
/// stand behind every entry that has but one. "8x512,4096x14336" is just those two. At most 64, in
/// the order given, each once. Throws Error(invalid_argument).
std::vector<Shape> parse_shapes(std::string_view text);

/// "500ms", "1.5s", "800us" in seconds. Throws Error(invalid_argument).
double parse_duration(std::string_view text, std::string_view option);

} // namespace swage::cli
