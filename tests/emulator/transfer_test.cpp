// transfer_test.cpp -- moves, loads and stores of every width, and operations across lanes.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

/// Runs `code` in 32 threads, each with 8 bytes of its own at %rd9; %r9 is the thread.
std::vector<std::uint64_t> run_warp(const std::string& code) {
  const std::string text = std::string(kHeader) + ".visible .entry k(.param .u64 out)\n{\n" +
                           ".reg .pred %p<10>;\n.reg .b16 %rs<10>;\n.reg .b32 %r<10>;\n" +
                           ".reg .b64 %rd<10>;\nmov.u32 %r9, %tid.x;\nld.param.u64 %rd8, [out];\n" +
                           "mad.wide.u32 %rd9, %r9, 8, %rd8;\n" + code + "\nret;\n}\n";
  std::vector<std::uint64_t> out(32);
  Memory memory;
  memory.add(out.data(), out.size() * 8);
  LaunchConfig config;
  config.block = {32, 1, 1};
  config.parameters = (Arguments() << out.data()).bytes;
  run(text, config, memory);
  return out;
}

} // namespace

TEST_CASE("vectors pack and unpack, first element lowest") {
  CHECK_CASES({
      {"mov.b32 %r0, {%rs1, %rs2};", {{"%rs1", 0x1111}, {"%rs2", 0x2222}}, "%r0", 0x22221111},
      {"mov.b32 {%rs0, %rs1}, %r2;", {{"%r2", 0x22221111}}, "%rs1", 0x2222},
      {"mov.b32 {_, %rs1}, %r2;", {{"%r2", 0x22221111}}, "%rs1", 0x2222},
      {"mov.b64 %rd0, {%r1, %r2};", {{"%r1", 1}, {"%r2", 2}}, "%rd0", 0x200000001},
      {"mov.b64 {%rs0, %rs1, %rs2, %rs3}, %rd4;", {{"%rd4", 0x4444333322221111}}, "%rs2", 0x3333},
      {"mov.b64 %rd0, {%rs1, %rs1, %rs2, %rs2};",
       {{"%rs1", 1}, {"%rs2", 2}},
       "%rd0",
       0x0002000200010001},
      {"{ .reg .b16 tmp; mov.b32 {tmp, %rs1}, %r2; }", {{"%r2", 0x22221111}}, "%rs1", 0x2222},
      {"mov.pred %p0, %p1;", {{"%p1", 1}}, "%p0", 1},
      {"mov.f32 %r0, 0fC0000000;", {}, "%r0", 0xc0000000},
      {"mov.f64 %rd0, 0d3FF0000000000000;", {}, "%rd0", 0x3ff0000000000000},
      {"mov.f32 %r0, 1.5;", {}, "%r0", 0x3fc00000},
      {"mov.u32 %r0, 0b101;", {}, "%r0", 5},
  });
}

TEST_CASE("cache policies change nothing that is loaded or stored") {
  const std::vector<std::uint64_t> out =
      run_warp("createpolicy.fractional.L2::evict_last.b64 %rd1, 1.0;\n"
               "createpolicy.fractional.L2::evict_first.b64 %rd2;\n"
               "st.global.b32 [%rd9], %r9;\n"
               "ld.global.L2::cache_hint.b32 %r1, [%rd9], %rd1;\n"
               "st.global.L2::cache_hint.b32 [%rd9+4], %r1, %rd2;");
  for (std::uint64_t thread = 0; thread < 32; ++thread)
    CHECK(out[thread] == (thread << 32 | thread));
  CHECK_THROWS(run_warp("createpolicy.range.global.L2::evict_last.b64 %rd1, [%rd9], 4, 8;"));
}

TEST_CASE("narrow loads extend as their type says, to the width of the register") {
  const std::string prologue = "ld.param.u64 %rd1, [out];\nst.global.b32 [%rd1], 0x8081;\n";
  const auto loaded = [&](const std::string& load, const std::string& result) {
    return evaluate(prologue + load, {}, result);
  };
  CHECK(loaded("ld.global.u8 %rs0, [%rd1];", "%rs0") == 0x81);
  CHECK(loaded("ld.global.s8 %rs0, [%rd1];", "%rs0") == 0xff81);
  CHECK(loaded("ld.global.s8 %r0, [%rd1+1];", "%r0") == 0xffffff80);
  CHECK(loaded("ld.global.s16 %r0, [%rd1];", "%r0") == 0xffff8081);
  CHECK(loaded("ld.global.b16 %r0, [%rd1];", "%r0") == 0x8081);
  CHECK(loaded("ld.global.s32 %rd0, [%rd1];", "%rd0") == 0x8081);
  CHECK(loaded("add.s64 %rd2, %rd1, 8;\nld.global.b32 %r0, [%rd2+-8];", "%r0") == 0x8081);
  CHECK(loaded("ld.volatile.global.b32 %r0, [%rd1];", "%r0") == 0x8081);
}

