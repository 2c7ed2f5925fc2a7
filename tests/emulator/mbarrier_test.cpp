// mbarrier_test.cpp -- mbarriers, and values that blocks of a cluster send each other.
#include "tests/emulator/mbarrier_kernels.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::string fault_of(const std::string& body) {
  return outcome_of(kernel(body)).what;
}

std::string parse_error_of(const std::string& body, const std::string& header = kHeader) {
  std::string text = kernel(body);
  text.replace(0, std::string(kHeader).size(), header);
  return message_of(text);
}

// Every block sends every block a number of its own in each phase, `bytes` wide, that depends on
// what it received before; all threads sum up what came.
std::string exchange(unsigned blocks, unsigned phases, unsigned bytes, bool reordered) {
  const std::string type = bytes == 4 ? "b32" : "b64";
  const std::string all = std::to_string(blocks);
  std::string text = kInit + kFence + arm(blocks * bytes) + arm(blocks * bytes, 1) + kMeet +
                     "setp.lt.u32 %p5, %r0, " + all +
                     ";\nmov.b64 %rd0, 0;\nmul.lo.u32 %r10, %r1, " + std::to_string(bytes) + ";\n";
  for (unsigned phase = 0; phase < phases; ++phase) {
    const std::string region = std::to_string(phase % 2 * 64);
    const std::string bar = std::to_string(phase % 2 * 8);
    text += "cvt.u64.u32 %rd1, %r1;\nmad.lo.u64 %rd1, %rd1, 100, " + std::to_string(phase) +
            ";\nadd.u64 %rd1, %rd1, %rd0;\ncvt.u32.u64 %r11, %rd1;\n@!%p5 bra SENT" + region +
            std::to_string(phase) + ";\nadd.u32 %r12, %r7, %r10;\nadd.u32 %r12, %r12, " + region +
            ";\nmapa.shared::cluster.u32 %r12, %r12, %r0;\n"
            "mapa.shared::cluster.u32 %r13, %r8, %r0;\n"
            "st.async" +
            (phase == 0 ? ".weak" : "") + ".shared::cluster.mbarrier::complete_tx::bytes." + type +
            " [%r12], " + (bytes == 4 ? "%r11" : "%rd1") + ", [%r13+" + bar + "];\nSENT" + region +
            std::to_string(phase) + ":\n" + wait(phase / 2 % 2, phase % 2);
    for (unsigned block = 0; block < blocks; ++block)
      text += (bytes == 4 ? "ld.shared.u32 %r14, [words+" : "ld.shared.u64 %rd2, [words+") +
              std::to_string(phase % 2 * 64 + block * bytes) +
              (bytes == 4 ? "];\ncvt.u64.u32 %rd2, %r14;\n" : "];\n") +
              "add.u64 %rd0, %rd0, %rd2;\n";
    // The next phase of this mbarrier; what it waits for may come before it is armed.
    text += reordered ? kBarrier + arm(blocks * bytes, phase % 2)
                      : arm(blocks * bytes, phase % 2) + kBarrier;
  }
  return text + "mov.u32 %r15, %ctaid.x;\nmad.lo.u32 %r15, %r15, 64, %r0;\n"
                "ld.param.u64 %rd3, [out];\nmad.wide.u32 %rd3, %r15, 8, %rd3;\n"
                "st.global.u64 [%rd3], %rd0;\n";
}

} // namespace

TEST_CASE("blocks of a cluster exchange values in phases, of either width") {
  for (const unsigned blocks : {2U, 4U, 8U})
    for (const unsigned phases : {2U, 3U, 5U})
      for (const unsigned bytes : {4U, 8U}) {
        INFO(blocks << " blocks, " << phases << " phases, " << bytes << " bytes");
        std::uint64_t expected = 0;
        for (unsigned phase = 0; phase < phases; ++phase)
          expected += blocks * (expected + phase) + 100 * blocks * (blocks - 1) / 2;
        std::vector<std::uint64_t> sums(std::size_t{2} * blocks * 64);
        Memory memory;
        memory.add(sums.data(), sums.size() * 8);
        LaunchConfig config;
        config.grid = {2 * blocks, 1, 1};
        config.block = {64, 1, 1};
        config.parameters = (Arguments() << sums.data()).bytes;
        run(kernel(exchange(blocks, phases, bytes, phases == 3), blocks), config, memory);
        CHECK(sums == std::vector<std::uint64_t>(sums.size(), expected));
      }
}

