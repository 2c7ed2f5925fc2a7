// convert_bytes.hpp -- cvt between f32 or f16 and pairs of 8-bit floats.
#pragma once

#include "emulator/decoder.hpp"

namespace swage::emulator {

/// `cvt.rn.satfinite.{e4m3x2,e5m2x2}.f32 d, high, low` and `cvt.rn.f16x2.{e4m3x2,e5m2x2} d, a`,
/// whose modifiers were read.
void decode_cvt_bytes(Decoder& d, Type to, Type from);

} // namespace swage::emulator
