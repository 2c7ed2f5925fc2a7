// ptx_test.cpp -- the instructions that matter in emitted PTX, and that ptxas takes all of it.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include <fmt/format.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <unistd.h>

#include "codegen/compile.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/machine.hpp"
#include "codegen/schedule_parts.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "tests/codegen/llvm_text.hpp"

using namespace swage;
using namespace swage::codegen;
using Catch::Matchers::ContainsSubstring;
using test::as_newest;

namespace {

ir::Kernel catalogue_kernel(const std::string& name, DType type) {
  const kernels::CatalogueFile* file = kernels::find(name);
  REQUIRE(file != nullptr);
  return ir::load_kernel({file->text, file->name}, name, {{"T", type}});
}

Artifact compiled(const ir::Kernel& kernel, int sm, const CudaSchedule& schedule = {}) {
  return compile(kernel, contiguous(kernel), schedule, cuda_target(sm));
}

/// How often the regular expression `pattern` matches in `code`.
std::ptrdiff_t count(const std::string& code, const std::string& pattern) {
  const std::string text = as_newest(code);
  const std::regex regex(pattern);
  return std::distance(std::sregex_iterator(text.begin(), text.end(), regex), {});
}

void check_clean(const std::string& ptx) {
  CHECK(count(ptx, R"(\.local)") == 0);
  CHECK(count(ptx, R"(\bcall\b)") == 0);
}

/// The assembler, where the CUDA toolkit is installed.
std::string find_ptxas() {
  std::string places = std::getenv("PATH") ? std::getenv("PATH") : "";
  places += ":/usr/local/cuda/bin";
  for (std::size_t at = 0; at <= places.size();) {
    const std::size_t end = std::min(places.find(':', at), places.size());
    const std::filesystem::path path = std::filesystem::path(places.substr(at, end - at)) / "ptxas";
    if (std::filesystem::exists(path))
      return path.string();
    at = end + 1;
  }
  return {};
}

/// What `ptxas -v` prints; the status in `failed`. The file is this process's own: tests run in
/// parallel.
std::string assemble(const std::string& ptxas, const Artifact& artifact, bool& failed) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("swage-{}.ptx", getpid());
  std::ofstream(path) << artifact.payload;
  const std::string command = fmt::format("{} -v -arch sm_{} {} -o /dev/null 2>&1", ptxas,
                                          artifact.target.sm, path.string());
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe))
    output += buffer;
  failed = pclose(pipe) != 0;
  std::filesystem::remove(path);
  return output;
}

void check_assembles(const std::string& ptxas, const Artifact& artifact) {
  bool failed = false;
  const std::string log = assemble(ptxas, artifact, failed);
  INFO(log);
  CHECK_FALSE(failed);
  CHECK(count(log, " 0 bytes spill stores, 0 bytes spill loads") >= 1);
  CHECK(count(log, R"([1-9]\d* bytes spill)") == 0);
}

} // namespace

TEST_CASE("swiglu of bf16 moves 8 elements by two loads and one store of 128 bits") {
  for (const int sm : cuda_architectures()) {
    const std::string ptx = compiled(catalogue_kernel("swiglu", bf16), sm).payload;
    INFO("sm_" << sm);
    CHECK(count(ptx, R"(ld\.global\.v4\.b32)") == 2);
    CHECK(count(ptx, R"(st\.global\.v4\.b32|st\.global\.v2\.b64)") == 1);
    CHECK(count(ptx, R"((ld|st)\.global\.b16)") == 3); // the tail, an element at a time
    check_clean(ptx);
  }
}

// LLVM before 22 does not know all of them.
TEST_CASE("every architecture is compiled for by the nearest that LLVM knows, at or before it") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  const Artifact any = compiled(kernel, 75); // starts LLVM
  const auto machine = take_machine(any.target);
  const llvm::MCSubtargetInfo& known = *machine->getMCSubtargetInfo();
  const auto has = [&](int sm) { return known.isCPUStringValid("sm_" + std::to_string(sm)); };
  for (const int sm : cuda_architectures()) {
    INFO("sm_" << sm);
    const Artifact artifact = compiled(kernel, sm);
    CHECK(artifact.target.sm == sm);
    const Target emitted = within_ptx(artifact.target, compat::kNewestPtx);
    CHECK(has(emitted.sm));
    CHECK((emitted.sm == sm) == has(sm));
    CHECK(std::ranges::any_of(known.getAllProcessorFeatures(), [&](const auto& feature) {
      return feature.Key == "ptx" + std::to_string(emitted.ptx);
    }));
    CHECK(count(artifact.payload, fmt::format(R"(\.target sm_{}\b)", emitted.sm)) == 1);
    CHECK(count(artifact.payload,
                fmt::format(R"(\.version {}\.{}\b)", emitted.ptx / 10, emitted.ptx % 10)) == 1);
  }
}

