// build_test.cpp -- `swage build`: what it writes, and what it refuses.
#include <cstddef>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include <elf.h>
#include <nlohmann/json.hpp>

#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/embedded/image.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kText = "kernel scale<T>(x: in T, a: f32, y: out T) { y = x * a; }\n"
                              "kernel twice(x: in f32, y: out f32) { y = x + x; }\n";

/// Runs `swage build` in a folder with kernels.swg; the files are PREFIX and its ends.
struct Build {
  explicit Build(std::vector<std::string> more, const std::string& text = kText) {
    test::write_text(folder.file("kernels.swg"), text);
    more.insert(more.begin(), {"build", folder.file("kernels.swg"), "-o", folder.file("kernels")});
    more.push_back("--json");
    outcome = test::run_swage(more);
  }
  std::string read(const char* end) const {
    return test::read_text(folder.file(std::string("kernels") + end));
  }
  nlohmann::json json() const { return nlohmann::json::parse(outcome.out); }

  test::TemporaryFolder folder;
  test::Outcome outcome;
};

/// The image within an object file.
std::string image_in(const std::string& object) {
  const std::size_t at = object.find(std::string_view("\x89SWGI\r\n\x1a", 8));
  REQUIRE(at != object.npos);
  std::uint64_t size = 0;
  std::memcpy(&size, object.data() + at + 12, sizeof size);
  REQUIRE(at + size <= object.size());
  return object.substr(at, size);
}

} // namespace

TEST_CASE("build: one input gives the same bytes, as an object and as source") {
  const std::vector<std::string> options = {"-D",         "T=f32,bf16",  "--arch",
                                            "sm_80,host", "--assembler", "none"};
  const Build first(options), second(options);
  INFO(first.outcome.err);
  REQUIRE(first.outcome.status == 0);
  CHECK(first.json()["kernels"] == 3);
  CHECK(first.json()["calling_convention"] == 1);
  CHECK(first.read(".o").starts_with("\177ELF"));
  CHECK(first.read(".o") == second.read(".o"));
  CHECK(first.read(".hpp") == second.read(".hpp"));
  auto source = options;
  source.push_back("--source");
  const Build third(source), fourth(source);
  CHECK_THAT(third.read(".c"), Contains("swage_register_kernels(&node)"));
  CHECK(third.read(".c") == fourth.read(".c"));
}

TEST_CASE("build: an image holds PTX for GPUs, objects for levels, and variants for every size") {
  const Build build({"-D", "T=f32", "--arch", "sm_80,sm_90,x86-64-v3", "--assembler", "none"});
#if defined(__x86_64__)
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  const std::string bytes = image_in(build.read(".o"));
  const embedded::Decoded decoded = embedded::decode(bytes);
  INFO(decoded.defect);
  REQUIRE(decoded.image);
  std::set<std::string_view> targets;
  for (const embedded::ImageCode& code : decoded.image->codes) {
    targets.insert(code.target);
    CHECK((code.target.starts_with("sm_") ? code.ptx.find(".version") != code.ptx.npos
                                          : code.object.starts_with("\177ELF")));
    CHECK(code.cubin.empty());
  }
  CHECK(targets == std::set<std::string_view>{"sm_80", "sm_90", "x86-64-v3"});
  int first = 0, last = 0;
  for (const embedded::ImageVariant& variant : decoded.image->variants) {
    first += variant.first_size == 0;
    last += variant.last_size == 40;
  }
  CHECK(first == last);
  CHECK(first > 20);
#else
  CHECK(build.outcome.status != 0);
#endif
}

TEST_CASE("build: kernels with groups of rows have code for every output that may be transposed") {
  const Build build({"--arch", "sm_90,host", "--assembler", "none"},
                    "kernel k(x: in bf16, y_columns: out bf16, z_columns: out f32, s: out f32 [col "
                    "group 4]) { s = col_group_max(x, 4); y_columns = x; z_columns = x; }\n");
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  const std::string bytes = image_in(build.read(".o"));
  const embedded::Decoded decoded = embedded::decode(bytes);
  REQUIRE(decoded.image);
  std::set<std::string> lines;
  for (const embedded::ImageVariant& variant : decoded.image->variants)
    lines.insert(std::string(variant.specialization));
  const auto has = [&](const char* y, const char* z) {
    return lines.contains(
        fmt::format("2d i32 x=unit@16 y_columns={}@16 z_columns={}@16 s=colgroup@16", y, z));
  };
  CHECK(has("colmajor", "unit"));
  CHECK(has("unit", "colmajor"));
  CHECK(has("colmajor", "colmajor")); // both as their names say
  CHECK(lines.contains("2d i64 x=strided@2 aliased y_columns=strided@2 z_columns=strided@4 "
                       "s=colgroupstrided@4"));
}

