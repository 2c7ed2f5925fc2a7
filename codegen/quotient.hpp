// quotient.hpp -- a correctly rounded f32 quotient from an approximate reciprocal.
#pragma once

namespace swage::codegen {

/// n / d rounded to nearest even, from any `reciprocal` within 1 ulp of 1 / d. `Arithmetic` has
/// fma(a, b, c), rounded to nearest, series_up(e), e * e + e rounded towards infinity, and
/// one(like).
///
/// For d in [1/2, 8] and 2^-100 <= |n| <= 2, or any n where d is a power of two: then nothing
/// overflows and the remainders are exact. A quotient of zero may have either sign.
///
/// Refining once and correcting the quotient by its remainder is Markstein's division (IBM Journal
/// of Research and Development 34, 1990). It needs a reciprocal that is rounded correctly, and
/// that one step does not give where d is the number below a power of two: 1 / d then lies just
/// above the middle between two numbers. The second term of the series, e + e^2 rounded up, takes
/// the refined reciprocal to the right side.
template <typename Arithmetic, typename Number>
Number quotient(const Arithmetic& with, Number n, Number d, Number reciprocal) {
  const Number error = with.fma(-d, reciprocal, with.one(d));
  const Number refined = with.fma(with.series_up(error), reciprocal, reciprocal);
  const Number q = n * refined;
  return with.fma(with.fma(-d, q, n), refined, q);
}

} // namespace swage::codegen