TEST_CASE("nothing is contracted but what ir contracted") {
  ir::KernelBuilder builder(
      "sums", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, f64, {}}, {"y", ir::ParamKind::out, f64, {}}});
  const auto x = builder.load(0);
  const auto apart = builder.make(ir::Op::add, {builder.make(ir::Op::mul, {x, x}), x});
  builder.store(1, builder.make(ir::Op::fma, {apart, x, x}));
  const ir::Kernel kernel = std::move(builder).build();
  // Two lanes and the tail's one, on either machine.
  CHECK(count(compiled(kernel, 90).payload, R"(\bfma\.rn\.f64)") == 3);
  const std::string host = emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = 2},
                                     host_target(), Emit::assembly);
  CHECK((!host_target().fma || count(host, R"(\bv?fn?m(add|sub)|\bfmadd|\bfmla)") == 2));
}

TEST_CASE("exact sizes need no tail code") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  Specialization known = contiguous(kernel);
  known.exact = true;
  const std::string ptx = compile(kernel, known, CudaSchedule{}, cuda_target(90)).payload;
  CHECK(count(ptx, R"(ld\.global)") == 2);
  CHECK(count(ptx, R"(st\.global)") == 1);
}

TEST_CASE("32-bit indices are widened once a tensor, in the multiplication") {
  const std::string ptx = compiled(catalogue_kernel("swiglu", bf16), 90).payload;
  CHECK(count(ptx, R"(mul\.wide\.u32)") == 2); // vector path and tail
  CHECK(count(ptx, R"(mul\.lo\.s64)") == 0);
  if (test::kLlvm != 21) // which holds pairs of floats in 64 bits
    CHECK(count(ptx, R"(cvt\.u64)") == 0);
}

TEST_CASE("bf16 pairs are rounded by one instruction from sm_80 on") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  CHECK(count(compiled(kernel, 80).payload, R"(cvt\.rn\.bf16x2\.f32)") == 4);
  CHECK(count(compiled(kernel, 75).payload, R"(bf16x2)") == 0);
}

TEST_CASE("interleaved tensors are loaded as whole vectors") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  Specialization known = contiguous(kernel);
  known.tensors[0] = {.layout = Layout::interleaved_even, .partner = 1};
  known.tensors[1] = {.layout = Layout::interleaved_odd, .align_log2 = 1, .partner = 0};
  const std::string ptx = compile(kernel, known, CudaSchedule{}, cuda_target(90)).payload;
  CHECK(count(ptx, R"(ld\.global\.v4\.b32)") == 2);
  CHECK(count(ptx, R"(ld\.global\.b16)") == 0);
  CHECK(count(ptx, R"(prmt|mov\.b32 \{)") == 0); // taken apart by shift and mask
}

TEST_CASE("accesses in flight: every load of a thread is issued before its arithmetic") {
  const std::string ptx = compiled(catalogue_kernel("swiglu", f32), 90, {.accesses = 4}).payload;
  const std::size_t first_store = ptx.find("st.global");
  const std::string before = ptx.substr(0, first_store);
  CHECK(count(before, R"(ld\.global\.v4\.b32)") == 8);
}

TEST_CASE("load and store policies reach the instructions") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  const auto ptx = [&](LoadPolicy load, StorePolicy store) {
    return as_newest(compiled(kernel, 80, {.load = load, .store = store}).payload);
  };
  CHECK_THAT(ptx(LoadPolicy::read_only, {}), ContainsSubstring("ld.global.nc.v4.b32"));
  CHECK_THAT(ptx(LoadPolicy::no_l1_allocate, {}),
             ContainsSubstring("ld.global.L1::no_allocate.v4.b32") &&
                 ContainsSubstring(".version 7.4"));
  CHECK_THAT(ptx(LoadPolicy::streaming, StorePolicy::streaming),
             ContainsSubstring("ld.global.cs.v4.b32") && ContainsSubstring("st.global.cs.v4.b32"));
  const std::string keeping = ptx(LoadPolicy::evict_last, {});
  CHECK(count(keeping, R"(createpolicy\.fractional\.L2::evict_last)") == 1);
  CHECK(count(keeping, R"(ld\.global\.L2::cache_hint\.v4\.b32)") == 2);
  CHECK_THAT(keeping, ContainsSubstring(".version 7.4"));
  CHECK(count(ptx(LoadPolicy::automatic, {}), R"(\.nc|\.cs|no_allocate|policy)") == 0);
}