TEST_CASE("values may come before their phase is armed, and the phase waits for all bytes") {
  // Each block is sent 8 bytes before it expects any.
  CHECK(fault_of(kReady + send(0) + send(1) + arm(8) + wait() + load(0) + load(1)) == "");
  // Nothing is complete where bytes are short, or more came than were expected.
  for (const unsigned bytes : {4U, 12U}) {
    const Outcome stuck = outcome_of(kernel(kReady + send(0) + send(1) + arm(bytes) + wait()));
    INFO(stuck.what);
    CHECK(stuck.is(FaultKind::deadlock,
                   "for want of 0 arrivals and " + std::to_string(int(bytes) - 8) + " bytes"));
  }
  // Nor while an arrival is missing.
  CHECK(outcome_of(kernel("@%p0 mbarrier.init.shared::cta.b64 [bars], 2;\n" + kFence + kMeet +
                          arm(4) + send(0) + wait()))
            .is(FaultKind::deadlock, "for want of 1 arrivals and 0 bytes"));
  // A second phase is complete only when both have been: its value came in the first.
  const Outcome early = outcome_of(kernel(kReady + arm(8) + send(0) + send(1) + wait() + wait(1)));
  CHECK(early.is(FaultKind::deadlock, "for want of 1 arrivals and 0 bytes"));
}

TEST_CASE("a wait that nothing ends is a deadlock, and says where") {
  const Outcome never = outcome_of(kernel(kReady + wait()));
  INFO(never.what);
  CHECK(never.is(FaultKind::deadlock, "for want of 1 arrivals and 0 bytes: "
                                      "'mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 "
                                      "%p8, [bars+0], 0' (line "));
  CHECK(never.what.find("thread (0,0,0) of block (0,0,0)") != std::string::npos);
  // One warp of one block waits, the others are at a barrier, of the block or of the cluster.
  for (const std::string& barrier : {kBarrier, kMeet}) {
    const Outcome one = outcome_of(kernel(kReady + "setp.eq.s32 %p5, %r0, 32;\n@!%p3 bra REST;\n" +
                                          wait() + "REST:\n" + barrier + arm(0, 0, "@%p5 ")));
    INFO(one.what);
    CHECK(one.is(FaultKind::deadlock, "for want of 1 arrivals"));
  }
  // It has the parity of the phase before the first: complete.
  CHECK(outcome_of(kernel(kReady + wait(1))).what == "");
}

TEST_CASE("while some wait for a phase, others of the warp, block and cluster go on") {
  // Warp 0 of block 0 waits for what warp 1 of block 1 sends last.
  CHECK(fault_of(kReady + arm(4, 0, "@%p3 ") + "and.pred %p5, %p1, %p2;\n@!%p5 bra REST;\n" +
                 wait() + load(3) + "REST:\n" +
                 "setp.eq.s32 %p6, %r0, 32;\nsetp.eq.s32 %p7, %r1, 1;\nand.pred %p6, %p6, %p7;\n" +
                 send(3, "@%p6 ") + kBarrier) == "");
}

TEST_CASE("a wait may end without success, and does: who goes on then reads what has not come") {
  const std::string once = "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p8, [bars], "
                           "0;\n";
  // Of blocks the first runs first, and sends or waits.
  CHECK(fault_of(kReady + arm(4) + "@%p2 bra FIRST;\n" + once + load(0) + "bra LAST;\nFIRST:\n" +
                 send(0) + "LAST:\n") == "");
  CHECK(fault_of(kReady + arm(4) + "@!%p2 bra SECOND;\n" + once + load(0) + "bra LAST;\nSECOND:\n" +
                 send(0) + "LAST:\n")
            .find("complete") != std::string::npos);
}

