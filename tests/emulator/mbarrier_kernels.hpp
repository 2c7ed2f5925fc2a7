// mbarrier_kernels.hpp -- kernels of blocks that send each other values, for tests.
#pragma once

#include "tests/emulator/harness.hpp"

#include <string>

namespace swage::emulator::testing {

// Two mbarriers, `bars` and `bars+8`, and 64 words. %r0: the thread; %r1: the block in its cluster;
// %r2: the block beside it; %r3 and %r4: the words and the mbarriers there; %r5 and %r6: their own,
// as the cluster sees them. %p0: the first thread; %p1: the first warp; %p2: the first block; %p3:
// the first thread of the first block.
inline std::string kernel(const std::string& body, unsigned cluster = 2) {
  std::string text = std::string(kHeader) + ".visible .entry k(.param .u64 out)\n";
  if (cluster > 1)
    text += ".reqnctapercluster " + std::to_string(cluster) + "\n";
  return text +
         "{\n.shared .align 8 .b8 bars[16];\n.shared .align 8 .b8 words[256];\n"
         ".reg .pred %p<9>;\n.reg .b32 %r<20>;\n.reg .b64 %rd<9>;\n"
         "mov.u32 %r0, %tid.x;\nmov.u32 %r1, %ctaid.x;\nrem.u32 %r1, %r1, " +
         std::to_string(cluster) +
         ";\nxor.b32 %r2, %r1, 1;\nmov.b32 %r7, words;\nmov.b32 %r8, bars;\n" +
         (cluster > 1 ? "mapa.shared::cluster.u32 %r3, %r7, %r2;\n"
                        "mapa.shared::cluster.u32 %r4, %r8, %r2;\n"
                        "mapa.shared::cluster.u32 %r5, %r7, %r1;\n"
                        "mapa.shared::cluster.u32 %r6, %r8, %r1;\n"
                      : "mov.b32 %r5, %r7;\nmov.b32 %r6, %r8;\n") +
         "setp.eq.s32 %p0, %r0, 0;\nsetp.lt.u32 %p1, %r0, 32;\nsetp.eq.s32 %p2, %r1, 0;\n"
         "and.pred %p3, %p0, %p2;\n" +
         body + "ret;\n}\n";
}

inline const std::string kInit = "@%p0 mbarrier.init.shared::cta.b64 [bars], 1;\n"
                                 "@%p0 mbarrier.init.shared.b64 [bars+8], 1;\n";
inline const std::string kFence = "@%p0 fence.mbarrier_init.release.cluster;\n";
inline const std::string kMeet = "barrier.cluster.arrive.relaxed.aligned;\n"
                                 "barrier.cluster.wait.acquire.aligned;\n";
inline const std::string kReady = kInit + kFence + kMeet;
inline const std::string kBarrier = "bar.sync 0;\n";

inline std::string arm(unsigned bytes, unsigned bar = 0, const std::string& guard = "@%p0 ") {
  return guard + "mbarrier.arrive.expect_tx.shared::cta.b64 _, [bars+" + std::to_string(8 * bar) +
         "], " + std::to_string(bytes) + ";\n";
}

// Tries until the phase of that parity is complete.
inline std::string wait(unsigned parity = 0, unsigned bar = 0,
                        const std::string& order = ".acquire.cluster") {
  static unsigned made = 0;
  const std::string label = "WAIT" + std::to_string(made++);
  return label + ":\nmbarrier.try_wait.parity" + order + ".shared::cta.b64 %p8, [bars+" +
         std::to_string(8 * bar) + "], " + std::to_string(parity) + ";\n@!%p8 bra " + label + ";\n";
}

// The thread's number to a word of the block beside, or to the own by %r5 and %r6.
inline std::string send(unsigned word, const std::string& guard = "@%p0 ", unsigned bar = 0,
                        const std::string& words = "%r3", const std::string& bars = "%r4") {
  return guard + "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [" + words + "+" +
         std::to_string(4 * word) + "], %r0, [" + bars + "+" + std::to_string(8 * bar) + "];\n";
}

inline std::string load(unsigned word) {
  return "ld.shared.b32 %r9, [words+" + std::to_string(4 * word) + "];\n";
}

} // namespace swage::emulator::testing
