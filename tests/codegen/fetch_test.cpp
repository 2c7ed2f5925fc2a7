// fetch_test.cpp -- what a dependent launch asks the L2 cache for before it waits.
#include <algorithm>
#include <regex>
#include <set>
#include <string>

#include "codegen/compile.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr const char* kAsks = R"(prefetch\.global\.L2 \[)";

/// The first groups of all places of `text` that fit `pattern`.
std::multiset<std::string> all_of(const std::string& text, const std::string& pattern) {
  std::multiset<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at)
    found.insert((*at)[1]);
  return found;
}

std::size_t fitting(const std::string& text, const std::string& pattern) {
  return all_of(text, "(" + pattern + ")").size();
}

Specialization call_of(const ir::Kernel& kernel, std::int64_t columns) {
  return ir::is_elementwise(kernel) ? contiguous(kernel) : of_columns(kernel, columns);
}

/// PTX for rows of `columns`, and whether every thread is known to wait.
std::string ptx(const ir::Kernel& kernel, std::int64_t columns, const std::string& schedule) {
  const Artifact artifact =
      compile(kernel, call_of(kernel, columns), schedule_of(schedule), cuda_target(90));
  CHECK(artifact.waits_for_dependencies);
  return artifact.payload;
}

ir::Kernel of_bf16(const std::string& name) {
  std::vector<Binding> bindings{{"T", bf16}};
  if (name.find("quantised") != name.npos)
    bindings.push_back({"Q", f8e4m3});
  if (name == "swiglu_quantised_tensor")
    bindings.push_back({"S", f32});
  return bound(name, bindings);
}

std::string ptx(const std::string& name, std::int64_t columns, const std::string& schedule) {
  return ptx(of_bf16(name), columns, schedule);
}

CudaSchedule by_default(const std::string& name, std::int64_t rows, std::int64_t columns,
                        int sm = 90) {
  const ir::Kernel kernel = of_bf16(name);
  return std::get<CudaSchedule>(
      default_schedule(kernel, call_of(kernel, columns), cuda_target(sm), rows * columns));
}

} // namespace

TEST_CASE("with fetch=1 all that is loaded after the wait is asked for before it") {
  struct {
    const char* kernel;
    const char* schedule;
    std::size_t asked; ///< by a thread
  } const cases[] = {
      {"swiglu", "bytes=16 dependent=1 fetch=1", 2},
      {"swiglu", "bytes=4 accesses=4 dependent=2 fetch=1", 8},
      {"swiglu_backward_inplace", "bytes=16 dependent=3 fetch=1", 3},
      {"rms_norm", "threads=256 row=256 bytes=8 accesses=4 dependent=1 fetch=1", 8},
      {"rms_norm", "threads=128 row=128 bytes=8 accesses=1 grid=8 dependent=2 fetch=1", 2},
      {"swiglu_quantised_tensor",
       "threads=256 row=256 bytes=8 accesses=1 grid=4 dependent=1 "
       "fetch=1",
       3},
      {"swiglu_quantised_group",
       "threads=128 row=128 bytes=32 accesses=1 grid=2 dependent=1 "
       "fetch=1",
       2},
      {"swiglu_quantised_row", "threads=512 row=512 bytes=8 accesses=2 ahead=1 dependent=1 fetch=1",
       4},
  };
  for (const auto& each : cases) {
    const std::string code = ptx(each.kernel, 4096, each.schedule);
    INFO(each.kernel << ", " << each.schedule << "\n" << code);
    const std::size_t waits = code.find("griddepcontrol.wait;");
    REQUIRE(waits != code.npos);
    CHECK(fitting(code.substr(0, waits), kAsks) == each.asked);
    CHECK(fitting(code.substr(waits), kAsks) == 0);
    CHECK(fitting(code.substr(0, waits), R"(\b(ld|st)\.global|mbarrier|barrier\.cluster)") == 0);
    // Else the assembler would wait first.
    CHECK(fitting(code.substr(0, waits), R"(@%p\d+ trap;)") == 1);
    CHECK(fitting(code.substr(0, waits), R"(\bbra\b)") == 0);
  }
}