TEST_CASE("build: tensors of which two elements share a byte have code for each way they may lie") {
  const auto lines = [](int rows) {
    const Build build({"--arch", "sm_90,host", "--assembler", "none"},
                      fmt::format("kernel k(p: in f4e2m1, q_columns: out f4e2m1, x: in f32, s: out "
                                  "f32 [col group {0}]) {{ s = col_group_max(x, {0}); q_columns = "
                                  "p + x; }}\n",
                                  rows));
    INFO(build.outcome.err);
    REQUIRE(build.outcome.status == 0);
    const std::string bytes = image_in(build.read(".o"));
    const embedded::Decoded decoded = embedded::decode(bytes);
    REQUIRE(decoded.image);
    std::set<std::string> found;
    for (const embedded::ImageVariant& variant : decoded.image->variants) {
      found.insert(std::string(variant.specialization));
      CHECK_THAT(std::string(variant.specialization),
                 !Contains("p=strided") && !Contains("q_columns=strided"));
    }
    return found;
  };
  const std::set<std::string> even = lines(2), odd = lines(3);
  for (const char* p : {"unit", "colmajor"})
    for (const char* q : {"unit", "colmajor"}) {
      CHECK(even.contains(fmt::format("2d i64 p={}@1 aliased q_columns={}@1 x=strided@4 aliased "
                                      "s=colgroupstrided@4",
                                      p, q)));
      CHECK(even.contains(
          fmt::format("2d i32 p={}@16 q_columns={}@16 x=unit@16 s=colgroup@16", p, q)));
    }
  for (const std::string& line : odd)
    CHECK_THAT(line, !Contains("colmajor"));
}

#ifdef SWAGE_LLVM_FOREIGN
TEST_CASE("build: an object for the other CPUs is theirs, and source holds code for both") {
#if defined(__x86_64__)
  const std::string other = "aarch64", here = "x86-64-v2";
  const char machine = static_cast<char>(EM_AARCH64), ours = EM_X86_64;
#else
  const std::string other = "x86-64-v2", here = "aarch64";
  const char machine = EM_X86_64, ours = static_cast<char>(EM_AARCH64);
#endif
  constexpr std::size_t kMachine = offsetof(Elf64_Ehdr, e_machine);
  const Build build({"-D", "T=f32", "--arch", "sm_80," + other, "--assembler", "none"});
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  const std::string object = build.read(".o"), bytes = image_in(object);
  CHECK(object[kMachine] == machine);
  const embedded::Decoded decoded = embedded::decode(bytes);
  REQUIRE(decoded.image);
  for (const embedded::ImageCode& code : decoded.image->codes)
    CHECK((code.target == "sm_80" || code.object[kMachine] == machine));

  const Build both({"-D", "T=f32", "--arch", other + "," + here, "--source"});
  CHECK(both.outcome.status == 0);
  const Build gpu({"-D", "T=f32", "--arch", "sm_80", "--assembler", "none"});
  CHECK(gpu.read(".o")[kMachine] == ours);
}
#endif

TEST_CASE("build: the header names kernels, parameters and the types they were built for") {
  const Build build({"-D", "T=f32,bf16", "--arch", "host"});
  REQUIRE(build.outcome.status == 0);
  const std::string header = build.read(".hpp");
  CHECK_THAT(header, Contains("namespace kernels {") && Contains("class scale {") &&
                         Contains("swage::DType T = swage::f32") && Contains("T=f32, T=bf16") &&
                         Contains("const swage::Tensor& x, double a, const swage::Tensor& y") &&
                         Contains("class twice {"));
}

