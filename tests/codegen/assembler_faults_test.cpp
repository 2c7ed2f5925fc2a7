// assembler_faults_test.cpp -- nothing is left in PTX that ptxas is known to make wrong code of;
// see codegen/assembler_faults.hpp.
#include "codegen/assembler_faults.hpp"

#include <fmt/format.h>

#include "codegen/compile.hpp"
#include "ir/source.hpp"
#include "tests/codegen/llvm_text.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using test::count;

namespace {

std::string ptx(const std::string& text, const std::string& schedule = "") {
  const ir::Kernel kernel = ir::load_kernel({text}, "", {});
  const Specialization flat = contiguous(kernel);
  const Schedule chosen =
      schedule.empty() ? default_schedule(kernel, flat, cuda_target(90), std::int64_t{1} << 24)
                       : test::schedule_of(schedule);
  return test::as_newest(compile(kernel, flat, chosen, cuda_target(90)).payload);
}

} // namespace

TEST_CASE("no negation of an integer is left to the assembler, which may lose it in a maximum") {
  for (const char* negation : {"-i32(x)", "0 - i32(x)", "i32(x) * -1", "i32(x) * -128",
                               "-1073741824 * i32(x)", "i32(x) / -128", "i32(i16(x) * -4)"})
    for (const char* type : {"f32", "f64", "i32", "i16"}) {
      const std::string code = ptx(fmt::format(
          "kernel k(x: in {}, y: out i32 [row]) {{ y = row_max({}); }}", type, negation));
      INFO(code);
      CHECK(count(code, "neg.s") == 0);
      CHECK(count(code, "mul.lo.s32") == 0);
      CHECK(count(code, "not.b32") + count(code, "not.b16") > 0);
    }
}

TEST_CASE("a constant that threads would exchange is known to LLVM, not to the assembler alone") {
  for (const char* product : {"s * group_max(i32(-1), 16)", "group_min(i32(-1), 16) * i32(x)"}) {
    const std::string text = fmt::format("kernel k(x: in f32, s: i16, y: out i32 [group 16]) {{"
                                         "  y = group_min(min({0}, s), 16); }}",
                                         product);
    const std::string code = ptx(text, "threads=128 row=128 bytes=8 accesses=1");
    INFO(code);
    CHECK(count(code, "shfl.sync") == 3); // of eight threads, for the other reduction
    CHECK(count(code, "not.b32") > 0);
  }
}

TEST_CASE(
    "no 64-bit integer is shifted by 31, which the assembler may take for a negative factor") {
  for (const char* text :
       {"kernel k(x: in i64, y: out i64) { y = x * 2147483648; }",
        "kernel k(x: in i64, y: out i64 [row]) { y = row_sum(x * -2147483648); }",
        "kernel k(x: in f32, s: i64, y: out i64 [col group 32]) { y = s * -2147483648; }"}) {
    const std::string code = ptx(text);
    INFO(code);
    CHECK(count(code, ", 2147483648") > 0);
    for (std::size_t at = code.find("shl.b64"); at != code.npos; at = code.find("shl.b64", at + 1))
      CHECK(code.substr(at, code.find(';', at) - at).find(", 31") == std::string::npos);
  }
}

TEST_CASE("instructions are replaced with their operands, wherever they stand in the text") {
  std::string text = "shl.b64 \t%rd1, %rd2, 31;\n\t@%p1 shl.b64 %rd3, %rd4, 31;\n\tshl.b64 \t%rd5, "
                     "%rd6, 3;\n\tshl.b64 \t%rd7, %rd8, %r31;\n\tabs.s64 \t%rd9, %rd10;";
  avoid_assembler_faults(text);
  CHECK(text == "mul.lo.s64 \t%rd1, %rd2, 2147483648;\n\t@%p1 mul.lo.s64 \t%rd3, %rd4, "
                "2147483648;\n\tshl.b64 \t%rd5, %rd6, 3;\n\tshl.b64 \t%rd7, %rd8, %r31;\n\t"
                "not.b64 \t%rd9, %rd10;\n\tadd.s64 \t%rd9, %rd9, 1;\n\t"
                "max.s64 \t%rd9, %rd9, %rd10;");
  for (std::string whole :
       {"", "shl.b64", "abs.s32 ", "abs.s16 \t%rs1, %rs2", "abs.s32 \t%r1, %r1;"}) {
    const std::string before = whole;
    avoid_assembler_faults(whole);
    CHECK(whole == before);
  }
}