TEST_CASE("where it loads, a thread asks, and every sector once") {
  const std::string code = ptx("swiglu", 4096, "bytes=16 accesses=2 dependent=1 fetch=1");
  const auto asked = all_of(code, R"(prefetch\.global\.L2 \[(%rd\d+)\])");
  const auto loaded = all_of(code, R"(ld\.global\.v4\.b32\s+\{[^}]*\}, \[(%rd\d+)\])");
  CHECK(asked.size() == 4);
  CHECK(std::ranges::includes(loaded, asked)); // and what single items load
  // An access of 32 bytes is one sector.
  const std::string groups =
      ptx("swiglu_quantised_group", 4096,
          "threads=128 row=128 bytes=32 accesses=1 grid=2 dependent=1 fetch=1");
  CHECK(fitting(groups, R"(ld\.global\.v4)") == 4);
  CHECK(fitting(groups, kAsks) == 2);
}

TEST_CASE("what many threads load is asked for by one, and weights for the first row") {
  const std::string held = "threads=256 row=256 bytes=8 accesses=4 dependent=1 fetch=1";
  const std::string code = ptx("rms_norm", 4096, held);
  const auto guards = all_of(code, R"(@(%p\d+) prefetch)");
  CHECK(guards.size() == 8);                                 // blocks that begin later need none
  CHECK(std::set(guards.begin(), guards.end()).size() == 2); // any row, and the first
}

TEST_CASE("of kernels of elements nobody asks for what a row or a column has one of") {
  const ir::Kernel scaled =
      ir::load_kernel({"kernel k(x: in bf16, s: in f32 [row], w: in bf16 [col], y: out bf16) { y = "
                       "x * s * w; }"},
                      "", {});
  Specialization by_row = contiguous(scaled);
  by_row.flat = false;
  const std::string code =
      compile(scaled, by_row, schedule_of("bytes=8 dependent=1 fetch=1"), cuda_target(90)).payload;
  CHECK(fitting(code, kAsks) == 1);
}

TEST_CASE("fetch=1 is for launches that wait and threads that know what they load") {
  const ir::Kernel rows = catalogue("rms_norm", bf16), sums = catalogue("rms_norm_backward", bf16),
                   elements = catalogue("swiglu", bf16);
  const auto check = [](const ir::Kernel& kernel, const std::string& text,
                        const Specialization& call) {
    check_schedule(schedule_of(text), kernel, call, cuda_target(90));
  };
  const std::string held = "threads=256 row=256 bytes=8 accesses=4 fetch=1";
  CHECK_NOTHROW(check(rows, held + " dependent=1", of_columns(rows, 4096)));
  CHECK_THROWS_WITH(check(rows, held, of_columns(rows, 4096)), ContainsSubstring("dependent=1"));
  // A row that is read anew for each stage, and sums over rows.
  for (const ir::Kernel* kernel : {&rows, &sums})
    CHECK_THROWS_WITH(
        check(*kernel, held + " dependent=1", of_columns(*kernel, kernel == &rows ? 8192 : 4096)),
        ContainsSubstring("fetch=0"));
  CHECK_NOTHROW(check(elements, "fetch=1 dependent=1", contiguous(elements)));
  CHECK_THROWS_WITH(check(elements, "fetch=1 dependent=1 grid=2", contiguous(elements)),
                    ContainsSubstring("grid=once"));
  // Which rows count is in memory.
  Specialization counted = of_columns(rows, 4096);
  counted.valid_rows = ValidRows::one;
  CHECK_THROWS_WITH(check(rows, held + " dependent=1", counted), ContainsSubstring("fetch=0"));
  // Addresses of every lane, or divisions of 64 bits, which are branches.
  Specialization strided = contiguous(elements);
  strided.flat = false;
  strided.tensors[1].layout = Layout::strided;
  CHECK_THROWS_WITH(check(elements, "fetch=1 dependent=1", strided), ContainsSubstring("fetch=0"));
  CHECK_NOTHROW(check(elements, "dependent=1", strided));
  const ir::Kernel scaled = ir::load_kernel(
      {"kernel k(x: in bf16, s: in f32 [row], y: out bf16) { y = x * s + row_max(x); }"}, "", {});
  Specialization view = of_columns(scaled, 4096);
  view.tensors[1].row_dims = 2;
  CHECK_NOTHROW(check(scaled, held + " dependent=1", view));
  view.index64 = true;
  CHECK_THROWS_WITH(check(scaled, held + " dependent=1", view), ContainsSubstring("fetch=0"));
  const ir::Kernel skips = ir::load_kernel({"kernel k(x: in bf16, id: in i32 [row], y: out bf16) { "
                                            "skip where id < 0; y = x * 2; }"},
                                           "", {});
  CHECK_THROWS_WITH(check(skips, "fetch=1 dependent=1", contiguous(skips)),
                    ContainsSubstring("'k' takes fetch=0"));
}