TEST_CASE("build: the header for C names kernels, parameters and the types they were built for") {
  const Build build({"-D", "T=f32,bf16", "--arch", "host"});
  REQUIRE(build.outcome.status == 0);
  CHECK(build.json()["c_header"] == build.folder.file("kernels.h"));
  CHECK_THAT(build.read(".h"),
             Contains("} kernels_scale;") && Contains("T=f32, T=bf16") &&
                 Contains("kernels_scale_create(kernels_scale* kernel_, const swage_device* "
                          "device_, const char* T)") &&
                 Contains("const DLTensor* x, double a, const DLTensor* y)") &&
                 Contains("kernels_twice_create(kernels_twice* kernel_, const swage_device* "
                          "device_)"));
}

TEST_CASE("build: both headers take a scalar of any real type as double") {
  const Build build({"--arch", "host"},
                    "kernel k(x: in f32, a: f8e4m3, b: e8m0, c: f4e2m1, n: i16, y: out f32) {"
                    " y = x * f32(a) * f32(b) * f32(c) + f32(n); }\n");
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  CHECK_THAT(build.read(".hpp"), Contains("double a, double b, double c, std::int64_t n"));
  CHECK_THAT(build.read(".h"), Contains("double a, double b, double c, int64_t n"));
}

TEST_CASE("build: names of the text meet no names of the headers, nor one another") {
  const Build build({"-D", "device_=f32,bf16", "--arch", "host"},
                    "kernel f<device_>(kernel_: in device_, stream_: f32, int: f32, int_: f32, "
                    "source_0: out device_) { source_0 = kernel_ * stream_ + int - int_; }\n"
                    "kernel f_launch(NULL: in f32, std: f32, n: i32, y: out f32) {"
                    " y = NULL * std + f32(n); }\n"
                    "kernel source_0(x: in f32, y: out f32) { y = x; }\n");
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  const std::string both = "kernel__, double stream__, double int_, double int__, ";
  CHECK_THAT(build.read(".h"), Contains("const DLTensor* " + both) &&
                                   Contains("const swage_device* device_, const char* device__)") &&
                                   Contains("} kernels_f_launch_;") &&
                                   Contains("const DLTensor* NULL_, double std_, int64_t n"));
  CHECK_THAT(build.read(".hpp"), Contains("const swage::Tensor& " + both) &&
                                     Contains("const char* source_0_ = ") &&
                                     Contains("class source_0 {"));
}

TEST_CASE("build: a constant of a real type takes real numbers, whatever it was built for") {
  const Build build({"-D", "a=1,2.5", "-D", "b=2,3", "-D", "n=4,5", "-D", "c=inf", "-D",
                     "m=-9223372036854775808", "--arch", "host"},
                    "kernel k(x: in f32, y: out f32, const a: f32, const b: f32, const n: i32,"
                    " const c: f32, const m: i64) { y = x * a * b * f32(n) + c + f32(m); }\n");
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  CHECK_THAT(build.read(".hpp"),
             Contains("double a = 0x1p+0, double b = 0x1p+1, std::int64_t n = std::int64_t{4},") &&
                 Contains("{\"c\", std::numeric_limits<double>::infinity()}") &&
                 Contains("{\"m\", std::numeric_limits<std::int64_t>::min()}"));
}

TEST_CASE("build: a long text is numbers in the header for C, and characters beyond ASCII") {
  const Build build({"--arch", "host"}, "// " + std::string(5000, 'x') + "\xc3\xa9\n" +
                                            "kernel k(x: in f32, y: out f32) { y = x; }\n");
  REQUIRE(build.outcome.status == 0);
  CHECK_THAT(build.read(".h"), Contains("120, '\\303', '\\251', 10, 107,") && !Contains(" -61"));
}