TEST_CASE("lanes of a warp wait for different phases, and meet again") {
  // Lanes from 16 wait for the second mbarrier, where a lane below arrives after those have met.
  const std::string split = "setp.lt.u32 %p5, %r0, 16;\nmov.b32 %r10, bars;\n"
                            "@!%p5 add.u32 %r10, %r10, 8;\n";
  const std::string wait_own = "OWN:\nmbarrier.try_wait.parity.shared::cta.b64 %p8, [%r10], 0;\n"
                               "@!%p8 bra OWN;\n";
  const std::string arrive = "mbarrier.arrive.shared::cta.b64 _, [bars";
  for (const char* const meet :
       {"shfl.sync.idx.b32 %r11, %r0, 3, 31, 0xffff;\n", "bar.warp.sync 0xffff;\n"}) {
    INFO(meet);
    const std::string low =
        std::string("@!%p5 bra ALL;\n") + meet + "@%p0 " + arrive + "+8];\nALL:\n";
    const std::string together = "bar.warp.sync 0xffffffff;\n";
    CHECK(outcome_of(kernel(kInit + together + "@%p0 " + arrive + "];\n" + split + wait_own + low +
                                "shfl.sync.bfly.b32 %r11, %r0, 16, 31, -1;\n",
                            1),
                     32, 1)
              .what == "");
    // Who waits at the barrier of the warp waits for those who wait for a phase: what they store
    // after it is there.
    const std::string own = "mad.lo.u32 %r12, %r0, 4, %r7;\nst.shared.b32 [%r12], %r0;\n";
    CHECK(outcome_of(kernel(kInit + together + "@%p0 " + arrive + "];\n" + split + wait_own + low +
                                own + together + load(31),
                            1),
                     32, 1)
              .what == "");
  }
  // For what another warp completes: the low lanes are at the barrier long before.
  const std::string other = "setp.eq.s32 %p6, %r0, 32;\n@%p6 mbarrier.arrive.shared::cta.b64 _, "
                            "[bars+8];\n";
  CHECK(outcome_of(kernel(kInit + "@%p0 " + arrive + "];\n" + kBarrier + split +
                              "@!%p1 bra OTHER;\n" + wait_own +
                              "mad.lo.u32 %r12, %r0, 4, %r7;\nst.shared.b32 [%r12], %r0;\n"
                              "bar.warp.sync 0xffffffff;\n" +
                              load(31) + "OTHER:\n" + other,
                          1),
                   64, 1)
            .what == "");
  // A shuffle that names those who wait, in some lanes' masks.
  CHECK(outcome_of(kernel(kInit + "@%p0 " + arrive + "];\nbar.warp.sync -1;\n" + split + wait_own +
                              "selp.b32 %r12, 0xffff, -1, %p0;\n"
                              "shfl.sync.bfly.b32 %r11, %r0, 1, 31, %r12;\n",
                          1),
                   32, 1)
            .is(FaultKind::illegal_instruction, "the mask of an instruction of the warp"));
  // A shuffle with those who wait for a phase that never completes.
  CHECK(outcome_of(kernel(kInit + "@%p0 " + arrive + "];\nbar.warp.sync -1;\n" + split + wait_own +
                              "shfl.sync.bfly.b32 %r11, %r0, 16, 31, -1;\n",
                          1),
                   32, 1)
            .is(FaultKind::deadlock, "for want of 1 arrivals"));
}

