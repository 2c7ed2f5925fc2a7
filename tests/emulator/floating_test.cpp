// floating_test.cpp -- IEEE instructions: exact bits, NaN, subnormals, rounding.
#include "emulator/numbers.hpp"
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

#include <cfenv>
#include <random>

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::uint64_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(value);
}
constexpr std::uint64_t kNaN = 0x7fc00001; // not the canonical one
constexpr std::uint64_t kCanonical = 0x7fffffff;
constexpr std::uint64_t kInfinity = 0x7f800000;
constexpr std::uint64_t kTiny = 1; // the least subnormal

} // namespace

TEST_CASE("sums and products of f32 take their first operands of 16 bits") {
  CHECK_CASES({
      {"add.rn.f32.f16 %r0, %rs1, %r2;",
       {{"%rs1", 0x3c01}, {"%r2", bits(1.0F)}},
       "%r0",
       bits(2 + 0x1p-10F)},
      {"add.rn.f32.bf16 %r0, %rs1, %r2;",
       {{"%rs1", 0x3f81}, {"%r2", bits(3.0F)}},
       "%r0",
       bits(4 + 0x1p-7F)},
      {"sub.rn.f32.f16 %r0, %rs1, %r2;",
       {{"%rs1", 0x3c01}, {"%r2", bits(3.0F)}},
       "%r0",
       bits(-2 + 0x1p-10F)},
      {"fma.rn.f32.bf16 %r0, %rs1, %rs2, %r2;",
       {{"%rs1", 0x3f81}, {"%rs2", 0x3f81}, {"%r2", bits(-1 - 0x1p-6F)}},
       "%r0",
       bits(0x1p-14F)},
      {"sub.rn.f32.bf16 %r0, %rs1, %r2;",
       {{"%rs1", 0x3f81}, {"%r2", bits(3.0F)}},
       "%r0",
       bits(-2 + 0x1p-7F)},
      {"fma.rn.f32.f16 %r0, %rs1, %rs2, %r2;",
       {{"%rs1", 0x3c01}, {"%rs2", 0x3c01}, {"%r2", bits(-1 - 0x1p-9F)}},
       "%r0",
       bits(0x1p-20F)},
  });
}

TEST_CASE("f32 arithmetic rounds once, to nearest even, and keeps subnormals") {
  CHECK_CASES({
      {"add.rn.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(0x1p-24F)}},
       "%r0",
       bits(1.0F)},
      {"add.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(0x1.8p-24F)}},
       "%r0",
       0x3f800001},
      {"sub.rn.f32 %r0, %r1, %r2;", {{"%r1", bits(1.0F)}, {"%r2", bits(3.0F)}}, "%r0", bits(-2.0F)},
      {"mul.rn.f32 %r0, %r1, 0f3F000000;", {{"%r1", 0x00800000}}, "%r0", 0x00400000},
      {"fma.rn.f32 %r0, %r1, %r1, %r2;",
       {{"%r1", bits(1 + 0x1p-12F)}, {"%r2", bits(-1 - 0x1p-11F)}},
       "%r0",
       bits(0x1p-24F)},
      {"mad.rn.f32 %r0, %r1, %r1, %r2;",
       {{"%r1", bits(1 + 0x1p-12F)}, {"%r2", bits(-1 - 0x1p-11F)}},
       "%r0",
       bits(0x1p-24F)},
      {"div.rn.f32 %r0, %r1, %r2;", {{"%r1", bits(1.0F)}, {"%r2", bits(3.0F)}}, "%r0", 0x3eaaaaab},
      {"rcp.rn.f32 %r0, %r1;", {{"%r1", bits(3.0F)}}, "%r0", 0x3eaaaaab},
      {"sqrt.rn.f32 %r0, %r1;", {{"%r1", bits(2.0F)}}, "%r0", 0x3fb504f3},
      {"neg.f32 %r0, %r1;", {{"%r1", 0}}, "%r0", 0x80000000},
      {"abs.f32 %r0, %r1;", {{"%r1", bits(-2.0F)}}, "%r0", bits(2.0F)},
      {"copysign.f32 %r0, %r1, %r2;",
       {{"%r1", bits(-1.0F)}, {"%r2", bits(5.0F)}},
       "%r0",
       bits(-5.0F)},
      {"add.sat.f32 %r0, %r1, %r2;", {{"%r1", bits(1.0F)}, {"%r2", bits(3.0F)}}, "%r0", bits(1.0F)},
      {"add.sat.f32 %r0, %r1, %r2;", {{"%r1", kNaN}, {"%r2", bits(3.0F)}}, "%r0", 0},
  });
}

