// convert_test.cpp -- cvt: rounding, clamping, NaN, sign extension.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::uint64_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(value);
}
constexpr std::uint64_t kNaN = 0xffc00001;

} // namespace

TEST_CASE("conversions to bf16 round to nearest even and give the canonical NaN") {
  CHECK_CASES({
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", 0x3f808000}}, "%rs0", 0x3f80},
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", 0x3f818000}}, "%rs0", 0x3f82},
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", 0x3f808001}}, "%rs0", 0x3f81},
      {"cvt.rz.bf16.f32 %rs0, %r1;", {{"%r1", 0x3f80ffff}}, "%rs0", 0x3f80},
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", 0x7f7fffff}}, "%rs0", 0x7f80},
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", 0x00008001}}, "%rs0", 0x0001},
      {"cvt.rn.bf16.f32 %rs0, %r1;", {{"%r1", kNaN}}, "%rs0", 0x7fff},
      {"cvt.rn.relu.bf16.f32 %rs0, %r1;", {{"%r1", bits(-1.0F)}}, "%rs0", 0},
      {"cvt.rn.bf16x2.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(2.0F)}},
       "%r0",
       0x3f804000},
      {"cvt.f32.bf16 %r0, %rs1;", {{"%rs1", 0xc040}}, "%r0", 0xc0400000},
      {"cvt.f32.bf16 %r0, %rs1;", {{"%rs1", 0x0001}}, "%r0", 0x00010000},
  });
}

TEST_CASE("conversions to f16 round through its subnormals and overflow to infinity") {
  CHECK_CASES({
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(1.0F)}}, "%rs0", 0x3c00},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(65519.0F)}}, "%rs0", 0x7bff},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(65520.0F)}}, "%rs0", 0x7c00},
      {"cvt.rz.f16.f32 %rs0, %r1;", {{"%r1", bits(1e9F)}}, "%rs0", 0x7bff},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(0x1p-24F)}}, "%rs0", 0x0001},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(0x1p-25F)}}, "%rs0", 0x0000},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", bits(-0x1.8p-25F)}}, "%rs0", 0x8001},
      {"cvt.rn.f16.f32 %rs0, %r1;", {{"%r1", kNaN}}, "%rs0", 0x7fff},
      {"cvt.rn.f16x2.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(2.0F)}},
       "%r0",
       0x3c004000},
      {"cvt.f32.f16 %r0, %rs1;", {{"%rs1", 0x0001}}, "%r0", bits(0x1p-24F)},
      {"cvt.f32.f16 %r0, %rs1;", {{"%rs1", 0xfc00}}, "%r0", 0xff800000},
      {"cvt.rn.f16.f64 %rs0, %rd1;", {{"%rd1", bits(1 + 0x1p-11 + 0x1p-40)}}, "%rs0", 0x3c01},
      {"cvt.rn.f16.s32 %rs0, %r1;", {{"%r1", 2049}}, "%rs0", 0x6800},
  });
}

TEST_CASE("conversions between f32 and f64") {
  CHECK_CASES({
      {"cvt.f64.f32 %rd0, %r1;", {{"%r1", 1}}, "%rd0", bits(0x1p-149)},
      {"cvt.rn.f32.f64 %r0, %rd1;", {{"%rd1", bits(1 + 0x1p-24)}}, "%r0", bits(1.0F)},
      {"cvt.rp.f32.f64 %r0, %rd1;", {{"%rd1", bits(1 + 0x1p-24)}}, "%r0", 0x3f800001},
      {"cvt.rm.f32.f64 %r0, %rd1;", {{"%rd1", bits(-1e300)}}, "%r0", 0xff800000},
      {"cvt.rz.f32.f64 %r0, %rd1;", {{"%rd1", bits(-1e300)}}, "%r0", 0xff7fffff},
      {"cvt.rn.f32.f64 %r0, %rd1;", {{"%rd1", bits(0x1.8p-149)}}, "%r0", 2},
      {"cvt.rn.ftz.f32.f64 %r0, %rd1;", {{"%rd1", bits(-0x1p-140)}}, "%r0", 0x80000000},
      {"cvt.sat.f32.f32 %r0, %r1;", {{"%r1", bits(1.5F)}}, "%r0", bits(1.0F)},
      {"cvt.sat.f32.f32 %r0, %r1;", {{"%r1", kNaN}}, "%r0", 0},
  });
}

TEST_CASE("rounding to integral values keeps the sign of zero") {
  CHECK_CASES({
      {"cvt.rni.f32.f32 %r0, %r1;", {{"%r1", bits(2.5F)}}, "%r0", bits(2.0F)},
      {"cvt.rmi.f32.f32 %r0, %r1;", {{"%r1", bits(-0.5F)}}, "%r0", bits(-1.0F)},
      {"cvt.rpi.f32.f32 %r0, %r1;", {{"%r1", bits(-0.5F)}}, "%r0", 0x80000000},
      {"cvt.rzi.f64.f64 %rd0, %rd1;", {{"%rd1", bits(-1.75)}}, "%rd0", bits(-1.0)},
  });
}

