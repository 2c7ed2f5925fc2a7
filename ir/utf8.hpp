// utf8.hpp -- just enough UTF-8 to reject bad text and to count columns.
#pragma once

#include <cstddef>
#include <string_view>

namespace swage::ir {

/// Bytes of the code point at `at` (1 to 4), or 0 if the bytes there are not UTF-8: overlong forms,
/// surrogates and values above U+10FFFF are not.
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept;

} // namespace swage::ir
