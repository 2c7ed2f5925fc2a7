// loads_ahead_test.cpp -- where CUDA code keeps loads ahead of what is computed.
//
// The assembler moves loads towards their use up to a branch, so one that is never taken stands
// between: a trap, for a number of columns that no call has.
#include <string>

#include "codegen/compile.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

std::string ptx(const std::string& name, const std::string& schedule, std::int64_t columns) {
  std::vector<Binding> bindings{{"T", bf16}};
  if (name.find("quantised") != name.npos)
    bindings.push_back({"Q", f8e4m3});
  const ir::Kernel kernel = bound(name, bindings);
  return compile(kernel, of_columns(kernel, columns), schedule_of(schedule), cuda_target(90))
      .payload;
}

CudaSchedule by_default(const std::string& name, std::int64_t rows, std::int64_t columns,
                        int sm = 90) {
  const ir::Kernel kernel = bound(name, {{"T", bf16}, {"Q", f8e4m3}});
  return std::get<CudaSchedule>(
      default_schedule(kernel, of_columns(kernel, columns), cuda_target(sm), rows * columns));
}

} // namespace

TEST_CASE("with ahead=1 all of a row is under way before anything is computed of it") {
  const std::string schedule = "threads=512 row=512 bytes=8 accesses=8 ahead=";
  const std::string text = ptx("swiglu_quantised_row", schedule + "1", 14336);
  REQUIRE(count(text, "trap;") == 1);
  const std::size_t kept = text.find("trap;");
  CHECK(count(text.substr(kept), "ld.global") == 0);
  CHECK(count(text.substr(0, kept), "fma.") == 0);
  CHECK(count(ptx("swiglu_quantised_row", schedule + "0", 14336), "trap;") == 0);
}

TEST_CASE("elements are under way while a row's own values are computed") {
  const auto code = [](const std::string& params, const std::string& value) {
    const std::string source =
        "kernel k(x: in bf16, " + params + ", y: out f32) { y = " + value + "; }";
    const ir::Kernel kernel = ir::load_kernel({source}, "", {});
    return compile(kernel, of_columns(kernel, 2048),
                   schedule_of("threads=128 row=128 bytes=16 accesses=4"), cuda_target(90))
        .payload;
  };
  // A reciprocal, or an entry of a table, of what was loaded: both wait for that.
  const std::string scale = code("s: in f32 [tensor]", "x * rcp(s)");
  const std::string scale_of_row = code("s: in f32 [row]", "x * rcp(s) * row_sum(x)");
  const std::string entry = code("id: in i32 [row], t: in f32 [table]", "x * t[id]");
  for (const std::string* text : {&scale, &scale_of_row, &entry}) {
    INFO(*text);
    REQUIRE(count(*text, "trap;") == 1);
    const std::size_t kept = text->find("trap;");
    CHECK(count(text->substr(0, kept), "ld.global") == 5); // four of elements
    CHECK(count(text->substr(0, kept), "rcp") == 0);
    CHECK(count(text->substr(kept), "ld.global") == (text == &entry ? 1 : 0));
  }
  // What is read as it is, or compared, holds nothing up.
  CHECK(count(code("s: in f32 [row]", "x * s * row_sum(x)"), "trap;") == 0);
  CHECK(count(code("s: in f32 [row]", "s > 0 ? x * row_sum(x) : 0"), "trap;") == 0);
  const ir::Kernel skips = ir::load_kernel({"kernel k(x: in bf16, s: in f32 [row], y: out f32) { "
                                            "skip where 1 / s < 1; y = x * row_sum(x); }"},
                                           "", {});
  CHECK(count(compile(skips, of_columns(skips, 2048),
                      schedule_of("threads=128 row=128 bytes=16 accesses=4"), cuda_target(90))
                  .payload,
              "trap;") == 0);
}

TEST_CASE("tensors of columns are under way with the row where nothing looks for its end") {
  const std::string schedule = "threads=256 row=256 bytes=8 accesses=4 ahead=1";
  const std::string known = ptx("rms_norm", schedule, 4096);
  REQUIRE(count(known, "trap;") == 1);
  CHECK(count(known.substr(known.find("trap;")), "ld.global") == 0);
  CHECK(count(ptx("rms_norm", schedule, 4000), "trap;") == 0);
}

TEST_CASE("many long rows that are quantised with a scale each are loaded so by default") {
  CHECK(by_default("swiglu_quantised_row", 8192, 14336).ahead);
  CHECK(by_default("swiglu_quantised_row", 2048, 14336).ahead);
  CHECK(by_default("swiglu_quantised_row", 4096, 8192).ahead);
  CHECK_FALSE(by_default("swiglu_quantised_row", 1024, 14336).ahead);
  CHECK_FALSE(by_default("swiglu_quantised_row", 8192, 4096).ahead);
  CHECK_FALSE(by_default("swiglu_quantised_row", 8192, 14336, 89).ahead);
  CHECK_FALSE(by_default("rms_norm_quantised_row", 8192, 14336).ahead); // reads [col] tensors
}

TEST_CASE("blocks of a cluster that hold many elements have all of them under way at once") {
  const std::string held = "threads=512 row=512 bytes=16 accesses=8 grid=8 dependent=1";
  CHECK(count(ptx("rms_norm_plain", held, 262'144), "trap;") == 1);
  CHECK(count(ptx("rms_norm_plain", "threads=256 row=256 bytes=8 accesses=2 grid=8", 14336),
              "trap;") == 0);
}

TEST_CASE("loads and quantised values keep apart where codes have four bits") {
  const std::string loop = "threads=128 row=128 bytes=32 accesses=1 ahead=1";
  CHECK(count(ptx("swiglu_mxfp4", loop, 14336), "trap;") == 2);
  CHECK(count(ptx("swiglu_quantised_group_e8m0", loop, 14336), "trap;") == 0);
  const std::string part = "threads=128 row=128 bytes=32 accesses=1 grid=8";
  CHECK(count(ptx("swiglu_quantised_group_e8m0", part, 14336), "trap;") == 1);
}
