// serves_test.cpp -- specializations read back from their lines, and which calls code serves.
#include <fmt/format.h>

#include "codegen/serves.hpp"
#include "codegen/specialization_text.hpp"
#include "ir/source.hpp"
#include "tests/codegen/call.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;

namespace {

ir::Kernel swiglu() {
  return ir::load_kernel(
      {"kernel k(gate: in f32, up: in f32, h: out f32) { h = gate * sigmoid(gate) * up; }"}, "k",
      {});
}

Specialization of(const char* line) {
  const auto made = parse_specialization(line, swiglu());
  INFO(line);
  REQUIRE(made);
  return *made;
}

bool serves(const char* made, const char* call) {
  return serves(of(made), of(call));
}

} // namespace

TEST_CASE("a specialization is read back from its line, whatever the call") {
  swage::test::Random random(18);
  const ir::Kernel kernel = swiglu();
  for (int round = 0; round < 200; ++round) {
    const codegen::test::Call call(kernel, random, {});
    const std::string line = canonical(call.specialization(), call.kernel());
    INFO(line);
    CHECK(parse_specialization(line, call.kernel()) == call.specialization());
  }
  const ir::Kernel rows = ir::load_kernel(
      {"kernel k(x: in f32, w: in f32 [col], y: out f32) { y = x * w / row_sum(x); }"}, "k", {});
  for (const char* line :
       {"2d i32 columns<=4096 x=unit@16 w=col@16 y=unit@16",
        "2d i32 columns=4096 x=unit@16 w=col@16 y=unit@16",
        "2d i64 valid_rows=per_batch:i64 x=unit@4 aliased w=colstrided@4 y=unit@4"}) {
    const auto made = parse_specialization(line, rows);
    REQUIRE(made);
    CHECK(canonical(*made, rows) == line);
  }
}

TEST_CASE("a line that no specialization prints is none") {
  for (const char* line :
       {"", "flat", "flat i32", "flat i32 gate=unit@16 up=unit@16",
        "2d i32 gate=unit@16 up=unit@16 h=unit@16 ", "flat i32 gate=unit@3 up=unit@16 h=unit@16",
        "flat i32 gate=odd(up)@4 up=unit@4 h=unit@4", "flat i32 gate=strided@4 up=unit@4 h=unit@4",
        "flat i32 x=unit@16 up=unit@16 h=unit@16",
        "flat i32 gate=unit@99999999999999999999 up=unit@16 h=unit@16"}) {
    INFO(line);
    CHECK_FALSE(parse_specialization(line, swiglu()));
  }
}

TEST_CASE("code serves a call of which all holds that it relies on") {
  const char* aligned = "flat i32 gate=unit@16 up=unit@16 h=unit@16";
  const char* exact = "flat i32 exact gate=unit@16 up=unit@16 h=unit@16";
  const char* loose = "flat i32 gate=unit@4 up=unit@4 h=unit@4";
  const char* wide = "2d i64 gate=unit@4 aliased up=unit@4 aliased h=unit@4";
  const char* in_place = "flat i32 gate=unit@16 aliased up=unit@16 h=unit@16";
  const char* pair = "flat i32 gate=even(up)@8 up=odd(gate)@4 h=unit@16";
  const char* any = "2d i64 gate=strided@4 aliased up=strided@4 aliased h=strided@4";
  CHECK(serves(aligned, aligned));
  CHECK(serves(aligned, exact));
  CHECK_FALSE(serves(exact, aligned));
  CHECK(serves(loose, aligned));
  CHECK_FALSE(serves(aligned, loose));
  CHECK(serves(in_place, aligned));
  CHECK_FALSE(serves(aligned, in_place));
  CHECK(serves(wide, in_place));
  CHECK_FALSE(serves(loose, wide));
  CHECK_FALSE(serves(pair, aligned));
  for (const char* call : {aligned, exact, loose, wide, in_place, pair, any})
    CHECK(serves(any, call));
  CHECK(knowledge(of(exact)) > knowledge(of(aligned)));
  CHECK(knowledge(of(aligned)) > knowledge(of(in_place)));
  CHECK(knowledge(of(in_place)) > knowledge(of(loose)));
  CHECK(knowledge(of(wide)) > knowledge(of(any)));
}

TEST_CASE("code for a count of columns serves no other, code up to a bound serves the bound") {
  const ir::Kernel kernel =
      ir::load_kernel({"kernel k(x: in f32, y: out f32) { y = x / row_sum(x); }", "test"}, "k", {});
  const auto read = [&](const char* columns) {
    return *parse_specialization(fmt::format("2d i32 {}x=unit@16 y=unit@16", columns), kernel);
  };
  const Specialization any = read(""), up_to = read("columns<=4096 "),
                       known = read("columns=4096 ");
  CHECK(known.columns_known);
  CHECK_FALSE(up_to.columns_known);
  CHECK(serves(any, known));
  CHECK(serves(up_to, known));
  CHECK(serves(known, known));
  CHECK_FALSE(serves(known, up_to));
  CHECK_FALSE(serves(known, any));
  CHECK_FALSE(serves(read("columns=5120 "), known));
  CHECK(knowledge(known) > knowledge(up_to));
  CHECK(knowledge(up_to) > knowledge(any));
}

TEST_CASE("code for all rows does not serve a call with counts of rows, nor the other way round") {
  Specialization all = of("2d i32 gate=unit@16 up=unit@16 h=unit@16"), counted = all;
  counted.valid_rows = ValidRows::one;
  CHECK_FALSE(codegen::serves(all, counted));
  CHECK_FALSE(codegen::serves(counted, all));
  CHECK(codegen::serves(counted, counted));
}

TEST_CASE("code of two strides serves no view of more dimensions, nor the other way round") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, s: out f32 [group 4]) { s = group_max(x, 4); }"}, "k", {});
  const auto of = [&](const std::string& scale) {
    return parse_specialization("2d i32 x=unit@4 s=" + scale, kernel).value();
  };
  for (const char* made : {"group@4", "group(3x2)@4", "group(2x1)@4", "group(1x2)@4"})
    for (const char* call : {"group@4", "group(3x2)@4", "group(2x1)@4", "group(1x2)@4"}) {
      INFO(made << ", " << call);
      CHECK(codegen::serves(of(made), of(call)) == (std::string(made) == call));
    }
}
