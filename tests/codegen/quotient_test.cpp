// quotient_test.cpp -- division by an approximate reciprocal is IEEE division wherever it is used.
#include "codegen/quotient.hpp"

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>

#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

struct FloatArithmetic {
  float fma(float a, float b, float c) const { return std::fma(a, b, c); }
  float series_up(float e) const {
    std::fesetround(FE_UPWARD);
    volatile float operand = e; // keeps the operation between the two calls
    volatile float result = std::fma(operand, operand, operand);
    std::fesetround(FE_TONEAREST);
    return result;
  }
  float one(float) const { return 1; }
};

float from_bits(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}
std::uint32_t bits_of(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

/// How many of the reciprocals that PTX allows, those within 1 ulp, lead to another number than
/// IEEE division. The sign of zero is not owed.
int failures(float n, float d) {
  int count = 0;
  for (const std::uint32_t offset : {~0u, 0u, 1u}) {
    const float reciprocal = from_bits(bits_of(1 / d) + offset);
    const float got = quotient(FloatArithmetic{}, n, d, reciprocal);
    count += n == 0 ? got != 0 : bits_of(got) != bits_of(n / d);
  }
  return count;
}

/// The same of 1 / d, whose approximations lie within 1 ulp of it, not of the nearest number.
int failures_of_reciprocal(float d) {
  int count = 0;
  for (const std::uint32_t offset : {~0u, 0u, 1u}) {
    const float approximate = from_bits(bits_of(1 / d) + offset);
    const double ulp = std::ldexp(1.0, std::ilogb(1.0 / d) - 23);
    if (std::fabs(approximate - 1.0 / d) <= ulp)
      count += reciprocal(FloatArithmetic{}, d, approximate) != 1 / d;
  }
  return count;
}

/// tanh divides m by m + 2, -1 <= m <= 0.
int failures_of_exponential(float e) {
  return failures(-e, 2 - e);
}

int failures_in_all(std::uint32_t stride) {
  int count = 0;
  for (std::uint64_t bits = 0; bits <= bits_of(1); bits += stride)
    count += failures_of_exponential(from_bits(static_cast<std::uint32_t>(bits)));
  // All significands: what the exponent is does not matter.
  for (std::uint64_t bits = bits_of(1); bits < bits_of(2); bits += stride)
    count += failures_of_reciprocal(from_bits(static_cast<std::uint32_t>(bits)));
  return count;
}

} // namespace

TEST_CASE("a quotient from any reciprocal within 1 ulp is that of IEEE division") {
  CHECK(failures_in_all(10007) == 0);
  for (std::uint32_t below = 0; below < 2048; ++below) {
    // Divisors just below a power of two are the hard ones.
    CHECK(failures_of_exponential(from_bits(bits_of(1) - below)) == 0);
    CHECK(failures_of_exponential(from_bits(bits_of(0x1p-12f) - below)) == 0);
    CHECK(failures_of_reciprocal(from_bits(bits_of(2) - below)) == 0);
  }
  // As the remainder of the first estimate decides in these, one estimate more would not help.
  CHECK(failures(1, 0x1.fffffep+0f) == 0);
  CHECK(failures(-0x1.aaaaa6p-22f, 0x1.fffffap+0f) == 0);
}

TEST_CASE("reciprocals of all significands are those of IEEE division, in every binade alike") {
  int count = 0;
  for (std::uint32_t bits = bits_of(1); bits < bits_of(2); ++bits)
    count += failures_of_reciprocal(from_bits(bits));
  CHECK(count == 0);
  for (const float scale : {0x1p-64f, 0x1p-20f, 0x1p40f, 0x1p87f})
    for (std::uint32_t bits = bits_of(scale); bits < bits_of(2 * scale); bits += 1009)
      count += failures_of_reciprocal(from_bits(bits));
  CHECK(count == 0);
}

TEST_CASE("a quotient is that of IEEE division for every input of tanh", "[.exhaustive]") {
  CHECK(failures_in_all(1) == 0);
}

} // namespace swage::codegen::test
