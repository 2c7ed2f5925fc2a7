// math_power.cpp -- the power of two above a number, in integers.
#include <limits>

#include "codegen/math_functions.hpp"

namespace swage::codegen::math {

using emit::Bits;
using emit::Mask;

Real power_above(Real x) {
  // Bits of positive numbers are ordered as these are. What is below the next power carries into
  // it.
  const Bits bits = x.bits();
  const std::uint64_t fraction = x.is_double() ? 0xfffffffffffff : 0x7fffff;
  const Bits next = (bits + fraction) & ~fraction;
  const Real lowest = x.constant(0x1p-127);
  const Real raised = select(x <= 0x1p-127, lowest, next.real()); // it is subnormal in f32
  const Mask inside = (x >= 0.0) & (x <= 0x1p127);
  return select(inside, raised, std::numeric_limits<double>::quiet_NaN());
}

} // namespace swage::codegen::math
