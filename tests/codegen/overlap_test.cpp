// overlap_test.cpp -- loops whose turns overlap, on CPUs that gain from it: no result changes.
#include "tests/support/catch.hpp"

#include <regex>

#include "codegen/host_level.hpp"
#include "codegen/host_loop.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catalogue.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

#if defined(__x86_64__)

namespace {

ir::Kernel gate_kernel(std::string_view name, DType type) {
  for (const swage::test::CatalogueKernel& each : swage::test::catalogue_kernels())
    if (each.name == name)
      return ir::load_kernel({each.text}, each.name, each.bindings(type));
  throw std::runtime_error("no such kernel in the catalogue");
}

/// This machine under another name: its features are spelled out.
Target named(const char* cpu, int vector_bits) {
  Target target = host_target();
  target.cpu = cpu;
  target.vector_bits = vector_bits;
  return target;
}

Target level(std::string_view name) {
  return target_of(*find_host_level(name));
}

void run(Call& call, const HostSchedule& schedule, const Target& target) {
  const HostFunction function(compile(call.kernel(), call.specialization(), schedule, target));
  call.reset();
  function(call.words().data(), 0, call.elements());
}

bool keeps_vectors(const ir::Kernel& kernel, const Target& target, HostSchedule schedule = {}) {
  const std::string text =
      emit_text(kernel, contiguous(kernel), schedule, target, Emit::llvm_optimised);
  return std::regex_search(text, std::regex("phi <[0-9]+ x float>"));
}

} // namespace

TEST_CASE("turns that overlap give the bits of turns that do not, for every number of them") {
  constexpr int kLanes = 16;
  Random random(1);
  for (const char* name : {"swiglu", "swiglu_backward", "swiglu_backward_inplace", "gelu_tanh"})
    for (const DType type : {f32, bf16, f16}) {
      const ir::Kernel kernel = gate_kernel(name, type);
      CHECK(keeps_vectors(kernel, named("znver5", 512)));
      for (const std::int64_t columns :
           {1, kLanes - 1, kLanes, kLanes + 1, 2 * kLanes, 3 * kLanes + 5, 9 * kLanes}) {
        for (const bool random_layouts : {false, true}) {
          const CallOptions options{
              .rows = 1 + columns % 3, .columns = columns, .random_layouts = random_layouts};
          Call call(kernel, random, options);
          HostSchedule schedule{.lanes = kLanes};
          schedule.streaming = random.one_in(2);
          INFO(call.describe());
          run(call, schedule, named("x86-64", 256));
          const auto expected = call.snapshot();
          run(call, schedule, named("znver5", 512));
          CHECK(call.difference(expected) == "");
          if (!runs_here(*find_host_level("x86-64-v3")))
            continue;
          run(call, schedule, level("x86-64-v3"));
          CHECK(call.difference(expected) == "");
        }
      }
    }
}

TEST_CASE("turns that overlap store what they loaded, though a store before was to its place") {
  Random random(2);
  for (const char* text :
       {"kernel k<T>(a: inout T, b: in T, z: out T) { let a0 = a; a = a0 * sigmoid(a0) * b; z = "
        "a0; }",
        "kernel k<T>(g: inout T, u: inout T) {"
        "  let g0 = g; let u0 = u; g = u0 * sigmoid(g0) * tanh(u0); u = g0; }",
        "kernel k<T>(d: inout T, g: inout T, u: inout T) {"
        "  let g0 = g; let s = sigmoid(g0); let a = d * u * s * (1 + g0 * (1 - s));"
        "  let b = d * g0 * s; g = a; u = b; d = g0; }"})
    for (const DType type : {f32, bf16, f16}) {
      const ir::Kernel kernel = ir::load_kernel({text}, "", {{"T", type}});
      for (const std::int64_t columns : {1, 16, 33, 64, 131, 200})
        for (const int lanes : {16, 32, 64}) {
          Call call(kernel, random, {.rows = 2, .columns = columns});
          INFO(call.describe());
          run(call, {.lanes = lanes}, named("x86-64", 256));
          const auto expected = call.snapshot();
          run(call, {.lanes = lanes}, named("znver5", 512));
          CHECK(call.difference(expected) == "");
          if (!runs_here(*find_host_level("x86-64-v3")))
            continue;
          run(call, {.lanes = lanes}, level("x86-64-v3"));
          CHECK(call.difference(expected) == "");
        }
    }
}