TEST_CASE("what an output may overwrite is never loaded through the read-only path") {
  const CudaSchedule read_only{.load = LoadPolicy::read_only};
  CHECK(count(compiled(catalogue_kernel("swiglu_backward_inplace", bf16), 80, read_only).payload,
              R"(\.nc)") == 0);
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  Specialization known = contiguous(kernel);
  known.tensors[0].aliased = true;
  const std::string ptx = compile(kernel, known, read_only, cuda_target(80)).payload;
  CHECK(count(ptx, R"(ld\.global\.nc\.v4)") == 1);
  CHECK(count(ptx, R"(ld\.global\.v4)") == 1);
}

TEST_CASE("under dependent launch every block waits before it touches memory") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  for (const LoadPolicy load :
       {LoadPolicy::automatic, LoadPolicy::read_only, LoadPolicy::no_l1_allocate,
        LoadPolicy::streaming, LoadPolicy::evict_last})
    for (const int accesses : {1, 4})
      for (const int waves : {0, 2}) {
        const Artifact artifact = compiled(kernel, 90,
                                           {.accesses = accesses,
                                            .waves = waves,
                                            .load = load,
                                            .dependent_launch = DependentLaunch::at_start});
        const std::string& ptx = artifact.payload;
        CHECK(artifact.waits_for_dependencies);
        CHECK(ptx.find("griddepcontrol.launch_dependents") < ptx.find("griddepcontrol.wait"));
        CHECK(ptx.find("griddepcontrol.wait") < ptx.find("ld.global"));
        CHECK(ptx.find("griddepcontrol.wait") < ptx.find("bra"));
        CHECK(count(ptx, R"(\.nc)") == 0);
      }
  CHECK_FALSE(compiled(kernel, 90).waits_for_dependencies);
}

TEST_CASE("the next grid may start with this one, when this one works, or as it ends") {
  const ir::Kernel kernel = catalogue_kernel("softmax", bf16);
  const auto ptx_of = [&](std::string_view text) {
    const auto schedule = parse_schedule(
        text, default_schedule(kernel, contiguous(kernel), cuda_target(90), 128 * 4096));
    const Artifact artifact = compile(kernel, contiguous(kernel), schedule, cuda_target(90));
    CHECK(artifact.waits_for_dependencies == (text != "dependent=0"));
    return artifact.payload;
  };
  const std::string start = ptx_of("dependent=1"), wait = ptx_of("dependent=2"),
                    end = ptx_of("dependent=3"), none = ptx_of("dependent=0");
  const std::string lets = "griddepcontrol.launch_dependents", waits = "griddepcontrol.wait";
  CHECK(start.find(lets) < start.find(waits));
  CHECK(wait.find(waits) < wait.find(lets));
  CHECK(wait.find(lets) < wait.find("ld.global"));
  CHECK(end.find(waits) < end.find("ld.global"));
  CHECK(count(start, lets) == 1);
  CHECK(count(wait, lets) == 1);
  CHECK(count(end, lets) == 0);
  CHECK(count(none, "griddepcontrol") == 0);
}

// Parameters carry the kernel's name, and are read before the wait.
TEST_CASE("a kernel whose name holds the name of an instruction waits like any other") {
  for (const std::string name : {"vibrate", "exit", "ret", "bra"}) {
    const ir::Kernel kernel =
        ir::load_kernel({"kernel " + name + "(x: in f32, y: out f32) { y = -x; }"}, "", {});
    INFO(name);
    CHECK(compiled(kernel, 90, {.dependent_launch = DependentLaunch::at_start})
              .waits_for_dependencies);
  }
}

TEST_CASE("code is bound to the threads that its schedule counts on, in whole blocks") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", bf16);
  const auto bounds = [&](int threads, int resident) {
    const std::string ptx =
        as_newest(compiled(kernel, 90, {.threads = threads, .resident = resident}).payload);
    std::smatch found;
    REQUIRE(std::regex_search(ptx, found, std::regex(R"(\.maxntid (\d+)\n\.minnctapersm (\d+))")));
    return found[1].str() + "x" + found[2].str();
  };
  CHECK(bounds(64, 1536) == "256x6"); // blocks up to 256 threads share their code
  CHECK(bounds(256, 2048) == "256x8");
  CHECK(bounds(512, 2048) == "1024x2");
  CHECK(bounds(1024, 1536) == "1024x1");
}

