// number.hpp -- storage formats: encode, decode, ulp. Exact, one rounding, no use of the hardware's
// rounding mode.
#pragma once

#include <cstdint>

#include "swage/dtype.hpp"

namespace swage::ir {

/// A value while it is being evaluated. Floats use `real`, integers and bool use `integer`.
struct Scalar {
  long double real = 0;
  std::int64_t integer = 0;
};

/// The bits of `value` stored as `type`: floats rounded once to nearest even (overflow gives
/// infinity, NaN the canonical quiet NaN, subnormals kept; f4e2m1 has neither, see Encoding),
/// integers wrapped, bool 0 or 1. An f4e2m1 has a byte here, and so in `load_bits` and
/// `store_bits`, and its code in the lower half.
std::uint64_t encode(DType type, const Scalar& value) noexcept;

/// The value of the low `size_of(type)` bytes of `bits`. Exact. Any nonzero bool byte is 1.
Scalar decode(DType type, std::uint64_t bits) noexcept;

/// `real` rounded once to `type` (a float type).
long double round_to(DType type, long double real) noexcept;

/// The spacing of `type`'s values around `exact` (that of the binade of |exact|; the subnormal
/// spacing below the smallest normal). NaN or infinity gives NaN.
long double ulp(DType type, long double exact) noexcept;

/// |got - exact| in ulp of `type`. 0 when both are NaN or `got` is the correctly rounded `exact`'s
/// infinity; infinity when only one is NaN or one is an infinity that the other is not near.
long double ulp_error(DType type, long double got, long double exact) noexcept;

/// Unsigned bits of one element at `data` (unaligned is fine), and the reverse.
std::uint64_t load_bits(DType type, const void* data) noexcept;
void store_bits(DType type, void* data, std::uint64_t bits) noexcept;

} // namespace swage::ir