TEST_CASE("turns overlap where a CPU gains from it: long chains in whole vectors, on Zen 5, and of "
          "bf16 in code for AVX2") {
  const ir::Kernel long_chain = gate_kernel("swiglu_backward", bf16);
  CHECK(keeps_vectors(long_chain, named("znver5", 512)));
  for (const Target& target : {named("znver5", 256), named("znver4", 512), named("znver3", 256)})
    CHECK_FALSE(keeps_vectors(long_chain, target));
  CHECK_FALSE(keeps_vectors(long_chain, named("znver5", 512), {.lanes = 1}));
  CHECK_FALSE(keeps_vectors(long_chain, named("znver5", 512), {.unroll = 2}));
  CHECK_FALSE(keeps_vectors(gate_kernel("reglu", bf16), named("znver5", 512)));
  CHECK(keeps_vectors(long_chain, level("x86-64-v3")));
  CHECK_FALSE(keeps_vectors(long_chain, level("x86-64-v2")));
  for (const DType type : {f32, f16})
    CHECK_FALSE(keeps_vectors(gate_kernel("swiglu_backward", type), level("x86-64-v3")));
}

TEST_CASE(
    "many tensors of bf16 overlap in three parts, four registers a value, but for kernels that "
    "compare") {
  const auto heads = [](const char* name, DType type, int lanes, const Target& target) {
    const ir::Kernel kernel = gate_kernel(name, type);
    return count(emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = lanes}, target,
                           Emit::llvm_optimised),
                 "\nhead");
  };
  const auto lanes = [](const char* name, DType type, const Target& target) {
    const ir::Kernel kernel = gate_kernel(name, type);
    const Schedule schedule = default_schedule(kernel, contiguous(kernel), target, 1 << 20);
    return std::get<HostSchedule>(schedule).lanes;
  };
  const Target avx2 = level("x86-64-v3"), zen5 = named("znver5", 512);
  for (const char* name : {"swiglu_backward", "swiglu_backward_inplace", "geglu_backward"}) {
    CHECK(heads(name, bf16, 16, avx2) == 2);
    CHECK(heads(name, bf16, 32, avx2) == 2);
    CHECK(heads(name, bf16, 64, avx2) == 1);
    CHECK(heads(name, bf16, 64, zen5) == 2);
    CHECK(lanes(name, bf16, avx2) == 32);
    CHECK(heads(name, f32, 32, avx2) == 0);
    CHECK(heads(name, f32, 32, zen5) == 1);
    CHECK(lanes(name, f32, avx2) == 64);
    CHECK(lanes(name, bf16, named("znver3", 256)) == 64);
  }
  for (const char* name : {"swiglu", "swiglu_step_backward"}) {
    CHECK(heads(name, bf16, 32, avx2) == 1);
    CHECK(heads(name, bf16, 32, zen5) == 1);
    CHECK(lanes(name, bf16, avx2) == 64);
  }
}

TEST_CASE("what is loaded waits in no register for a later part: it is loaded again") {
  const auto loop_of = [](const char* name, DType type, const Target& target) {
    const ir::Kernel kernel = gate_kernel(name, type);
    const std::string text = emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = 32},
                                       target, Emit::llvm_optimised);
    const std::size_t begin = text.find("\nloop"), end = text.find("\ntail", begin);
    REQUIRE(end != std::string::npos);
    return text.substr(begin, end - begin);
  };
  const auto loads = [](const std::string& loop) { return count(loop, "load <"); };
  const auto kept = [](const std::string& loop) { return count(loop, "phi <"); };
  const std::string avx2 = loop_of("swiglu", bf16, level("x86-64-v3"));
  CHECK(loads(avx2) == 3); // gate twice
  CHECK(kept(avx2) == 1);  // its sigmoid
  const std::string f32_of_zen5 = loop_of("swiglu", f32, named("znver5", 512));
  CHECK(loads(f32_of_zen5) == 3);
  CHECK(kept(f32_of_zen5) == 1);
  const std::string bf16_of_zen5 = loop_of("swiglu", bf16, named("znver5", 512));
  CHECK(loads(bf16_of_zen5) == 2);
  CHECK(kept(bf16_of_zen5) == 2);
}

TEST_CASE(
    "vectors that registers are too few for cross no cache line on the stack, and so no page") {
  for (const auto& [name, bytes] : {std::pair{"x86-64-v3", 32}, {"x86-64-v4", 64}})
    for (const DType type : {f32, bf16}) {
      const ir::Kernel kernel = gate_kernel("swiglu_backward", type);
      const std::string text =
          emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = 64, .unroll = 4}, level(name),
                    Emit::assembly);
      INFO(name << " " << swage::name_of(type) << "\n" << text);
      CHECK(text.find("andq\t$-" + std::to_string(bytes) + ", %rsp") != std::string::npos);
      CHECK(
          std::regex_search(text, std::regex("vmov(aps|dqa)[0-9]*\t%[yz]mm[0-9]+, [0-9]*\\(%rsp")));
      CHECK_FALSE(std::regex_search(text, std::regex("vmov(ups|dqu)[0-9]*\t[^\n]*\\(%r[sb]p")));
    }
}

#endif