TEST_CASE("float to integer clamps; NaN is 0, or the sign bit alone where 64 bits take part") {
  CHECK_CASES({
      {"cvt.rzi.s32.f32 %r0, %r1;", {{"%r1", bits(-1.9F)}}, "%r0", 0xffffffff},
      {"cvt.rni.s32.f32 %r0, %r1;", {{"%r1", bits(2.5F)}}, "%r0", 2},
      {"cvt.rzi.s32.f32 %r0, %r1;", {{"%r1", bits(3e9F)}}, "%r0", 0x7fffffff},
      {"cvt.rzi.u32.f32 %r0, %r1;", {{"%r1", bits(-3.0F)}}, "%r0", 0},
      {"cvt.rzi.u32.f32 %r0, %r1;", {{"%r1", bits(5e9F)}}, "%r0", 0xffffffff},
      {"cvt.rzi.s32.f32 %r0, %r1;", {{"%r1", kNaN}}, "%r0", 0},
      {"cvt.rzi.s64.f32 %rd0, %r1;", {{"%r1", kNaN}}, "%rd0", 0x8000000000000000},
      {"cvt.rzi.s32.f64 %r0, %rd1;", {{"%rd1", 0x7ff8000000000000}}, "%r0", 0x80000000},
      {"cvt.rzi.s64.f64 %rd0, %rd1;", {{"%rd1", bits(1e30)}}, "%rd0", 0x7fffffffffffffff},
      {"cvt.rzi.u64.f64 %rd0, %rd1;", {{"%rd1", bits(1e30)}}, "%rd0", 0xffffffffffffffff},
      {"cvt.rzi.s16.f32 %rs0, %r1;", {{"%r1", bits(-40000.0F)}}, "%rs0", 0x8000},
      {"cvt.rzi.s8.f32 %r0, %r1;", {{"%r1", bits(-5.0F)}}, "%r0", 0xfffffffb},
  });
}

TEST_CASE("integer to float rounds 64-bit values once") {
  CHECK_CASES({
      {"cvt.rn.f32.s32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", bits(-1.0F)},
      {"cvt.rn.f32.u32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", bits(0x1p32F)},
      {"cvt.rz.f32.u32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", 0x4f7fffff},
      {"cvt.rn.f32.u64 %r0, %rd1;", {{"%rd1", (1ULL << 63) + (1ULL << 39) + 1}}, "%r0", 0x5f000001},
      {"cvt.rn.f32.s64 %r0, %rd1;", {{"%rd1", 1ULL << 63}}, "%r0", bits(-0x1p63F)},
      {"cvt.rn.f64.s64 %rd0, %rd1;", {{"%rd1", ~0ULL}}, "%rd0", bits(-1.0)},
      {"cvt.rn.f64.u32 %rd0, %r1;", {{"%r1", 0xffffffff}}, "%rd0", bits(4294967295.0)},
      {"cvt.rn.bf16.s32 %rs0, %r1;", {{"%r1", 257}}, "%rs0", 0x4380},
  });
}

TEST_CASE("integer conversions extend as their source says and truncate or saturate") {
  CHECK_CASES({
      {"cvt.u32.u16 %r0, %rs1;", {{"%rs1", 0xffff}}, "%r0", 0xffff},
      {"cvt.s32.s16 %r0, %rs1;", {{"%rs1", 0xffff}}, "%r0", 0xffffffff},
      {"cvt.s64.s32 %rd0, %r1;", {{"%r1", 0x80000000}}, "%rd0", 0xffffffff80000000},
      {"cvt.u64.u32 %rd0, %r1;", {{"%r1", 0x80000000}}, "%rd0", 0x80000000},
      {"cvt.u32.u64 %r0, %rd1;", {{"%rd1", 0x123456789}}, "%r0", 0x23456789},
      {"cvt.s8.s32 %r0, %r1;", {{"%r1", 0x180}}, "%r0", 0xffffff80},
      {"cvt.u8.u32 %rs0, %r1;", {{"%r1", 0x180}}, "%rs0", 0x80},
      {"cvt.s16.s8 %rs0, %r1;", {{"%r1", 0x80}}, "%rs0", 0xff80},
      {"cvt.sat.s8.s32 %r0, %r1;", {{"%r1", 1000}}, "%r0", 127},
      {"cvt.sat.u8.s32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", 0},
      {"cvt.sat.s32.u32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", 0x7fffffff},
  });
}

TEST_CASE("a conversion that rounds without saying how is refused") {
  CHECK_THROWS_AS(evaluate("cvt.f32.s32 %r0, %r1;", {}, "%r0"), ParseError);
  CHECK_THROWS_AS(evaluate("cvt.bf16.f32 %rs0, %r1;", {}, "%rs0"), ParseError);
  CHECK_THROWS_AS(evaluate("cvt.s32.f32 %r0, %r1;", {}, "%r0"), ParseError);
  CHECK_THROWS_AS(evaluate("cvt.rn.f32.f16 %r0, %rs1;", {}, "%r0"), ParseError);
}

TEST_CASE("two integers are packed into bytes, saturated, below what is there") {
  CHECK_CASES({
      {"cvt.pack.sat.s8.s32.b32 %r0, %r1, %r2, %r3;",
       {{"%r1", 127}, {"%r2", 0xffffffff}, {"%r3", 0x1234abcd}},
       "%r0",
       0xabcd7fff},
      {"cvt.pack.sat.s8.s32.b32 %r0, %r1, %r2, 0;",
       {{"%r1", 128}, {"%r2", 0x80000000}},
       "%r0",
       0x7f80},
      {"cvt.pack.sat.u8.s32.b32 %r0, %r1, %r2, 0;",
       {{"%r1", 256}, {"%r2", 0xffffffff}},
       "%r0",
       0xff00},
  });
}