TEST_CASE("what PTX leaves undefined about mbarriers is an error") {
  const struct {
    std::string body;
    FaultKind kind;
    const char* message;
  } cases[] = {
      {kMeet + arm(4), FaultKind::illegal_instruction, "no mbarrier has been initialised"},
      {kMeet + wait(), FaultKind::illegal_instruction, "no mbarrier has been initialised"},
      {kMeet + send(0), FaultKind::illegal_instruction, "no mbarrier has been initialised"},
      {"@%p0 mbarrier.init.shared::cta.b64 [bars+4], 1;\n", FaultKind::misaligned_address,
       "misaligned address for an access of 8 bytes"},
      {kReady + "add.u32 %r4, %r4, 4;\n" + send(0), FaultKind::misaligned_address,
       "misaligned address for an access of 8 bytes"},
      {kReady + "add.u32 %r3, %r3, 2;\n" + send(0), FaultKind::misaligned_address,
       "misaligned address for an access of 4 bytes"},
      {"@%p0 mbarrier.init.shared::cta.b64 [bars], 0;\n", FaultKind::illegal_instruction,
       "an mbarrier of 0 arrivals, where 1 to 1048575 are possible"},
      {"@%p0 mbarrier.init.shared::cta.b64 [bars], 1048576;\n", FaultKind::illegal_instruction,
       "an mbarrier of 1048576 arrivals"},
      {kInit + kInit, FaultKind::illegal_instruction, "an access to bytes that hold an mbarrier"},
      {kInit + "@%p0 st.shared.b32 [bars+12], 0;\n", FaultKind::illegal_instruction,
       "an access to bytes that hold an mbarrier, byte 8 of shared memory"},
      {kInit + "@%p0 ld.shared.b8 %r9, [bars+7];\n", FaultKind::illegal_instruction,
       "an access to bytes that hold an mbarrier, byte 0 of shared memory"},
      {kReady + send(0, "@%p0 ", 0, "%r4"), FaultKind::illegal_instruction,
       "an access to bytes that hold an mbarrier"},
      {kInit + arm(0) + arm(4) + arm(4), FaultKind::illegal_instruction,
       "an arrival of 1 at an mbarrier whose phase waits for 0"},
      {kInit + "@%p0 mbarrier.arrive.shared::cta.b64 _, [bars], 2;\n",
       FaultKind::illegal_instruction, "an arrival of 2 at an mbarrier whose phase waits for 1"},
      {kInit + "@%p0 mbarrier.arrive.shared::cta.b64 _, [bars], 0;\n",
       FaultKind::illegal_instruction, "an arrival of 0"},
      {kInit + arm(1048576), FaultKind::illegal_instruction,
       "expects more bytes than it can count, 1048575"},
      {"@%p0 mbarrier.init.shared::cta.b64 [bars], 9;\n" + arm(1048575) + arm(1),
       FaultKind::illegal_instruction, "expects more bytes than it can count"},
      {kReady + "mov.b32 %r10, 0;\n@!%p0 bra LAST;\nAGAIN:\n" + send(0, "") +
           "add.u32 %r10, %r10, 1;\nsetp.lt.u32 %p5, %r10, 300000;\n@%p5 bra AGAIN;\nLAST:\n",
       FaultKind::illegal_instruction, "is sent more bytes than it can count, 1048575"},
      {kInit + "mbarrier.try_wait.parity.shared::cta.b64 %p8, [bars], 2;\n",
       FaultKind::illegal_instruction, "a parity of 2, where 0 and 1 are possible"},
      {"@%p0 mbarrier.init.shared::cta.b64 [bars+4096], 1;\n", FaultKind::illegal_address,
       "access outside the 272 bytes of shared memory"},
      {"mov.b64 %rd0, 4096;\n@%p0 mbarrier.init.b64 [%rd0], 1;\n", FaultKind::illegal_address,
       "the address is not of shared memory"},
      {kReady + send(1024), FaultKind::illegal_address, "access outside the 272 bytes"},
      {kReady + "add.u32 %r3, %r5, 0x3000000;\n" + send(0), FaultKind::illegal_address,
       "the address is of no block of the cluster"},
      {kReady + "@%p3 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 4;\n",
       FaultKind::illegal_instruction, "the mbarrier is of another block"},
      {kReady + "mbarrier.try_wait.parity.shared::cta.b64 %p8, [%r4], 1;\n",
       FaultKind::illegal_instruction, "the mbarrier is of another block"},
      {kReady + send(0, "@%p0 ", 0, "%r3", "%r6"), FaultKind::illegal_instruction,
       "a value is sent to another block than the mbarrier's"},
  };
  for (const auto& each : cases) {
    const Outcome outcome = outcome_of(kernel(each.body), 64, 2, false);
    INFO(each.body << outcome.what);
    CHECK(outcome.is(each.kind, each.message));
  }
}

TEST_CASE(
    "counts of an mbarrier are right to their last value, and st.async is of clusters alone") {
  CHECK(outcome_of(kernel("@%p0 mbarrier.init.shared::cta.b64 [bars], 1048575;\n"
                          "@%p0 mbarrier.arrive.shared::cta.b64 _, [bars], 1048575;\n" +
                          kBarrier + wait()))
            .what == "");
  CHECK(outcome_of(kernel(kInit + arm(1048575) + kBarrier + wait()))
            .is(FaultKind::deadlock, "0 arrivals and 1048575 bytes"));
  CHECK(outcome_of(kernel(kInit + kBarrier + send(0, "@%p0 ", 0, "%r7", "%r8"), 1), 64, 1)
            .is(FaultKind::illegal_instruction, "st.async in a block that is of no cluster"));
}