TEST_CASE("build: tuning records give the schedules of their kinds of call and sizes") {
  const ir::Kernel kernel = ir::load_kernel({kText}, "twice", {});
  tune::TuningRecord record;
  record.key = {base::to_hex(base::checksum(ir::canonical(kernel))),
                "some GPU",
                "sm_90",
                132,
                13000,
                "flat i32 exact x=unit@16 y=unit@16",
                20};
  record.name = "twice";
  record.schedule = record.default_schedule = "threads=96 bytes=8 accesses=2 load=auto dependent=1";
  record.rows = 1;
  record.columns = 1 << 20;
  record.seconds = record.default_seconds = 1e-5;
  record.version = "0.1.0";
  const test::TemporaryFolder records;
  test::write_text(records.file("r.jsonl"), tune::to_line(record) + "\n");
  const Build build({"--kernel", "twice", "--arch", "sm_90", "--assembler", "none", "--schedules",
                     records.file("r.jsonl")});
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  CHECK(build.json()["records_used"] == 1);
  const std::string bytes = image_in(build.read(".o"));
  const auto image = embedded::decode(bytes).image;
  REQUIRE(image);
  int tuned = 0;
  for (const embedded::ImageVariant& variant : image->variants)
    if (variant.schedule.find("threads=96 bytes=8 accesses=2") != variant.schedule.npos) {
      ++tuned;
      CHECK(variant.specialization == record.key.specialization);
      CHECK(variant.first_size == 16);
      CHECK(variant.last_size == 24);
    }
  CHECK(tuned == 1);
}

TEST_CASE("build: what it cannot do it says") {
  const auto says = [](std::vector<std::string> options, const char* part) {
    const Build build(std::move(options));
    INFO(build.outcome.out);
    CHECK(build.outcome.status == 2);
    CHECK_THAT(build.outcome.out, Contains(part));
    CHECK(build.read(".o").empty());
  };
  says({"-D", "T=f32", "--arch", "sm_42"}, "unknown target 'sm_42'");
  says({"-D", "T=f32", "--arch", "aarch64,x86-64-v2"}, "not for both aarch64 and x86-64-v2");
  says({"-D", "T=f32", "-D", "U=f32"}, "-D U=f32: none of the kernels");
  says({"--kernel", "thrice"}, "there is no kernel 'thrice'");
  says({"-D", "T=f32", "--layouts", "usual; sideways"}, "'sideways' is not a word of --layout");
  says({"-D", "T=f32", "--assembler", "/nonexistent/ptxas"}, "neither auto, ptxas, driver, none");
}

TEST_CASE("build: a name of files that no header could have is refused, and says what to do") {
  const test::TemporaryFolder folder;
  test::write_text(folder.file("kernels.swg"), kText);
  const auto outcome = [&](const std::string& name) {
    return test::run_swage({"build", folder.file("kernels.swg"), "-D", "T=f32", "--arch", "host",
                            "-o", folder.file(name)});
  };
  const auto says = [&](const std::string& name, const std::string& part) {
    const test::Outcome found = outcome(name);
    INFO(name);
    CHECK(found.status == 2);
    CHECK_THAT(found.err, Contains(part));
    CHECK(test::read_text(folder.file(name + ".hpp")).empty());
  };
  for (const char* name :
       {"int", "std", "main", "exp", "printf", "NULL", "operator", "__x", "_Bool"})
    says(name, std::string("a namespace '") + name + "'");
  says("exp", "'exp' is a word that C or C++ has already; choose another name, as in -o");
  says("swage", "is for the library's own names");
  says("swage_device", "is for the library's own names");
  for (const char* end : {".o", ".a", ".c", ".h", ".hpp"})
    says(std::string("kernels") + end,
         "give the path without its end, as in -o " + folder.file("kernels") + ", to which .o");
  says("", "names a folder");
  for (const char* name : {"device", "launch", "my.int", "kernel", "swagger"}) {
    INFO(name);
    CHECK(outcome(name).status == 0);
  }
}

TEST_CASE("build: the command of docs/shipping.md does what it says") {
  CHECK_THAT(
      test::read_text(SWAGE_SOURCE_DIR "/docs/shipping.md"),
      Contains("\nswage build kernels.swg -D T=bf16,f32 --arch sm_80,sm_90,host -o kernels\n"));
  const Build build({"-D", "T=bf16,f32", "--arch", "sm_80,sm_90,host"},
                    "kernel scale<T>(x: in T, y: out T) { y = x * 2; }");
  INFO(build.outcome.err);
  REQUIRE(build.outcome.status == 0);
  CHECK(build.json()["kernels"] == 2);
  CHECK_FALSE(build.read(".o").empty());
  CHECK_THAT(build.read(".hpp"), Contains("swage::DType T = swage::bf16"));
}