TEST_CASE("f32 rounding modifiers reach the host's arithmetic") {
  const std::vector<Input> third = {{"%r1", bits(1.0F)}, {"%r2", bits(3.0F)}};
  const std::vector<Input> tiny = {{"%r1", bits(1.0F)}, {"%r2", bits(-0x1p-30F)}};
  CHECK_CASES({
      {"div.rz.f32 %r0, %r1, %r2;", third, "%r0", 0x3eaaaaaa},
      {"div.rp.f32 %r0, %r1, %r2;", third, "%r0", 0x3eaaaaab},
      {"add.rz.f32 %r0, %r1, %r2;", tiny, "%r0", 0x3f7fffff},
      {"add.rm.f32 %r0, %r1, %r2;", tiny, "%r0", 0x3f7fffff},
      {"add.rp.f32 %r0, %r1, %r2;", tiny, "%r0", 0x3f800000},
      {"mul.rz.f64 %rd0, %rd1, %rd1;", {{"%rd1", bits(1 + 0x1p-52)}}, "%rd0", bits(1 + 0x1p-51)},
      {"mul.rp.f64 %rd0, %rd1, %rd1;",
       {{"%rd1", bits(1 + 0x1p-52)}},
       "%rd0",
       bits(1 + 0x1p-51) + 1},
  });
}

TEST_CASE("f32 results that are NaN are the canonical NaN") {
  CHECK_CASES({
      {"add.rn.f32 %r0, %r1, %r2;", {{"%r1", kNaN}, {"%r2", 0}}, "%r0", kCanonical},
      {"sub.rn.f32 %r0, %r1, %r1;", {{"%r1", kInfinity}}, "%r0", kCanonical},
      {"mul.rn.f32 %r0, %r1, %r2;", {{"%r1", kInfinity}, {"%r2", 0}}, "%r0", kCanonical},
      {"sqrt.rn.f32 %r0, %r1;", {{"%r1", bits(-1.0F)}}, "%r0", kCanonical},
      {"fma.rn.f32 %r0, %r1, %r1, %r1;", {{"%r1", 0xffc00000}}, "%r0", kCanonical},
  });
}

TEST_CASE("ftz flushes subnormal inputs and results, keeping the sign") {
  CHECK_CASES({
      {"add.ftz.f32 %r0, %r1, %r2;", {{"%r1", kTiny}, {"%r2", 0x80000000 | kTiny}}, "%r0", 0},
      {"mul.ftz.f32 %r0, %r1, %r2;",
       {{"%r1", 0x80000000 | kTiny}, {"%r2", bits(0x1p100F)}},
       "%r0",
       0x80000000},
      {"mul.ftz.f32 %r0, %r1, %r2;", {{"%r1", 0x00800000}, {"%r2", bits(0.5F)}}, "%r0", 0},
      {"mul.f32 %r0, %r1, %r2;", {{"%r1", kTiny}, {"%r2", bits(2.0F)}}, "%r0", 2},
      {"max.ftz.f32 %r0, %r1, %r2;", {{"%r1", kTiny}, {"%r2", bits(-1.0F)}}, "%r0", 0},
      {"abs.ftz.f32 %r0, %r1;", {{"%r1", 0x80000000 | kTiny}}, "%r0", 0},
  });
}

TEST_CASE("min and max drop NaN, or keep it with .NaN, and order the zeros") {
  CHECK_CASES({
      {"min.f32 %r0, %r1, %r2;", {{"%r1", kNaN}, {"%r2", bits(1.0F)}}, "%r0", bits(1.0F)},
      {"max.f32 %r0, %r1, %r2;", {{"%r1", bits(1.0F)}, {"%r2", kNaN}}, "%r0", bits(1.0F)},
      {"max.f32 %r0, %r1, %r1;", {{"%r1", kNaN}}, "%r0", kCanonical},
      {"min.NaN.f32 %r0, %r1, %r2;", {{"%r1", kNaN}, {"%r2", bits(1.0F)}}, "%r0", kCanonical},
      {"max.NaN.f32 %r0, %r1, %r2;", {{"%r1", bits(1.0F)}, {"%r2", kNaN}}, "%r0", kCanonical},
      {"min.f32 %r0, %r1, %r2;", {{"%r1", 0}, {"%r2", 0x80000000}}, "%r0", 0x80000000},
      {"max.f32 %r0, %r1, %r2;", {{"%r1", 0x80000000}, {"%r2", 0}}, "%r0", 0},
      {"min.xorsign.abs.f32 %r0, %r1, %r2;",
       {{"%r1", bits(-3.0F)}, {"%r2", bits(2.0F)}},
       "%r0",
       bits(-2.0F)},
      {"min.f64 %rd0, %rd1, %rd2;",
       {{"%rd1", bits(2.0)}, {"%rd2", bits(-1.0)}},
       "%rd0",
       bits(-1.0)},
      {"max.NaN.bf16x2 %r0, %r1, %r2;",
       {{"%r1", 0x3f807fc1}, {"%r2", 0x40003f80}},
       "%r0",
       0x40007fff},
  });
}

