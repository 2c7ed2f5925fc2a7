// compare_test.cpp -- setp, set, selp and slct.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::uint64_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

struct FloatCase {
  const char* name;
  bool less, equal, greater, unordered;
};

} // namespace

TEST_CASE("every float comparison, ordered and unordered") {
  const FloatCase cases[] = {
      {"eq", false, true, false, false}, {"ne", true, false, true, false},
      {"lt", true, false, false, false}, {"le", true, true, false, false},
      {"gt", false, false, true, false}, {"ge", false, true, true, false},
      {"equ", false, true, false, true}, {"neu", true, false, true, true},
      {"ltu", true, false, false, true}, {"leu", true, true, false, true},
      {"gtu", false, false, true, true}, {"geu", false, true, true, true},
      {"num", true, true, true, false},  {"nan", false, false, false, true},
  };
  for (const FloatCase& each : cases) {
    const auto compare = [&](std::uint64_t a, std::uint64_t b) {
      return evaluate(std::string("setp.") + each.name + ".f32 %p0, %r1, %r2;",
                      {{"%r1", a}, {"%r2", b}}, "%p0") != 0;
    };
    INFO(each.name);
    CHECK(compare(bits(1.0F), bits(2.0F)) == each.less);
    CHECK(compare(bits(0.0F), bits(-0.0F)) == each.equal);
    CHECK(compare(bits(2.0F), bits(1.0F)) == each.greater);
    CHECK(compare(0x7fc00000, bits(1.0F)) == each.unordered);
    CHECK(compare(bits(1.0F), 0x7fc00000) == each.unordered);
  }
}

TEST_CASE("integer comparisons follow the type's sign") {
  CHECK_CASES({
      {"setp.lt.s32 %p0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 1}}, "%p0", 1},
      {"setp.lt.u32 %p0, %r1, %r2;", {{"%r1", 0xffffffff}, {"%r2", 1}}, "%p0", 0},
      {"setp.lo.u32 %p0, %r1, %r2;", {{"%r1", 1}, {"%r2", 2}}, "%p0", 1},
      {"setp.hs.u64 %p0, %rd1, %rd2;", {{"%rd1", 2}, {"%rd2", 2}}, "%p0", 1},
      {"setp.ne.b16 %p0, %rs1, 0;", {{"%rs1", 0}}, "%p0", 0},
      {"setp.gt.s64 %p0, %rd1, -1;", {{"%rd1", 0}}, "%p0", 1},
      {"setp.ge.s16 %p0, %rs1, %rs2;", {{"%rs1", 0x8000}, {"%rs2", 0}}, "%p0", 0},
  });
}

TEST_CASE("a comparison combines with a predicate and writes its complement") {
  const std::vector<Input> inputs = {{"%r1", 1}, {"%r2", 2}, {"%p3", 1}};
  CHECK_CASES({
      {"setp.lt.and.s32 %p0, %r1, %r2, %p3;", inputs, "%p0", 1},
      {"setp.lt.and.s32 %p0, %r1, %r2, !%p3;", inputs, "%p0", 0},
      {"setp.gt.or.s32 %p0, %r1, %r2, %p3;", inputs, "%p0", 1},
      {"setp.lt.xor.s32 %p0, %r1, %r2, %p3;", inputs, "%p0", 0},
      {"setp.lt.s32 %p0|%p1, %r1, %r2;", inputs, "%p1", 0},
      {"setp.lt.and.s32 %p0|%p1, %r2, %r1, %p3;", inputs, "%p1", 1},
      {"setp.lt.f16x2 %p0|%p1, %r1, %r2;", {{"%r1", 0x3c003c00}, {"%r2", 0x38004000}}, "%p0", 1},
      {"setp.lt.f16x2 %p0|%p1, %r1, %r2;", {{"%r1", 0x3c003c00}, {"%r2", 0x38004000}}, "%p1", 0},
      {"setp.lt.bf16 %p0, %rs1, %rs2;", {{"%rs1", 0xbf80}, {"%rs2", 0x3f80}}, "%p0", 1},
      {"setp.eq.ftz.f32 %p0, %r1, %r2;", {{"%r1", 1}, {"%r2", 0}}, "%p0", 1},
      {"setp.eq.f32 %p0, %r1, %r2;", {{"%r1", 1}, {"%r2", 0}}, "%p0", 0},
  });
}

TEST_CASE("selections and comparisons as values") {
  CHECK_CASES({
      {"selp.b32 %r0, %r1, %r2, %p3;", {{"%r1", 1}, {"%r2", 2}, {"%p3", 1}}, "%r0", 1},
      {"selp.f32 %r0, 0f3F800000, %r2, %p3;", {{"%r2", 2}, {"%p3", 0}}, "%r0", 2},
      {"selp.b16 %rs0, -1, 0, %p3;", {{"%p3", 1}}, "%rs0", 0xffff},
      {"selp.b64 %rd0, %rd1, %rd2, %p3;",
       {{"%rd1", 1}, {"%rd2", ~0ULL}, {"%p3", 0}},
       "%rd0",
       ~0ULL},
      {"slct.s32.s32 %r0, %r1, %r2, %r3;", {{"%r1", 1}, {"%r2", 2}, {"%r3", 0xffffffff}}, "%r0", 2},
      {"slct.b32.f32 %r0, %r1, %r2, %r3;", {{"%r1", 1}, {"%r2", 2}, {"%r3", 0x80000000}}, "%r0", 1},
      {"set.lt.u32.s32 %r0, %r1, %r2;", {{"%r1", 1}, {"%r2", 2}}, "%r0", 0xffffffff},
      {"set.lt.f32.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(2.0F)}},
       "%r0",
       bits(1.0F)},
  });
}
