// mbarrier_races_test.cpp -- what waits for mbarriers order, and what they do not.
#include "tests/emulator/mbarrier_kernels.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::string race_of(const std::string& body, unsigned threads = 64, unsigned cluster = 2) {
  // Twice the blocks: what the first cluster did is over for the second.
  const Outcome outcome = outcome_of(kernel(body, cluster), threads, 2 * cluster);
  if (outcome.failed) {
    INFO(outcome.what);
    CHECK(outcome.is(FaultKind::race, "a race for byte "));
  }
  return outcome.what;
}

} // namespace

TEST_CASE("what is sent may be read by who waited for its phase, and by whom a barrier tells it") {
  CHECK(race_of(kReady + arm(4) + send(0) + wait() + load(0)) == "");
  const std::string unseen = race_of(kReady + arm(4) + send(0) + kMeet + load(0) + wait());
  INFO(unseen);
  CHECK(unseen.find("a race for byte 16 of shared memory of block 0 of the cluster: no barrier "
                    "orders this access after '@%p0 st.async.weak.shared::cluster.mbarrier::"
                    "complete_tx::bytes.b32 [%r3+0], %r0, [%r4+0]' (line ") != std::string::npos);
  CHECK(unseen.find(") whose phase this thread does not know to be complete") != std::string::npos);
  // One warp waits, the others by the block's barrier, or not.
  const std::string one = "@!%p1 bra REST;\n" + wait() + "REST:\n";
  CHECK(race_of(kReady + arm(4) + send(0) + one + kBarrier + load(0)) == "");
  CHECK(race_of(kReady + arm(4) + send(0) + one + load(0)) != "");
}

TEST_CASE("a wait without order, of the block alone, or for something else shows no value") {
  const auto exchange = [](const std::string& waits) {
    return race_of(kReady + arm(4) + arm(4, 1) + send(0) + send(1, "@%p0 ", 1) + waits + load(0) +
                   wait(0, 0) + wait(0, 1));
  };
  CHECK(exchange(wait(0, 0)) == "");
  CHECK(exchange(wait(0, 1)) != ""); // the other mbarrier
  CHECK(exchange(wait(0, 0, ".acquire.cta")) != "");
  CHECK(exchange(wait(0, 0, "")) != ""); // the same
  CHECK(exchange(wait(0, 0, ".relaxed.cluster")) != "");
  // What a block sends itself is of the block.
  const std::string own = send(0, "@%p0 ", 0, "%r5", "%r6");
  CHECK(race_of(kReady + arm(4) + own + wait(0, 0, "") + load(0)) == "");
  CHECK(race_of(kReady + arm(4) + own + load(0) + wait(0, 0, "")) != "");
  // A value of the second phase, which came in the first already, where only that is waited for.
  const auto second = [](const std::string& waits) {
    return race_of(kReady + arm(4) + send(0) + kMeet + wait() + send(1) + kMeet + arm(4) + waits +
                   load(1) + wait(1));
  };
  CHECK(second(wait(1)) == "");
  CHECK(second("") != "");
}

TEST_CASE("a value is its receivers' alone: the sender may neither read nor replace it") {
  const std::string read = "@%p0 ld.shared::cluster.b32 %r9, [%r3];\n";
  CHECK(race_of(kReady + arm(4) + send(0) + read + wait()) != "");
  CHECK(race_of(kReady + arm(8) + send(0) + send(0) + wait()) != "");
  CHECK(race_of(kReady + arm(4) + send(0) + "@%p0 st.shared::cluster.b32 [%r3], %r0;\n" + wait()) !=
        "");
  // Told that its receiver waited, it may: by a barrier of the cluster.
  CHECK(race_of(kReady + arm(4) + send(0) + wait() +
                "barrier.cluster.arrive.release;\n"
                "barrier.cluster.wait.acquire;\n" +
                read) == "");
  // What a thread did before, it has done when it sends.
  CHECK(race_of(kReady + arm(4) + "@%p0 st.shared::cluster.b32 [%r3], %r0;\n" + send(0) + wait() +
                load(0)) == "");
}

TEST_CASE("st.async releases its value and what the sender was told, not what it stored since") {
  const auto exchange = [](const std::string& between, const std::string& acquire) {
    return race_of(kReady + arm(4) + "@%p0 st.shared::cluster.b32 [%r3+4], %r0;\n" + between +
                   send(0) + wait(0, 0, acquire) + load(1));
  };
  CHECK(exchange("", ".acquire.cluster") != "");
  CHECK(exchange("fence.acq_rel.cta;\n", ".acquire.cluster") != "");
  CHECK(exchange(kBarrier, ".acquire.cluster") == "");
  CHECK(exchange(kBarrier, ".acquire.cta") != ""); // the sender is of another block
}