TEST_CASE("f16 and bf16 arithmetic rounds once") {
  CHECK_CASES({
      {"add.rn.f16 %rs0, %rs1, %rs2;", {{"%rs1", 0x3c00}, {"%rs2", 0x1000}}, "%rs0", 0x3c00},
      {"add.rn.f16 %rs0, %rs1, %rs2;", {{"%rs1", 0x3c01}, {"%rs2", 0x1000}}, "%rs0", 0x3c02},
      {"mul.rn.f16 %rs0, %rs1, %rs2;", {{"%rs1", 0x7bff}, {"%rs2", 0x4000}}, "%rs0", 0x7c00},
      {"sub.rn.f16x2 %r0, %r1, %r2;", {{"%r1", 0x3c004000}, {"%r2", 0x3c003c00}}, "%r0", 0x3c00},
      // 2^15 + 2^-24: the product alone is representable, the sum rounds back.
      {"fma.rn.f16 %rs0, %rs1, %rs2, %rs3;",
       {{"%rs1", 0x5800}, {"%rs2", 0x5c00}, {"%rs3", 0x0001}},
       "%rs0",
       0x7800},
      // 1 + 2^-8 is a tie of bf16; the addend 2^-100 breaks it.
      {"fma.rn.bf16 %rs0, %rs1, %rs2, %rs3;",
       {{"%rs1", 0x3f80}, {"%rs2", 0x3f80}, {"%rs3", 0x3b80}},
       "%rs0",
       0x3f80},
      {"fma.rn.bf16 %rs0, %rs1, %rs2, %rs3;",
       {{"%rs1", 0x3f81}, {"%rs2", 0x3f81}, {"%rs3", 0x0001}},
       "%rs0",
       0x3f82},
      {"mul.rn.bf16x2 %r0, %r1, %r2;",
       {{"%r1", 0x40003f80}, {"%r2", 0x40003f80}},
       "%r0",
       0x40803f80},
      {"neg.bf16x2 %r0, %r1;", {{"%r1", 0x3f80bf80}}, "%r0", 0xbf803f80},
      {"abs.f16 %rs0, %rs1;", {{"%rs1", 0xbc00}}, "%rs0", 0x3c00},
      {"fma.rn.relu.bf16 %rs0, %rs1, %rs2, %rs3;",
       {{"%rs1", 0xbf80}, {"%rs2", 0x3f80}, {"%rs3", 0}},
       "%rs0",
       0},
      {"add.rn.f16 %rs0, %rs1, %rs2;", {{"%rs1", 0x7e01}, {"%rs2", 0}}, "%rs0", 0x7fff},
      {"mul.rn.f32x2 %rd0, %rd1, %rd1;",
       {{"%rd1", bits(3.0F) << 32 | bits(2.0F)}},
       "%rd0",
       bits(9.0F) << 32 | bits(4.0F)},
  });
}

TEST_CASE("a fused bf16 sum rounds the exact value, ties included") {
  // Against 128-bit arithmetic: product and addend fit when their exponents are near.
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto operand = [&] { return (random() & 0x80ff) | (120 + random() % 16) << 7; };
    const std::uint64_t a = operand() & 0xffff;
    const std::uint64_t b = operand() & 0xffff;
    const std::uint64_t c = operand() & 0xffff;
    const auto value = [](std::uint64_t x) {
      return static_cast<long double>(std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16));
    };
    const long double exact = value(a) * value(b) + value(c);
    const auto rounded = static_cast<double>(exact); // 16 bits of product, 15 exponents: exact
    REQUIRE(static_cast<long double>(rounded) == exact);
    INFO(a << ' ' << b << ' ' << c);
    if (i % 20 == 0)
      CHECK(evaluate("fma.rn.bf16 %rs0, %rs1, %rs2, %rs3;", {{"%rs1", a}, {"%rs2", b}, {"%rs3", c}},
                     "%rs0") == narrow(rounded, 7, 8, Rounding::nearest_even));
    CHECK(BF16::put(BF16::fma(BF16::get(a), BF16::get(b), BF16::get(c))) ==
          narrow(rounded, 7, 8, Rounding::nearest_even));
  }
}

TEST_CASE("the caller's floating-point environment neither reaches a kernel nor changes") {
  std::fesetround(FE_UPWARD);
  const std::uint64_t third =
      evaluate("div.rn.f32 %r0, %r1, %r2;", {{"%r1", bits(-1.0F)}, {"%r2", bits(3.0F)}}, "%r0");
  const int after = std::fegetround();
  std::fesetround(FE_TONEAREST);
  CHECK(third == 0xbeaaaaab);
  CHECK(after == FE_UPWARD);
}

TEST_CASE("testp tells the classes of numbers apart") {
  CHECK_CASES({
      {"testp.notanumber.f32 %p0, %r1;", {{"%r1", kNaN}}, "%p0", 1},
      {"testp.finite.f32 %p0, %r1;", {{"%r1", kInfinity}}, "%p0", 0},
      {"testp.infinite.f64 %p0, %rd1;", {{"%rd1", 0xfff0000000000000}}, "%p0", 1},
      {"testp.subnormal.f32 %p0, %r1;", {{"%r1", kTiny}}, "%p0", 1},
      {"testp.normal.f32 %p0, %r1;", {{"%r1", 0}}, "%p0", 1},
      {"testp.number.f32 %p0, %r1;", {{"%r1", kInfinity}}, "%p0", 1},
  });
}