TEST_CASE("calls that read little fetch by default, where launches wait") {
  const auto fetches = [](const std::string& name, std::int64_t rows, std::int64_t columns) {
    return by_default(name, rows, columns).fetch;
  };
  CHECK(fetches("swiglu", 1, 4096));
  CHECK(fetches("swiglu", 32, 14336));
  CHECK_FALSE(fetches("swiglu", 128, 14336));
  CHECK_FALSE(fetches("swiglu", 2048, 14336));
  CHECK(fetches("swiglu_backward_inplace", 16, 14336));
  CHECK_FALSE(fetches("swiglu_backward_inplace", 64, 14336));
  CHECK(fetches("rms_norm", 1, 4096));
  CHECK(fetches("rms_norm", 128, 14336));
  CHECK_FALSE(fetches("rms_norm", 64, 14336)); // the next launch begins as this one ends
  CHECK_FALSE(fetches("rms_norm", 512, 4096));
  CHECK(fetches("swiglu_quantised_group", 16, 14336));
  CHECK_FALSE(fetches("swiglu_quantised_group", 128, 14336));
  const ir::Kernel writes = ir::load_kernel({"kernel k(y: out f32) { y = 1; }"}, "", {});
  CHECK_FALSE(
      std::get<CudaSchedule>(default_schedule(writes, contiguous(writes), cuda_target(90), 4096))
          .fetch);
  for (const int sm : {89, 100}) // not measured there, or not to be had
    CHECK_FALSE(by_default("swiglu", 1, 4096, sm).fetch);
}

TEST_CASE("long rows, unless they are many, have blocks that leave the next launch room to fetch") {
  const auto lets_fetch = [](const std::string& name, std::int64_t rows, std::int64_t columns) {
    const CudaSchedule schedule = by_default(name, rows, columns);
    CHECK(schedule.dependent_launch == DependentLaunch::after_wait);
    return schedule.fetch ? schedule.threads : 0;
  };
  CHECK(lets_fetch("rms_norm", 16, 131'072) == 128);
  CHECK(lets_fetch("rms_norm", 64, 262'144) == 256);
  CHECK(lets_fetch("rms_norm", 128, 262'144) == 0);
  CHECK(lets_fetch("softmax", 32, 65'536) == 128);
  CHECK(lets_fetch("softmax", 512, 131'072) == 0);
  CHECK(lets_fetch("rms_norm_residual", 32, 131'072) == 256);
  CHECK_FALSE(by_default("rms_norm", 32, 131'072).ahead);
}

TEST_CASE(
    "launches of elements wait one at a time where they fetch, unless they are of few blocks") {
  CHECK(by_default("swiglu", 1, 4096).dependent_launch == DependentLaunch::at_start);
  CHECK(by_default("swiglu", 16, 14336).dependent_launch == DependentLaunch::after_wait);
  CHECK(by_default("swiglu", 128, 14336).dependent_launch == DependentLaunch::at_start);
  CHECK(by_default("swiglu", 2048, 14336).dependent_launch == DependentLaunch::at_start);
}

TEST_CASE("a text that changes what threads hold or how launches follow has to say fetch=1 again") {
  const ir::Kernel kernel = catalogue("swiglu", bf16);
  const Schedule base = default_schedule(kernel, contiguous(kernel), cuda_target(90), 4096);
  const auto fetches = [&](const char* text) {
    return std::get<CudaSchedule>(parse_schedule(text, base)).fetch;
  };
  CHECK(fetches(""));
  CHECK(fetches("load=noalloc"));
  CHECK(fetches("dependent=2 fetch=1"));
  for (const char* text :
       {"threads=64", "accesses=2", "bytes=8", "grid=2", "dependent=0", "dependent=3", "fetch=0"})
    CHECK_FALSE(fetches(text));
}
