// races_test.cpp -- accesses to shared memory that nothing orders fail the launch, and no others.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

// %r0: the thread; %r1 and %r2: where its own word and that of thread `tid ^ 32` are; %r3: where
// that of thread `tid ^ 1` is; %r4: its own word in block `cta ^ 1` of a cluster of two; %p0 to
// %p3: whether it is in warp 0 to 3.
std::string kernel(const std::string& body, unsigned cluster = 1) {
  std::string text = std::string(kHeader) + ".visible .entry k()\n";
  if (cluster > 1)
    text += ".reqnctapercluster " + std::to_string(cluster) + "\n";
  text += "{\n.shared .align 8 .b8 words[512];\n.reg .pred %p<4>;\n.reg .b32 %r<10>;\n"
          "mov.u32 %r0, %tid.x;\nmov.b32 %r1, words;\nmad.lo.s32 %r1, %r0, 4, %r1;\n"
          "xor.b32 %r2, %r1, 128;\nxor.b32 %r3, %r1, 4;\nshr.u32 %r9, %r0, 5;\n";
  for (const char* const warp : {"0", "1", "2", "3"})
    text += std::string("setp.eq.s32 %p") + warp + ", %r9, " + warp + ";\n";
  if (cluster > 1)
    text += "mov.u32 %r9, %ctaid.x;\nand.b32 %r9, %r9, 1;\nxor.b32 %r9, %r9, 1;\n"
            "mapa.shared::cluster.u32 %r4, %r1, %r9;\n";
  return text + body + "ret;\n}\n";
}

/// What the race that is found is said to be; empty if none is.
std::string race_of(const std::string& text, unsigned threads = 64, unsigned blocks = 1,
                    bool check_races = true) {
  const Outcome outcome = outcome_of(text, threads, blocks, check_races);
  CHECK((!outcome.failed || outcome.kind == FaultKind::race));
  return outcome.what;
}

const std::string kBarrier = "bar.sync 0;\n";
const std::string kStore = "st.shared.b32 [%r1], %r0;\n";
const std::string kLoad = "ld.shared.b32 %r5, [%r1];\n";
const std::string kLoadOfWarp = "ld.shared.b32 %r5, [%r2];\n"; // what the other warp has
const std::string kLoadOfLane = "ld.shared.b32 %r5, [%r3];\n"; // what the lane beside it has
const std::string kStoreToBlock = "st.shared::cluster.b32 [%r4], %r0;\n";

} // namespace

TEST_CASE("a load of what another warp stored needs a barrier, or is named with both places") {
  CHECK(race_of(kernel(kStore + kBarrier + kLoadOfWarp)) == "");
  const std::string race = race_of(kernel("@%p0 " + kStore + "@%p1 " + kLoadOfWarp));
  INFO(race);
  for (const char* const part :
       {"byte 0 of shared memory of block 0", "after '@%p0 st.shared.b32 [%r1], %r0' (line 19) of ",
        "of thread (0,0,0) of block (0,0,0): ",
        ": '@%p1 ld.shared.b32 %r5, [%r2]' (line 20 of kernel 'k'",
        "thread (32,0,0) of block (0,0,0)"})
    CHECK(race.find(part) != std::string::npos);
  CHECK(race_of(kernel(kStore + kLoadOfWarp), 64, 1, false) == "");
}

TEST_CASE("a store over what another warp read or stored needs a barrier") {
  CHECK(race_of(kernel(kLoadOfWarp + kBarrier + kStore)) == "");
  CHECK(race_of(kernel(kLoadOfWarp + kStore)) != "");
  const std::string to_first = "st.shared.b32 [words], %r0;\n";
  CHECK(race_of(kernel("@%p0 " + kStore + kBarrier + "@%p1 st.shared.b32 [%r2], %r0;\n")) == "");
  CHECK(race_of(kernel("@%p0 " + kStore + "@%p1 st.shared.b32 [%r2], %r0;\n")) != "");
  CHECK(race_of(kernel(to_first), 1) == "");
  CHECK(race_of(kernel(to_first), 2) != ""); // lanes of one store
  // A barrier orders what was before it, not what comes after.
  CHECK(race_of(kernel(kStore + kBarrier + kLoadOfWarp + kStore)) != "");
}

