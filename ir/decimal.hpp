// decimal.hpp -- numbers as they are written, compared with the double that is nearest.
#pragma once

#include <string_view>

namespace swage::ir {

/// The number that `text` writes in decimal ("1.5e-3"), rounded to odd: a double that rounds to
/// f32, f16 and bf16 as the number itself does (Boldo and Melquiond, Emulation of FMA and correctly
/// rounded sums: proved algorithms using rounding to odd, 2008). `nearest` is the double nearest to
/// it.
double round_to_odd(std::string_view text, double nearest);

/// The same of a number in hexadecimal, without its 0x ("1.8p3").
double round_hex_to_odd(std::string_view text, double nearest);

} // namespace swage::ir
