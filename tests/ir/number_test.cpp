// number_test.cpp -- encode, decode and ulp of every storage type.
#include "ir/number.hpp"

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/float_environment.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

constexpr long double kInfinity = std::numeric_limits<long double>::infinity();
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();

std::uint64_t encoded(DType type, long double value) {
  return encode(type, {.real = value});
}
long double decoded(DType type, std::uint64_t bits) {
  return decode(type, bits).real;
}

struct Layout {
  int mantissa;
  int exponent;
};

Layout layout_of(DType type) {
  switch (type) {
  case DType::f64: return {52, 11};
  case DType::f32: return {23, 8};
  case DType::f16: return {10, 5};
  default: return {7, 8};
  }
}

/// The definition of the format, by ldexp.
long double value_by_definition(DType type, std::uint64_t bits) {
  const auto [mantissa, exponent] = layout_of(type);
  const bool negative = bits >> (mantissa + exponent) & 1;
  const int field = static_cast<int>(bits >> mantissa & ((1u << exponent) - 1));
  const auto fraction = static_cast<long double>(bits & ((std::uint64_t{1} << mantissa) - 1));
  const int bias = (1 << (exponent - 1)) - 1;
  long double value = 0;
  if (field == 2 * bias + 1)
    value = fraction == 0 ? kInfinity : kNan;
  else if (field == 0)
    value = std::ldexp(fraction, 1 - bias - mantissa);
  else
    value = std::ldexp(fraction + std::ldexp(1.0L, mantissa), field - bias - mantissa);
  return negative ? -value : value;
}

bool same(long double a, long double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

} // namespace