TEST_CASE("of several warps that read, a store waits for each") {
  // Of warps 0 to 3 all read the first word, and all but `late` say so before warp 0 stores to it.
  for (const char* const late : {"", "1", "2", "3"}) {
    const std::string arrive = "barrier.cluster.arrive.";
    const std::string arrives = *late == 0
                                    ? arrive + "release;\n"
                                    : std::string("@!%p") + late + " " + arrive + "release;\n@%p" +
                                          late + " " + arrive + "relaxed;\n";
    const std::string race =
        race_of(kernel("ld.shared.b32 %r5, [words];\n" + arrives +
                       "barrier.cluster.wait;\nsetp.eq.s32 %p0, %r0, 0;\n@%p0 " + kStore),
                128);
    INFO(late << ": " << race);
    CHECK((race == "") == (*late == 0));
  }
}

TEST_CASE("bytes beside each other, and blocks of a grid, do not race") {
  CHECK(race_of(kernel("mov.b32 %r6, words;\nadd.s32 %r6, %r6, %r0;\nst.shared.b8 [%r6], %r0;\n"
                       "ld.shared.b8 %r5, [%r6];\n")) == "");
  // A word that is also touched byte by byte.
  const std::string byte = "xor.b32 %r6, %r1, 128;\nld.shared.b8 %r5, [%r6+3];\n";
  CHECK(race_of(kernel(kStore + kBarrier + byte)) == "");
  CHECK(race_of(kernel(kStore + byte)).find("byte 131 ") != std::string::npos);
  CHECK(race_of(kernel("st.shared.b8 [%r1+2], %r0;\n" + kLoadOfWarp)).find("byte 130 ") !=
        std::string::npos);
  CHECK(race_of(kernel(kLoadOfWarp + "st.shared.b8 [%r1+1], %r0;\n")).find("byte 1 ") !=
        std::string::npos);
  CHECK(race_of(kernel(kStore), 64, 3) == "");
  CHECK(race_of(kernel(kLoadOfWarp + kBarrier + kStore), 64, 3) == "");
}

TEST_CASE("lanes of a warp need its barrier, and a shuffle is none") {
  const std::string meet = "bar.warp.sync 0xffffffff;\n";
  const std::string shuffle = "shfl.sync.bfly.b32 %r6, %r0, 1, 31, -1;\n";
  CHECK(race_of(kernel(kStore + meet + kLoadOfLane)) == "");
  CHECK(race_of(kernel(kStore + kBarrier + kLoadOfLane)) == "");
  CHECK(race_of(kernel(kStore + kLoad)) == ""); // its own
  CHECK(race_of(kernel(kStore + kLoadOfLane)) != "");
  CHECK(race_of(kernel(kStore + shuffle + kLoadOfLane)) != "");
  CHECK(race_of(kernel(kStore + meet + kLoadOfWarp)) != ""); // of one warp alone
  CHECK(race_of(kernel("ld.shared.b32 %r5, [words];\n" + meet + kStore), 32) == "");
  CHECK(race_of(kernel("ld.shared.b32 %r5, [words];\n" + kStore), 32) != ""); // many read it
}

TEST_CASE(
    "a store to another block is ordered by a barrier of the cluster, which .relaxed is not") {
  const auto exchange = [](const std::string& before, const std::string& arrive) {
    return race_of(kernel("barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait;\n" +
                              kStoreToBlock + before + "barrier.cluster.arrive" + arrive +
                              ";\nbarrier.cluster.wait.acquire;\n" + kLoad,
                          2),
                   64, 4);
  };
  CHECK(exchange("", "") == "");
  CHECK(exchange("", ".release") == "");
  CHECK(exchange("", ".relaxed").find("of thread (0,0,0) of block (1,0,0)") != std::string::npos);
  CHECK(exchange("fence.acq_rel.cluster;\n", ".relaxed") == "");
  CHECK(exchange("fence.acq_rel.cta;\n", ".relaxed") != "");
  CHECK(race_of(kernel(kStoreToBlock + kBarrier + kLoad, 2), 64, 2) != "");
}