TEST_CASE("a block that ends without having waited for what it is sent is an error") {
  const Outcome ended = outcome_of(kernel(kReady + arm(4) + send(0)));
  INFO(ended.what);
  CHECK(ended.is(FaultKind::race, "a value is sent to a block that ends without having waited"));
  // Nor is it enough to have waited for the phase before.
  CHECK(outcome_of(kernel(kReady + arm(4) + send(0) + wait() + send(1)))
            .is(FaultKind::race, "ends without having waited"));
  CHECK(outcome_of(kernel(kReady + arm(4) + send(0) + "@%p1 bra LAST;\n" + wait() + "LAST:\n"))
            .what == "");
}

TEST_CASE("of mbarriers and st.async what is not emulated is refused, and what a target lacks") {
  const std::string old = ".version 8.0\n.target sm_90\n.address_size 64\n";
  const std::string ampere = ".version 8.8\n.target sm_80\n.address_size 64\n";
  const std::string hopper = ".version 8.1\n.target sm_90\n.address_size 64\n";
  const std::string everything = kReady + arm(4) + send(0) + wait();
  CHECK(parse_error_of(everything, hopper) == "accepted");
  CHECK(parse_error_of(kReady + arm(4) + wait(), old) == "accepted");
  CHECK(parse_error_of(kInit, ampere) == "accepted");
  for (const std::string& code : {arm(4), kFence, wait(), send(0)})
    CHECK(parse_error_of(code, ampere).find("the instruction needs PTX ISA ") != std::string::npos);
  CHECK(parse_error_of(send(0), old).find("needs PTX ISA 8.1 and sm_90") != std::string::npos);
  const struct {
    const char* code;
    const char* expected;
  } cases[] = {
      {"mbarrier.inval.shared.b64 [bars];", "only .init, .arrive and .try_wait are emulated"},
      {"mbarrier.init.shared.b32 [bars], 1;", "an mbarrier is a .b64"},
      {"mbarrier.init.shared.b64 bars, 1;", "expected an address in brackets"},
      {"mbarrier.init.shared.b64 [bars], %rd0;", "register '%rd0' of type .b64 does not fit"},
      {"mbarrier.arrive.shared.b64 %rd0, [bars];", "the state that an arrival returns"},
      {"mbarrier.arrive.noComplete.shared.b64 _, [bars], 1;", "unsupported modifier '.noComplete'"},
      {"mbarrier.arrive.shared::cluster.b64 _, [bars];", "unsupported modifier '.shared::cluster'"},
      {"mbarrier.arrive.release.shared.b64 _, [bars];", "semantics and scope stand together"},
      {"mbarrier.try_wait.shared.b64 %p8, [bars], %rd0;", "only waits for a parity"},
      {"mbarrier.try_wait.parity.cluster.shared.b64 %p8, [bars], 0;", "stand together"},
      {"mbarrier.try_wait.parity.shared.b64 %r9, [bars], 0;", "register '%r9'"},
      {"mbarrier.try_wait.parity.shared.b64 %p8, [bars], 0, 1000;", "accepted"},
      {"mbarrier.test_wait.parity.shared.b64 %p8, [bars], 0;", "only .init, .arrive and .try_wait"},
      {"fence.mbarrier_init.release.gpu;", "expected .release.cluster"},
      {"st.async.shared::cluster.b32 [%r3], %r0, [%r4];", "expected .shared::cluster.mbarrier::"},
      {"st.async.shared::cluster.mbarrier::complete_tx::bytes.b16 [%r3], 0, [%r4];",
       "4 or 8 bytes"},
      {"st.async.shared::cluster.mbarrier::complete_tx::bytes.b64 [%r3], %r0, [%r4];", "'%r0'"},
      {"st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r3], %r0;", "expected 3"},
  };
  for (const auto& each : cases) {
    INFO(each.code);
    CHECK(parse_error_of(each.code).find(each.expected) != std::string::npos);
  }
}