TEST_CASE("every 16-bit float decodes to its definition and encodes back") {
  for (DType type : {f16, bf16}) {
    std::size_t wrong = 0;
    const std::uint64_t quiet = type == f16 ? 0x7e00 : 0x7fc0;
    for (std::uint64_t bits = 0; bits < 0x10000; ++bits) {
      const long double value = value_by_definition(type, bits);
      wrong += !same(decoded(type, bits), value);
      wrong += encoded(type, value) != (std::isnan(value) ? quiet : bits);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("halfway between two 16-bit floats goes to the even one, just beside it to the nearer") {
  for (DType type : {f16, bf16}) {
    std::size_t wrong = 0;
    const std::uint64_t infinity = type == f16 ? 0x7c00 : 0x7f80;
    for (std::uint64_t bits = 0; bits < infinity; ++bits) {
      const long double low = value_by_definition(type, bits);
      const long double next = bits + 1 == infinity ? std::ldexp(1.0L, type == f16 ? 16 : 128)
                                                    : value_by_definition(type, bits + 1);
      const long double middle = (low + next) / 2; // exact in 64 bits of mantissa
      const std::uint64_t even = bits % 2 == 0 ? bits : bits + 1;
      const std::uint64_t sign = 0x8000;
      wrong += encoded(type, middle) != even;
      wrong += encoded(type, -middle) != (even | sign);
      wrong += encoded(type, std::nextafter(middle, 0.0L)) != bits;
      wrong += encoded(type, std::nextafter(middle, kInfinity)) != bits + 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("f32 and f64 encode as the hardware rounds long double") {
  const DefaultFloatEnvironment environment; // of the hardware, that is
  test::Random random(1);
  std::size_t wrong = 0;
  for (int i = 0; i < 500'000; ++i) {
    // 64 random bits of mantissa over the range of f32, or over that of f64 and beyond.
    const auto mantissa = static_cast<long double>(random.bits());
    const bool wide = random.one_in(2);
    const int exponent = static_cast<int>(random.below(wide ? 2250 : 300)) - (wide ? 1150 : 170);
    const long double value = std::ldexp(random.one_in(2) ? mantissa : -mantissa, exponent - 63);
    wrong += encoded(f32, value) != std::bit_cast<std::uint32_t>(static_cast<float>(value));
    wrong += encoded(f64, value) != std::bit_cast<std::uint64_t>(static_cast<double>(value));
  }
  CHECK(wrong == 0);
}

TEST_CASE("encoding rounds once, from all bits of a long double") {
  if (std::numeric_limits<long double>::digits < 64)
    return;
  // Just above a tie of the narrow type, by less than f64 can hold: rounding to f64 first would
  // land on the tie and go to even.
  CHECK(encoded(bf16, 1 + 0x1p-8L + 0x1p-63L) == 0x3f81);
  CHECK(encoded(f16, 1 + 0x1p-11L + 0x1p-63L) == 0x3c01);
  CHECK(encoded(f32, 1 + 0x1p-24L + 0x1p-63L) == 0x3f800001);
  CHECK(encoded(f64, 1 + 0x1p-53L + 0x1p-63L) == 0x3ff0000000000001);
  CHECK(encoded(bf16, 1 + 0x1p-8L) == 0x3f80);
}

TEST_CASE("subnormals, overflow, zeros and NaN encode as IEEE 754 says") {
  CHECK(encoded(f32, 0x1p-149L) == 1);
  CHECK(encoded(f32, 0x1p-150L) == 0);
  CHECK(encoded(f32, 0x1.000002p-150L) == 1);
  CHECK(encoded(f32, -0x1p-151L) == 0x80000000);
  CHECK(encoded(f32, 0x1.fffffep-127L) == 0x00800000); // rounds up into the normals
  CHECK(encoded(f16, 65519.99L) == 0x7bff);
  CHECK(encoded(f16, 65520) == 0x7c00);
  CHECK(encoded(bf16, 3.4e38L) == 0x7f80);
  CHECK(encoded(f64, 0x1p-1074L) == 1);
  CHECK(encoded(f64, 0x1p-16000L) == 0);
  for (DType type : {f64, f32, f16, bf16}) {
    const auto [mantissa, exponent] = layout_of(type);
    const std::uint64_t sign = std::uint64_t{1} << (mantissa + exponent);
    const std::uint64_t infinity = ((std::uint64_t{1} << exponent) - 1) << mantissa;
    const std::uint64_t quiet = infinity | std::uint64_t{1} << (mantissa - 1);
    CHECK(encoded(type, 0.0L) == 0);
    CHECK(encoded(type, -0.0L) == sign);
    CHECK(encoded(type, kInfinity) == infinity);
    CHECK(encoded(type, -kInfinity) == (sign | infinity));
    CHECK(encoded(type, 1e4000L) == infinity);
    CHECK(encoded(type, kNan) == quiet);
    CHECK(encoded(type, -kNan) == quiet);
    CHECK(std::isnan(decoded(type, infinity | 1)));
    CHECK(same(decoded(type, sign), -0.0L));
    CHECK(same(decoded(type, 1), std::ldexp(1.0L, 2 - (1 << (exponent - 1)) - mantissa)));
  }
}

TEST_CASE("the rounding mode of the thread changes no bit") {
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const std::uint64_t up = encoded(bf16, 1.0059L), tie = encoded(f32, 1 + 0x1p-24L);
    const std::uint64_t small = encoded(f16, 0x1.8p-24L);
    std::fesetround(FE_TONEAREST);
    CHECK(up == 0x3f81);
    CHECK(tie == 0x3f800000);
    CHECK(small == 2);
  }
}

TEST_CASE("integers wrap to their width and come back sign-extended") {
  const auto through = [](DType type, std::int64_t value) {
    return decode(type, encode(type, {.integer = value})).integer;
  };
  CHECK(through(i8, 200) == -56);
  CHECK(through(u8, -1) == 255);
  CHECK(through(i16, 0x12345) == 0x2345);
  CHECK(through(i32, std::int64_t{1} << 31) == std::numeric_limits<std::int32_t>::min());
  CHECK(through(i64, std::numeric_limits<std::int64_t>::min()) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(encode(i8, {.integer = -1}) == 0xff);
  CHECK(encode(boolean, {.integer = 256}) == 1);
  CHECK(decode(boolean, 2).integer == 1);
  CHECK(decode(boolean, 0).integer == 0);
}

TEST_CASE("round_to is encode then decode") {
  CHECK(round_to(bf16, 0.1L) == 0.10009765625L);
  CHECK(round_to(f32, 0.1L) == static_cast<long double>(0.1f));
  CHECK(std::isnan(round_to(f16, kNan)));
}

TEST_CASE("an ulp is the spacing of the binade, that of the subnormals at the bottom") {
  CHECK(ulp(bf16, 1) == 0x1p-7L);
  CHECK(ulp(bf16, -1.99L) == 0x1p-7L);
  CHECK(ulp(bf16, 2) == 0x1p-6L);
  CHECK(ulp(f32, 0) == 0x1p-149L);
  CHECK(ulp(f32, 1e-42L) == 0x1p-149L);
  CHECK(ulp(f16, 65504) == 32);
  CHECK(ulp(f16, 1e9L) == 32);
  CHECK(ulp(f64, 1) == 0x1p-52L);
  CHECK(ulp(f64, 1e-320L) == 0x1p-1074L);
  CHECK(std::isnan(ulp(f32, kInfinity)));
  CHECK(std::isnan(ulp(f32, kNan)));
}

TEST_CASE("the error in ulp is measured at the exact value") {
  CHECK(ulp_error(bf16, 1 + 0x1p-7L, 1) == 1);
  CHECK(ulp_error(bf16, 1, 1 + 0x1p-9L) == 0.25L);
  CHECK(ulp_error(f16, -0.0L, 0.0L) == 0);
  CHECK(ulp_error(f32, 0x1p-149L, 0) == 1);
  CHECK(ulp_error(f64, 1, std::nextafter(1.0, 2.0)) == 1);
}

TEST_CASE("errors at NaN and infinity say near or far") {
  CHECK(ulp_error(f32, kNan, kNan) == 0);
  CHECK(ulp_error(f32, kNan, 1) == kInfinity);
  CHECK(ulp_error(f32, 1, kNan) == kInfinity);
  CHECK(ulp_error(f32, kInfinity, kInfinity) == 0);
  CHECK(ulp_error(f32, -kInfinity, kInfinity) == kInfinity);
  CHECK(ulp_error(f16, kInfinity, 65520) == 0); // where rounding gives infinity
  CHECK(ulp_error(f16, kInfinity, 1e6L) == 0);
  CHECK(ulp_error(f16, 65504, 1e6L) == 1);
  CHECK(ulp_error(f16, kInfinity, 65504) == 1); // one step too far
  CHECK(ulp_error(f16, kInfinity, 30000) == kInfinity);
  CHECK(ulp_error(f16, 65504, kInfinity) == kInfinity);
  CHECK(ulp_error(f16, -kInfinity, 65520) == kInfinity);
}

TEST_CASE("elements are read and written at any address") {
  unsigned char bytes[16] = {};
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    store_bits(type, bytes + 3, 0x1122334455667788u);
    const std::uint64_t mask =
        size_of(type) == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size_of(type))) - 1;
    CHECK(load_bits(type, bytes + 3) == (0x1122334455667788u & mask));
  }
  CHECK(bytes[2] == 0);
  CHECK(bytes[11] == 0);
}

} // namespace swage::ir