TEST_CASE("one warp releases to the cluster what its block's barrier has told it") {
  const auto exchange = [](const std::string& between) {
    return race_of(kernel("@%p1 " + kStoreToBlock + between +
                              "@%p0 barrier.cluster.arrive.release;\n"
                              "@%p1 barrier.cluster.arrive.relaxed;\n"
                              "barrier.cluster.wait;\n@%p1 " +
                              kLoad,
                          2),
                   64, 2);
  };
  CHECK(exchange(kBarrier) == "");
  CHECK(exchange("") != "");
}

TEST_CASE("atomics do not race with each other, but with what is not atomic") {
  const std::string add = "red.shared.add.u32 [words], 1;\n";
  const std::string load = "ld.shared.b32 %r5, [words];\n";
  CHECK(race_of(kernel(add + add)) == "");
  CHECK(race_of(kernel(add + kBarrier + load)) == "");
  CHECK(race_of(kernel("@%p0 " + load + "@%p1 " + add)) != "");
  CHECK(race_of(kernel("@%p0 " + add + "@%p1 " + load)) != "");
  // What a strong store tells a strong load.
  CHECK(race_of(kernel("setp.eq.s32 %p0, %r0, 0;\n@%p0 st.release.cta.shared.b32 [words], 1;\n"
                       "ld.acquire.cta.shared.b32 %r5, [words];\n")) == "");
}

TEST_CASE("blocks of a grid are in no order in global memory, threads of a block by its barrier") {
  std::vector<std::uint32_t> words(256);
  const auto race = [&](const std::string& body) {
    Memory memory;
    memory.add(words.data(), words.size() * 4);
    LaunchConfig config;
    config.grid = {2, 1, 1};
    config.block = {64, 1, 1};
    config.parameters = (Arguments() << words.data()).bytes;
    // %rd1 and %rd2: the thread's own word and that of thread `tid ^ 32`; %rd0: the first.
    const std::string text =
        std::string(kHeader) +
        ".visible .entry k(.param .u64 words)\n{\n.reg .b32 %r<9>;\n.reg .b64 %rd<3>;\n"
        ".reg .pred %p<2>;\nmov.u32 %r0, %tid.x;\nmov.u32 %r1, %ctaid.x;\n"
        "setp.eq.s32 %p1, %r1, 1;\nmad.lo.s32 %r1, %r1, 64, %r0;\nxor.b32 %r2, %r1, 32;\n"
        "ld.param.u64 %rd0, [words];\nmad.wide.u32 %rd1, %r1, 4, %rd0;\n"
        "mad.wide.u32 %rd2, %r2, 4, %rd0;\n" +
        body + "ret;\n}\n";
    try {
      run(text, config, memory);
    } catch (const Fault& fault) {
      CHECK(fault.kind() == FaultKind::race);
      return std::string(fault.what());
    }
    return std::string();
  };
  const std::string store = "st.global.b32 [%rd1], %r0;\n";
  const std::string load = "ld.global.b32 %r5, [%rd2];\n";
  const std::string load_first = "ld.global.b32 %r5, [%rd0];\n";
  CHECK(race(store + kBarrier + load) == "");
  CHECK(race(load + kBarrier + store) == "");
  CHECK(race(load_first + kBarrier + load_first) == "");
  // Between threads of a block: before the barrier, or after it.
  CHECK(race(store + load + kBarrier) != "");
  CHECK(race(kBarrier + load + store) != "");
  // Between blocks a barrier of the block orders nothing, whichever comes first.
  CHECK(race(load_first + kBarrier + "@%p1 st.global.b32 [%rd0], %r0;\n").find("another block") !=
        std::string::npos);
  CHECK(race(store + kBarrier + "@%p1 " + load_first).find("'st.global.b32 [%rd1], %r0'") !=
        std::string::npos);
}
