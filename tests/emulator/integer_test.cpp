// integer_test.cpp -- integer instructions against bits worked out by hand.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

TEST_CASE("integer addition and subtraction wrap at their width, or saturate") {
  CHECK_CASES({
      {"add.s32 %r0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 2}}, "%r0", 1},
      {"add.s16 %rs0, %rs1, %rs2;", {{"%rs1", 0x7fff}, {"%rs2", 1}}, "%rs0", 0x8000},
      {"add.u64 %rd0, %rd1, 1;", {{"%rd1", 0xffffffff}}, "%rd0", 0x100000000},
      {"add.s64 %rd0, %rd1, -1;", {{"%rd1", 0}}, "%rd0", 0xffffffffffffffff},
      {"sub.s32 %r0, %r1, %r2;", {{"%r1", 1}, {"%r2", 2}}, "%r0", 0xffffffff},
      {"add.sat.s32 %r0, %r1, %r2;", {{"%r1", 0x7fffffff}, {"%r2", 1}}, "%r0", 0x7fffffff},
      {"sub.sat.s32 %r0, %r1, %r2;", {{"%r1", 0x80000000}, {"%r2", 1}}, "%r0", 0x80000000},
      {"add.u16x2 %r0, %r1, %r2;", {{"%r1", 0x0001ffff}, {"%r2", 0x00010001}}, "%r0", 0x00020000},
  });
}

TEST_CASE("integer products give their low half, high half or whole") {
  CHECK_CASES({
      {"mul.lo.s32 %r0, %r1, %r2;", {{"%r1", 0x10001}, {"%r2", 0x10001}}, "%r0", 0x00020001},
      {"mul.hi.s32 %r0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 2}}, "%r0", 0xffffffff},
      {"mul.hi.u32 %r0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 2}}, "%r0", 1},
      {"mul.hi.u64 %rd0, %rd1, %rd2;", {{"%rd1", 0xffffffffffffffff}, {"%rd2", 0x10}}, "%rd0", 0xf},
      {"mul.hi.s64 %rd0, %rd1, %rd2;",
       {{"%rd1", 0xffffffffffffffff}, {"%rd2", 0x10}},
       "%rd0",
       0xffffffffffffffff},
      {"mul.wide.s32 %rd0, %r1, %r2;",
       {{"%r1", 0xffffffff}, {"%r2", 3}},
       "%rd0",
       0xfffffffffffffffd},
      {"mul.wide.u32 %rd0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 3}}, "%rd0", 0x2fffffffd},
      {"mul.wide.s16 %r0, %rs1, %rs2;", {{"%rs1", 0xffff}, {"%rs2", 3}}, "%r0", 0xfffffffd},
      {"mad.lo.s32 %r0, %r1, %r2, %r3;", {{"%r1", 3}, {"%r2", 4}, {"%r3", 5}}, "%r0", 17},
      {"mad.hi.u32 %r0, %r1, %r2, %r3;", {{"%r1", 0x80000000}, {"%r2", 4}, {"%r3", 5}}, "%r0", 7},
      {"mad.wide.s32 %rd0, %r1, %r2, %rd3;",
       {{"%r1", 0xffffffff}, {"%r2", 2}, {"%rd3", 1}},
       "%rd0",
       0xffffffffffffffff},
  });
}

TEST_CASE("integer division truncates; by zero it gives all ones, as devices do") {
  CHECK_CASES({
      {"div.s32 %r0, %r1, %r2;", {{"%r1", 0xfffffff9}, {"%r2", 2}}, "%r0", 0xfffffffd},
      {"div.u32 %r0, %r1, %r2;", {{"%r1", 0xfffffff9}, {"%r2", 2}}, "%r0", 0x7ffffffc},
      {"rem.s32 %r0, %r1, %r2;", {{"%r1", 0xfffffff9}, {"%r2", 2}}, "%r0", 0xffffffff},
      {"rem.u64 %rd0, %rd1, %rd2;", {{"%rd1", 100}, {"%rd2", 7}}, "%rd0", 2},
      {"div.s32 %r0, %r1, %r2;", {{"%r1", 0x80000000}, {"%r2", 0xffffffff}}, "%r0", 0x80000000},
      {"rem.s32 %r0, %r1, %r2;", {{"%r1", 0x80000000}, {"%r2", 0xffffffff}}, "%r0", 0},
      {"div.u32 %r0, %r1, %r2;", {{"%r1", 5}, {"%r2", 0}}, "%r0", 0xffffffff},
      {"div.s64 %rd0, %rd1, %rd2;", {{"%rd1", 5}, {"%rd2", 0}}, "%rd0", 0xffffffffffffffff},
  });
}

TEST_CASE("integer extremes, signs and logic") {
  CHECK_CASES({
      {"min.s32 %r0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 1}}, "%r0", 0xffffffff},
      {"min.u32 %r0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 1}}, "%r0", 1},
      {"max.s16 %rs0, %rs1, %rs2;", {{"%rs1", 0x8000}, {"%rs2", 1}}, "%rs0", 1},
      {"max.s16x2 %r0, %r1, %r2;", {{"%r1", 0x80000001}, {"%r2", 0x0001ffff}}, "%r0", 0x00010001},
      {"max.relu.s32 %r0, %r1, %r2;", {{"%r1", 0xfffffff0}, {"%r2", 0xffffffff}}, "%r0", 0},
      {"abs.s32 %r0, %r1;", {{"%r1", 0xfffffffe}}, "%r0", 2},
      {"abs.s32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", 0x80000000},
      {"neg.s64 %rd0, %rd1;", {{"%rd1", 1}}, "%rd0", 0xffffffffffffffff},
      {"and.b32 %r0, %r1, 240;", {{"%r1", 0xff}}, "%r0", 0xf0},
      {"or.b64 %rd0, %rd1, %rd2;", {{"%rd1", 1}, {"%rd2", 2}}, "%rd0", 3},
      {"xor.b16 %rs0, %rs1, -1;", {{"%rs1", 0x00ff}}, "%rs0", 0xff00},
      {"not.b32 %r0, %r1;", {{"%r1", 0xf0f0f0f0}}, "%r0", 0x0f0f0f0f},
      {"not.b16 %rs0, %rs1;", {{"%rs1", 0xf0f0}}, "%rs0", 0x0f0f},
      {"cnot.b32 %r0, %r1;", {{"%r1", 0}}, "%r0", 1},
      {"not.pred %p0, %p1;", {{"%p1", 1}}, "%p0", 0},
      {"xor.pred %p0, %p1, %p2;", {{"%p1", 1}, {"%p2", 0}}, "%p0", 1},
      {"lop3.b32 %r0, %r1, %r2, %r3, 0x96;",
       {{"%r1", 0xf0}, {"%r2", 0xcc}, {"%r3", 0xaa}},
       "%r0",
       0x96},
  });
}

TEST_CASE("shifts by the width or more empty the register or fill it with the sign") {
  CHECK_CASES({
      {"shl.b32 %r0, %r1, %r2;", {{"%r1", 1}, {"%r2", 31}}, "%r0", 0x80000000},
      {"shl.b32 %r0, %r1, %r2;", {{"%r1", 1}, {"%r2", 32}}, "%r0", 0},
      {"shl.b64 %rd0, %rd1, 40;", {{"%rd1", 1}}, "%rd0", 1ULL << 40},
      {"shr.u32 %r0, %r1, 4;", {{"%r1", 0x80000000}}, "%r0", 0x08000000},
      {"shr.s32 %r0, %r1, 4;", {{"%r1", 0x80000000}}, "%r0", 0xf8000000},
      {"shr.s32 %r0, %r1, %r2;", {{"%r1", 0x80000000}, {"%r2", 200}}, "%r0", 0xffffffff},
      {"shr.s64 %rd0, %rd1, 63;", {{"%rd1", 1ULL << 63}}, "%rd0", ~0ULL},
      {"shr.b16 %rs0, %rs1, 8;", {{"%rs1", 0xff00}}, "%rs0", 0x00ff},
      {"shf.l.wrap.b32 %r0, %r1, %r2, %r3;",
       {{"%r1", 0x80000000}, {"%r2", 0x1}, {"%r3", 33}},
       "%r0",
       3},
      {"shf.r.wrap.b32 %r0, %r1, %r2, %r3;",
       {{"%r1", 0x80000000}, {"%r2", 0x1}, {"%r3", 31}},
       "%r0",
       3},
      {"shf.l.clamp.b32 %r0, %r1, %r2, %r3;",
       {{"%r1", 0x12345678}, {"%r2", 0x1}, {"%r3", 99}},
       "%r0",
       0x12345678},
      {"shf.r.clamp.b32 %r0, %r1, %r2, %r3;",
       {{"%r1", 0x12345678}, {"%r2", 0x9}, {"%r3", 32}},
       "%r0",
       9},
  });
}

TEST_CASE("bit fields, counts and byte permutation") {
  CHECK_CASES({
      {"bfe.u32 %r0, %r1, 16, 1;", {{"%r1", 0x00010000}}, "%r0", 1},
      {"bfe.s32 %r0, %r1, 4, 8;", {{"%r1", 0xf80}}, "%r0", 0xfffffff8},
      {"bfe.s32 %r0, %r1, 28, 8;", {{"%r1", 0x80000000}}, "%r0", 0xfffffff8},
      {"bfe.u32 %r0, %r1, 28, 8;", {{"%r1", 0x80000000}}, "%r0", 8},
      {"bfe.s32 %r0, %r1, 0, 0;", {{"%r1", 0xffffffff}}, "%r0", 0},
      {"bfe.u64 %rd0, %rd1, 32, 32;", {{"%rd1", 0x1234567800000000}}, "%rd0", 0x12345678},
      {"bfi.b32 %r0, %r1, %r2, 8, 4;", {{"%r1", 0xff}, {"%r2", 0}}, "%r0", 0xf00},
      {"bfi.b32 %r0, %r1, %r2, 32, 4;", {{"%r1", 0xff}, {"%r2", 7}}, "%r0", 7},
      {"bfind.u32 %r0, %r1;", {{"%r1", 0x00100000}}, "%r0", 20},
      {"bfind.s32 %r0, %r1;", {{"%r1", 0xffffffff}}, "%r0", 0xffffffff},
      {"bfind.shiftamt.u32 %r0, %r1;", {{"%r1", 0x00100000}}, "%r0", 11},
      {"clz.b32 %r0, %r1;", {{"%r1", 0}}, "%r0", 32},
      {"clz.b64 %r0, %rd1;", {{"%rd1", 1}}, "%r0", 63},
      {"popc.b64 %r0, %rd1;", {{"%rd1", 0xff00ff}}, "%r0", 16},
      {"brev.b32 %r0, %r1;", {{"%r1", 1}}, "%r0", 0x80000000},
      {"prmt.b32 %r0, %r1, %r2, 0x7632U;",
       {{"%r1", 0x33221100}, {"%r2", 0x77665544}},
       "%r0",
       0x77663322},
      {"prmt.b32 %r0, %r1, %r2, 0x9108;", {{"%r1", 0x00008070}, {"%r2", 0}}, "%r0", 0xff807000},
      {"szext.wrap.s32 %r0, %r1, 8;", {{"%r1", 0x180}}, "%r0", 0xffffff80},
      {"szext.clamp.u32 %r0, %r1, 8;", {{"%r1", 0x180}}, "%r0", 0x80},
  });
}

TEST_CASE("an atomic returns the old value and leaves the new one") {
  CHECK(evaluate("ld.param.u64 %rd1, [out];\nst.global.u32 [%rd1], 5;\n"
                 "atom.global.add.u32 %r0, [%rd1], 7;\nld.global.u32 %r1, [%rd1];\n"
                 "shl.b32 %r1, %r1, 8;\nor.b32 %r2, %r0, %r1;",
                 {}, "%r2") == 0x0c05);
  CHECK(evaluate("ld.param.u64 %rd1, [out];\nst.global.f32 [%rd1], 0f3F800000;\n"
                 "red.global.add.f32 [%rd1], 0f40000000;\nld.global.b32 %r2, [%rd1];",
                 {}, "%r2") == 0x40400000);
  CHECK(evaluate("ld.param.u64 %rd1, [out];\nst.global.u32 [%rd1], 5;\n"
                 "atom.global.cas.b32 %r0, [%rd1], 5, 9;\nld.global.u32 %r2, [%rd1];",
                 {}, "%r2") == 9);
}