TEST_CASE("no absolute value of an integer is left to the assembler, which counts on its sign") {
  for (const char* type : {"i8", "i16", "i32", "i64"}) {
    const std::string code = ptx(fmt::format(
        "kernel k(x: in {}, y: out f32, z: out i64) {{ y = f32(abs(x)); z = i64(abs(x)); }}",
        type));
    INFO(code);
    CHECK(count(code, "abs.s") == 0);
    CHECK(count(code, "max.s") > 0);
  }
}

TEST_CASE("bytes of maxima with zero are made behind a minimum, others are not") {
  const auto minima = [](const char* type, const char* value) {
    const std::string code = ptx(fmt::format("kernel k(x: in f32, s: f32, y: out {0}) {{ y = "
                                             "{0}({1}); }}",
                                             type, value),
                                 "threads=128 bytes=16 accesses=1");
    INFO(value << '\n' << code);
    CHECK(count(code, "cvt.pack.sat") == 2);
    return count(code, type[0] == 'u' ? ", 0f43800000;" : ", 0f43000000;");
  };
  for (const char* type : {"u8", "i8"}) {
    for (const char* value : {"max(x, 0)", "round(max(x, 0))", "relu(x)", "x > 0 ? x : 0",
                              "max(min(x, 300), 0)", "max(x, s)", "floor(max(x, 0))"})
      CHECK(minima(type, value) == 4);
    for (const char* value : {"x", "round(x * s)", "clamp(x, -127, 127)", "max(x, 1)", "abs(x)"})
      CHECK(minima(type, value) == 0);
  }
}

TEST_CASE("constants are rounded before one is chosen, and no integer is rounded by way of f64") {
  for (const char* type : {"f16", "bf16", "f8e5m2", "f32"})
    for (const char* wide : {"i32(x) - 3", "i64(x) - 3", "f64(x ? 2.0 : 3.0)"}) {
      const std::string code =
          ptx(fmt::format("kernel k(x: in bool, y: out {0}, z: out {0}) {{ let t = {1}; y = "
                          "round(trunc({0}(t))); z = {0}(t); }}",
                          type, wide));
      INFO(code);
      CHECK(count(code, "cvt.rn.f32.f64") == 0);
    }
  CHECK(count(ptx("kernel k(x: in i32, y: out bf16) { y = bf16(x); }"), "f64") == 0);
}

// Each has the one before it twice, and the last is chosen among 2^40 constants.
TEST_CASE("choices that share parts have them rounded once") {
  std::string text = "kernel k(x: in f32, w: in f32, z: out f64, y: out f32) {"
                     " let t0 = x < 0 ? f64(1.5) : f64(2.5);";
  constexpr int kLevels = 40;
  for (int i = 1; i <= kLevels; ++i)
    text += fmt::format(" let t{0} = x < {0} ? (w < {0}.5 ? t{1} : f64({0}.25))"
                        " : (w > {2} ? f64({0}.125) : t{1});",
                        i, i - 1, 3 * i);
  const std::string code = ptx(text + fmt::format(" z = t{0}; y = f32(t{0}); }}", kLevels),
                               "threads=32 bytes=8 accesses=1");
  INFO(code);
  CHECK(count(code, "cvt.rn.f32.f64") == 0);
  CHECK(count(code, "selp.f32") <= 2 * (3 * kLevels + 1)); // twice: an element, two
}