TEST_CASE("equal arguments give equal bytes") {
  const ir::Kernel kernel = catalogue_kernel("swiglu_backward", bf16);
  CHECK(compiled(kernel, 90).payload == compiled(kernel, 90).payload);
  const auto host = [&] {
    return compile(kernel, contiguous(kernel), HostSchedule{}, host_target()).payload;
  };
  CHECK(host() == host());
}

TEST_CASE("silu stored in 16 bits is off the ties of x and x / 2 by constants alone") {
  const auto ptx_of = [](const char* text) {
    return compiled(ir::load_kernel({text}, "k", {}), 90).payload;
  };
  const std::string bf16_silu = ptx_of("kernel k(x: in bf16, y: out bf16) { y = x * sigmoid(x); }");
  CHECK(count(bf16_silu, R"(fma\.rn\.f32 .*0fBFB8AA3B, 0fB5B8AA3B)") > 0);
  CHECK(count(bf16_silu, R"(add\.rn\.f32 .*0f3F800001)") > 0);
  const std::string f16_silu = ptx_of("kernel k(x: in f16, y: out f16) { y = x * sigmoid(x); }");
  CHECK(count(f16_silu, "0fB5B8AA3B") == 0);
  CHECK(count(f16_silu, R"(add\.rn\.f32 .*0f3F800001)") > 0);
  // Where sigmoid is used for itself, 1/2 stays 1/2 and 1 stays 1.
  const std::string both =
      ptx_of("kernel k(x: in bf16, y: out bf16) { y = x * sigmoid(x) - sigmoid(x); }");
  CHECK(count(both, "0fB5B8AA3B|0f3F800001") == 0);
}

TEST_CASE("each compile is counted") {
  const ir::Kernel kernel = catalogue_kernel("swiglu", f32);
  const auto before = compile_count();
  compiled(kernel, 80);
  CHECK(compile_count() == before + 1);
}

TEST_CASE("ptxas assembles forward and backward for every architecture and type without spills") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    WARN("skipped: ptxas was not found");
    return;
  }
  for (const int sm : {75, 80, 86, 89, 90, 100, 120})
    for (const DType type : {f64, f32, f16, bf16})
      for (const char* name : {"swiglu", "swiglu_backward", "swiglu_backward_inplace"}) {
        const ir::Kernel kernel = catalogue_kernel(name, type);
        INFO(name << " of " << name_of(type) << " for sm_" << sm);
        const Artifact artifact =
            compiled(kernel, sm, {.dependent_launch = usual_dependent(cuda_target(sm))});
        check_clean(artifact.payload);
        check_assembles(ptxas, artifact);
      }
}

TEST_CASE("ptxas assembles the kernels of torch mode for every architecture and type") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    WARN("skipped: ptxas was not found");
    return;
  }
  for (const int sm : {75, 80, 86, 89, 90, 100, 120})
    for (const DType type : {f32, f16, bf16}) {
      const char* name = sm % 20 == 0 ? "geglu_torch_backward" : "geglu_tanh_torch_backward";
      INFO(name << " of " << name_of(type) << " for sm_" << sm);
      const Artifact artifact = compiled(catalogue_kernel(name, type), sm);
      check_clean(artifact.payload);
      check_assembles(ptxas, artifact);
    }
}

TEST_CASE("ptxas assembles every policy and width") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    WARN("skipped: ptxas was not found");
    return;
  }
  for (const int sm : {75, 90, 100})
    for (const DType type : {f32, bf16, u8}) {
      ir::KernelBuilder builder(
          "negate", ir::MathMode::accurate,
          {{"x", ir::ParamKind::in, type, {}}, {"y", ir::ParamKind::out, type, {}}});
      builder.store(1, builder.make(ir::Op::neg, {builder.load(0)}));
      const ir::Kernel kernel = std::move(builder).build();
      Specialization known = contiguous(kernel);
      known.index64 = true;
      known.tensors[0].align_log2 = 5;
      for (const int bytes : {4, 16, 32})
        for (const LoadPolicy load :
             {LoadPolicy::automatic, LoadPolicy::read_only, LoadPolicy::no_l1_allocate,
              LoadPolicy::streaming, LoadPolicy::evict_last}) {
          if ((bytes == 32 && sm < 100) || (load == LoadPolicy::evict_last && sm < 80))
            continue;
          const CudaSchedule schedule{.access_bytes = bytes,
                                      .accesses = 2,
                                      .waves = 1,
                                      .load = load,
                                      .store = StorePolicy::streaming};
          INFO("sm_" << sm << ", " << name_of(type) << ", " << canonical(Schedule(schedule)));
          check_assembles(ptxas, compile(kernel, known, schedule, cuda_target(sm)));
        }
    }
}