TEST_CASE("atomics order what they ordered before there was an mbarrier") {
  const std::string add = "red.shared.add.u32 [words], 1;\n";
  CHECK(race_of(add + kInit + add + kBarrier + load(0)) == "");
  CHECK(race_of(add + kInit + add + load(0)) != "");
}

TEST_CASE("a region is sent to again only after those who read it have said so") {
  // In two phases the same word; the second value is sent by warp 0, after warp 1 read the first.
  const auto twice = [](const std::string& between, unsigned second) {
    return race_of(kReady + arm(4) + send(0) + wait() + load(0) + between + arm(4) + send(second) +
                   wait(1));
  };
  // A barrier of the block says nothing of the other's; to another word, that is enough.
  CHECK(twice(kBarrier, 0) != "");
  CHECK(twice(kBarrier, 1) == "");
  // A third phase may use the first's region: what came in the second was sent after the barrier.
  const auto thrice = [](const std::string& first_barrier) {
    return race_of(kReady + arm(4) + send(0) + wait() + load(0) + first_barrier + arm(4) + send(1) +
                   wait(1) + load(1) + kBarrier + arm(4) + send(0) + wait());
  };
  CHECK(thrice(kBarrier) == "");
  const std::string late = thrice("");
  INFO(late);
  CHECK(late.find("after 'ld.shared.b32 %r9, [words+0]'") != std::string::npos);
}

TEST_CASE("other blocks see that an mbarrier is made by its fence and a barrier of the cluster") {
  const std::string relaxed = "barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait.acquire;\n";
  const std::string release = "barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;\n";
  const std::string use = arm(4) + send(0) + wait();
  CHECK(race_of(kInit + kFence + relaxed + use) == "");
  CHECK(race_of(kInit + release + use) == "");
  const std::string unseen = race_of(kInit + relaxed + use);
  INFO(unseen);
  CHECK(unseen.find("after '@%p0 mbarrier.init.shared::cta.b64 [bars], 1'") != std::string::npos);
  CHECK(unseen.find("of thread (0,0,0) of block (1,0,0): '@%p0 st.async") != std::string::npos);
  // A fence before, or of another thread, is none for it; and it is none for other stores.
  CHECK(race_of(kFence + kInit + relaxed + use) != "");
  CHECK(race_of(kInit + "@!%p0 fence.mbarrier_init.release.cluster;\n" + relaxed + use) != "");
  const std::string store = "@%p0 st.shared.b32 [words], %r0;\n";
  const std::string load_far = "ld.shared::cluster.b32 %r9, [%r3];\n";
  CHECK(race_of(store + kInit + kFence + relaxed + load_far) != "");
  CHECK(race_of(store + kInit + kFence + release + load_far) == "");
  // Within the block a barrier of the block will do, and something has to.
  CHECK(race_of(kInit + arm(0) + kBarrier + wait()) == "");
  CHECK(race_of(kInit + arm(0) + wait()) != "");
  // It is a store to its bytes.
  CHECK(race_of("setp.eq.s32 %p5, %r0, 32;\n@%p5 st.shared.b32 [bars], 0;\n" + kBarrier + kInit) ==
        "");
  CHECK(race_of("@%p0 st.shared.b32 [bars], 0;\nsetp.eq.s32 %p5, %r0, 32;\n"
                "@%p5 mbarrier.init.shared::cta.b64 [bars], 1;\n") != "");
}

TEST_CASE("an arrival releases what its thread did, to who waits for the phase") {
  const auto hand_over = [](const std::string& order, const std::string& acquire) {
    return race_of("@%p0 st.shared.b32 [words], %r0;\n" + kInit + kBarrier +
                       "@%p0 st.shared.b32 [words+4], %r0;\n@%p0 mbarrier.arrive" + order +
                       ".shared::cta.b64 _, [bars];\n" + wait(0, 0, acquire) + load(1),
                   64, 1);
  };
  CHECK(hand_over("", "") == "");
  CHECK(hand_over(".release.cta", ".acquire.cta") == "");
  CHECK(hand_over(".release.cluster", ".acquire.cluster") == "");
  CHECK(hand_over(".relaxed.cta", "") != "");
  CHECK(hand_over("", ".relaxed.cta") != "");
}
