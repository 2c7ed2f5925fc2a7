// quotient.hpp -- correctly rounded f32 reciprocals and quotients from an approximate reciprocal.
#pragma once

namespace swage::codegen {

/// 1 / d rounded to nearest even, from any `approximate` within 1 ulp of 1 / d, where d and 1 / d
/// are normal. `Arithmetic` has fma(a, b, c), rounded to nearest, series_up(e), e * e + e rounded
/// towards infinity, and one(like).
///
/// One step of Newton's is wrong for a few d, whose 1 / d lies close to the middle between two
/// numbers; the second term of the series, e + e^2 rounded up, takes it to the right side.
template <typename Arithmetic, typename Number>
Number reciprocal(const Arithmetic& with, Number d, Number approximate) {
  const Number error = with.fma(-d, approximate, with.one(d));
  return with.fma(with.series_up(error), approximate, approximate);
}

/// n / d rounded to nearest even, likewise.
///
/// For d in [1/2, 8] and 2^-100 <= |n| <= 2, or any n where d is a power of two: then nothing
/// overflows and the remainders are exact. A quotient of zero may have either sign.
///
/// Correcting the quotient by its remainder is Markstein's division (IBM Journal of Research and
/// Development 34, 1990), which needs a reciprocal that is rounded correctly.
template <typename Arithmetic, typename Number>
Number quotient(const Arithmetic& with, Number n, Number d, Number approximate) {
  const Number refined = reciprocal(with, d, approximate);
  const Number q = n * refined;
  return with.fma(with.fma(-d, q, n), refined, q);
}

} // namespace swage::codegen
