// math_power.cpp -- powers of two of e8m0, in integers: above and below a number, and reciprocals.
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

Real power_below(Real x) {
  const std::uint64_t fraction = x.is_double() ? 0xfffffffffffff : 0x7fffff;
  const Real power = (x.bits() & ~fraction).real(); // infinite of infinity and NaN
  const Real raised = select(x < 0x1p-126, x.constant(0x1p-127), power); // it is subnormal in f32
  const Real capped = x.is_double() ? select(x >= 0x1p127, x.constant(0x1p127), raised) : raised;
  const Mask inside = (x >= 0.0) & (power <= (x.is_double() ? 0x1p1023 : 0x1p127));
  return select(inside, capped, std::numeric_limits<double>::quiet_NaN());
}

Real reciprocal_of_power(Real x) {
  // The exponents are those from -127 to 127, so only the sign of one changes. 2^-127 is subnormal,
  // and has the bits of no exponent.
  const Bits exponent = x.bits() & ~std::uint64_t{0x7fffff};
  const Real reciprocal = (exponent.constant(0x7f000000) - exponent).real();
  return select(is_nan(x), x, select(x >= 0x1p127, x.constant(0x1p-127), reciprocal));
}

} // namespace swage::codegen::math
