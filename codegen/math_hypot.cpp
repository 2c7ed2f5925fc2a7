// math_hypot.cpp -- sqrt(x^2 + y^2) without overflow or underflow on the way.
#include <limits>

#include "codegen/math_functions.hpp"

namespace swage::codegen::math {

using emit::Mask;

namespace {

/// Where the larger operand is from `high` up or below `low`, both are scaled by a power of two, so
/// that the larger one's square is normal. What then becomes subnormal is too small to matter.
struct Form {
  double low, up;    ///< scale of the small ones
  double high, down; ///< of the large ones
};
constexpr Form kF32 = {0x1p-50, 0x1p100, 0x1p63, 0x1p-66};
constexpr Form kF64 = {0x1p-450, 0x1p600, 0x1p511, 0x1p-600};

} // namespace

// x^2 is exact until its sum is rounded: half an ulp of the sum, at most 0.36 of its root's, y^2 at
// most 0.18, and the root 0.5.
Real hypot(Real x, Real y) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Form& form = x.is_double() ? kF64 : kF32;
  const Real a = abs(x), b = abs(y);
  const Mask swapped = a < b;
  const Real large = select(swapped, b, a), small = select(swapped, a, b);
  const Mask is_small = large < form.low, is_large = large >= form.high;
  const Real one = x.constant(1);
  const Real scale = select(is_small, form.up, select(is_large, form.down, one));
  const Real back = select(is_small, 1 / form.up, select(is_large, 1 / form.down, one));
  const Real l = large * scale, s = small * scale;
  const Real root = sqrt(fma(l, l, s * s)) * back;
  return select((a == kInfinity) | (b == kInfinity), kInfinity, root); // beside NaN too, as in C
}

} // namespace swage::codegen::math