TEST_CASE("cache and ordering hints change nothing") {
  for (const char* const hint :
       {"ld.global.ca.b32", "ld.global.cg.b32", "ld.global.cs.b32", "ld.global.lu.b32",
        "ld.global.nc.L1::no_allocate.b32", "ld.global.L1::no_allocate.L2::128B.b32",
        "ld.relaxed.gpu.global.b32", "ld.acquire.sys.global.b32", "ld.weak.global.b32"}) {
    INFO(hint);
    const auto out = run_warp(std::string(hint) + " %r0, [%rd9];\nmov.b32 %r1, 7;\n" +
                              (std::string(hint).find(".nc") == std::string::npos
                                   ? "st.global.cs.b32 [%rd9], %r1;"
                                   : ""));
    CHECK(out[31] == (std::string(hint).find(".nc") == std::string::npos ? 7 : 0));
  }
}

TEST_CASE("the widest vectors load and store whole") {
  alignas(32) std::uint32_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  alignas(32) std::uint32_t out[8] = {};
  Memory memory;
  memory.add(in, sizeof(in));
  memory.add(out, sizeof(out));
  LaunchConfig config;
  config.parameters = (Arguments() << &in[0] << &out[0]).bytes;
  const auto copy = [&](const std::string& load, const std::string& store) {
    std::fill_n(out, 8, 0U);
    run(std::string(kHeader) + ".entry k(.param .u64 in, .param .u64 out)\n{\n.reg .b32 %r<8>;\n" +
            ".reg .b64 %rd<4>;\n.reg .b64 %a, %b;\nld.param.u64 %a, [in];\n" +
            "ld.param.u64 %b, [out];\n" + load + store + "ret;\n}\n",
        config, memory);
    return std::equal(in, in + 8, out);
  };
  CHECK(copy("ld.global.nc.v8.b32 {%r0,%r1,%r2,%r3,%r4,%r5,%r6,%r7}, [%a];\n",
             "st.global.v8.b32 [%b], {%r0,%r1,%r2,%r3,%r4,%r5,%r6,%r7};\n"));
  CHECK(copy("ld.global.v4.b64 {%rd0,%rd1,%rd2,%rd3}, [%a];\n",
             "st.global.v4.b64 [%b], {%rd0,%rd1,%rd2,%rd3};\n"));
  CHECK_FALSE(
      copy("ld.global.v2.b64 {%rd0,%rd1}, [%a];\n", "st.global.v2.b64 [%b], {%rd0,%rd1};\n"));
}

TEST_CASE("a predicate of false keeps an instruction from doing anything") {
  const auto out = run_warp("and.b32 %r0, %r9, 1;\nsetp.eq.s32 %p0, %r0, 0;\n"
                            "@%p0 st.global.b32 [%rd9], 1;\n@!%p0 st.global.b32 [%rd9], 2;");
  for (std::size_t lane = 0; lane < 32; ++lane)
    CHECK(out[lane] == (lane % 2 == 0 ? 1 : 2));
}

TEST_CASE("special registers name the thread") {
  const auto out = run_warp("mov.u32 %r0, %laneid;\nmov.u32 %r1, %ntid.x;\n"
                            "mad.lo.s32 %r2, %r1, 1000, %r0;\nst.global.b32 [%rd9], %r2;");
  CHECK(out[5] == 32005);
  CHECK(run_warp("mov.u32 %r0, %lanemask_lt;\nst.global.b32 [%rd9], %r0;")[4] == 0xf);
}

TEST_CASE("shuffles and votes see all lanes of the warp") {
  const auto butterfly =
      run_warp("shfl.sync.bfly.b32 %r0, %r9, 1, 31, -1;\nst.global.b32 [%rd9], %r0;");
  CHECK(butterfly[4] == 5);
  const auto down = run_warp("shfl.sync.down.b32 %r0|%p0, %r9, 16, 31, -1;\n"
                             "@%p0 st.global.b32 [%rd9], %r0;");
  CHECK(down[3] == 19);
  CHECK(down[20] == 0);
  const auto up = run_warp("shfl.sync.up.b32 %r0, %r9, 1, 0, -1;\nst.global.b32 [%rd9], %r0;");
  CHECK(up[0] == 0);
  CHECK(up[9] == 8);
  const auto index = run_warp("shfl.sync.idx.b32 %r0, %r9, 7, 31, -1;\nst.global.b32 [%rd9], %r0;");
  CHECK(index[30] == 7);
  const auto ballot = run_warp("setp.lt.u32 %p0, %r9, 4;\nvote.sync.ballot.b32 %r0, %p0, -1;\n"
                               "st.global.b32 [%rd9], %r0;");
  CHECK(ballot[9] == 0xf);
}
