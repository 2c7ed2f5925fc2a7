// control.cpp -- branches, exits, barriers, and operations across the lanes of a warp.
#include "emulator/grid.hpp"

#include <algorithm>
#include <bit>

namespace swage::emulator {
namespace {

void nothing(Warp&, const Step&) {}

void trap(Warp& warp, const Step& step) {
  const auto lane = static_cast<unsigned>(std::countr_zero(warp.mask));
  warp.grid->fault(FaultKind::illegal_instruction, warp, step, lane, 0, "the kernel trapped");
}

void wait_for_dependencies(Warp& warp, const Step&) {
  warp.waited |= warp.mask;
}

void fence(Warp& warp, const Step&) {
  if (warp.grid->races)
    warp.grid->races->clocks().fence(warp.grid->warp_number(warp));
}

void active_mask(Warp& warp, const Step& step) {
  const std::uint32_t mask = warp.mask;
  for_lanes(warp, [&](unsigned lane) { warp.row(step.d)[lane] = mask; });
}

/// Faults where PTX leaves the result undefined: a lane that its own mask does not name, or a mask
/// that names lanes which have not left and do not come here with the others.
void check_members(Warp& warp, const Step& step) {
  const std::uint32_t live =
      warp.running | warp.parked | warp.waiting | warp.clustered | warp.suspended;
  for_lanes(warp, [&](unsigned lane) {
    const auto members = static_cast<std::uint32_t>(warp.row(step.members)[lane]);
    if ((members >> lane & 1) == 0 || (members & live) != warp.mask)
      warp.grid->fault(
          FaultKind::illegal_instruction, warp, step, lane, members,
          "the mask of an instruction of the warp is not of the lanes that execute it");
  });
}

enum class Shuffle : std::uint8_t { up, down, bfly, idx };

// d|p = shfl.sync.mode.b32 a, b, c, membermask
void shuffle(Warp& warp, const Step& step) {
  check_members(warp, step);
  std::uint64_t old[kLanes];
  std::copy_n(warp.row(step.a), kLanes, old);
  const auto mode = static_cast<Shuffle>(step.function);
  for_lanes(warp, [&](unsigned lane) {
    const auto amount = static_cast<unsigned>(warp.row(step.b)[lane] & 31);
    const auto control = static_cast<unsigned>(warp.row(step.c)[lane]);
    const unsigned clamp = control & 31;
    const unsigned segment = control >> 8 & 31;
    const unsigned most = (lane & segment) | (clamp & ~segment);
    const unsigned least = lane & segment;
    unsigned from = lane;
    bool valid = true;
    switch (mode) {
    case Shuffle::up:
      valid = static_cast<int>(lane) - static_cast<int>(amount) >= static_cast<int>(most);
      from = lane - amount;
      break;
    case Shuffle::down: valid = (from = lane + amount) <= most; break;
    case Shuffle::bfly: valid = (from = lane ^ amount) <= most; break;
    case Shuffle::idx: valid = (from = least | (amount & ~segment)) <= most; break;
    }
    if (!valid)
      from = lane;
    if ((warp.mask >> from & 1) == 0)
      warp.grid->fault(FaultKind::illegal_instruction, warp, step, lane, from,
                       "a shuffle reads from a lane that does not take part");
    warp.row(step.d)[lane] = old[from];
    warp.row(step.e)[lane] = valid ? 1 : 0;
  });
}

enum class Vote : std::uint8_t { all, any, uni, ballot };

void vote(Warp& warp, const Step& step) {
  check_members(warp, step);
  std::uint32_t ballot = 0;
  for_lanes(warp, [&](unsigned lane) {
    const bool value = (warp.row(step.a)[lane] != 0) != step.negated;
    ballot |= static_cast<std::uint32_t>(value) << lane;
  });
  std::uint64_t result = ballot;
  switch (static_cast<Vote>(step.function)) {
  case Vote::all: result = ballot == warp.mask; break;
  case Vote::any: result = ballot != 0; break;
  case Vote::uni: result = ballot == 0 || ballot == warp.mask; break;
  case Vote::ballot: break;
  }
  for_lanes(warp, [&](unsigned lane) { warp.row(step.d)[lane] = result; });
}

} // namespace

void decode_bra(Decoder& d) {
  d.take("uni");
  d.finish();
  d.expect_operands(1);
  if (d.operand(0).kind != OperandKind::symbol)
    d.fail("expected a label");
  d.step.immediate = d.label(d.operand(0).name);
  d.step.flow = Flow::branch;
}

void decode_exit(Decoder& d) {
  d.take("uni");
  d.finish();
  d.expect_operands(0);
  d.step.flow = Flow::exit;
}

void decode_trap(Decoder& d) {
  d.finish();
  d.step.run = trap;
}

// Not defined by PTX: to arrive twice, or to wait where one has not arrived.
void arrive_at_cluster(Warp& warp, const Step& step) {
  if ((warp.arrived & warp.mask) != 0)
    warp.grid->fault(FaultKind::illegal_instruction, warp, step,
                     static_cast<unsigned>(std::countr_zero(warp.arrived & warp.mask)), 0,
                     "a thread arrives at a barrier of its cluster before it waited at the last");
  warp.arrived |= warp.mask;
  if (warp.grid->races)
    warp.grid->races->clocks().arrive(warp.grid->warp_number(warp), step.relaxed);
}

// Blocks of a cluster wait for each other at the wait.
void decode_cluster_barrier(Decoder& d) {
  const bool arrive = d.take("arrive");
  if (!arrive && !d.take("wait"))
    d.fail("expected .arrive or .wait");
  if (arrive)
    d.step.relaxed = d.take_one_of({"release", "relaxed"}, 0) == 1;
  else
    d.take("acquire");
  d.take("aligned");
  d.finish();
  d.expect_operands(0);
  d.program().has_barrier = true;
  if (arrive)
    d.step.run = arrive_at_cluster;
  else
    d.step.flow = Flow::cluster_barrier;
}

// d = mapa.shared::cluster.u32 a, b: shared memory `a` of this block, in block `b` of the cluster.
void map_address(Warp& warp, const Step& step) {
  for_lanes(warp, [&](unsigned lane) {
    const std::uint64_t block = warp.row(step.b)[lane];
    if (block >= warp.grid->shared.size())
      warp.grid->fault(FaultKind::illegal_instruction, warp, step, lane, block,
                       "mapa names a block outside the cluster");
    warp.row(step.d)[lane] = warp.row(step.a)[lane] % kClusterWindow + (block + 1) * kClusterWindow;
  });
}

void decode_mapa(Decoder& d) {
  if (!d.take("shared::cluster"))
    d.fail("expected .shared::cluster");
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(3);
  d.destination(type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, Type::u32);
  d.step.run = map_address;
}

// d = bar.red.or.pred a, c: a barrier that says whether `c` holds in any thread of the block.
void decode_reducing_barrier(Decoder& d) {
  if (!d.take("or"))
    d.fail("only the barrier that reduces by .or is emulated");
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(3);
  d.destination(type);
  d.step.a = d.source(1, Type::u32);
  d.step.b = d.source(2, Type::pred);
  d.step.negated = d.operand(2).negated;
  d.step.flow = Flow::reducing_barrier;
  d.program().has_barrier = true;
}

void decode_barrier(Decoder& d) {
  if (d.take("cluster")) {
    decode_cluster_barrier(d);
    return;
  }
  d.take("cta");
  if (d.take("red")) {
    decode_reducing_barrier(d);
    return;
  }
  d.take("aligned");
  const bool warp_level = d.take("warp");
  if (!d.take("sync"))
    d.fail("only barriers that wait are emulated");
  d.finish();
  if (warp_level) {
    d.expect_operands(1);
    d.step.members = d.source(0, Type::u32);
    d.step.flow = Flow::warp_barrier;
    d.program().has_warp_barrier = true;
    return;
  }
  d.expect_operands(1);
  d.step.a = d.source(0, Type::u32);
  d.step.flow = Flow::barrier;
  d.program().has_barrier = true;
}

// One of the block is none for the cluster; within the block only barriers and strong operations
// make use of one, and those order memory here without it.
void decode_fence(Decoder& d) {
  if (d.take("mbarrier_init")) {
    decode_fence_mbarrier_init(d);
    return;
  }
  const bool of_block = d.take("cta");
  d.take_all("");
  d.step.run = of_block ? nothing : fence;
}

void decode_nanosleep(Decoder& d) {
  d.take("u32");
  d.finish();
  d.step.run = nothing;
}

void decode_griddepcontrol(Decoder& d) {
  const bool wait = d.take("wait");
  if (!wait && !d.take("launch_dependents"))
    d.fail("expected .wait or .launch_dependents");
  d.finish();
  d.expect_operands(0);
  d.step.run = wait ? wait_for_dependencies : nothing;
  d.program().waits_for_dependencies |= wait;
}

void decode_activemask(Decoder& d) {
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(1);
  d.destination(type);
  d.step.run = active_mask;
}

void decode_shfl(Decoder& d) {
  if (!d.take("sync"))
    d.fail("expected .sync");
  d.step.function = static_cast<std::uint8_t>(d.take_one_of({"up", "down", "bfly", "idx"}, 0));
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(5);
  const Operand& target = d.operand(0);
  const bool pair = target.kind == OperandKind::pair;
  d.step.e = d.destination_row(pair ? target.parts[1] : Operand{}, 1, true);
  d.step.d = d.destination_row(pair ? target.parts[0] : target, size_of(type), true);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, Type::u32);
  d.step.c = d.source(3, Type::u32);
  d.step.members = d.source(4, Type::u32);
  d.step.of_warp = true;
  d.step.run = shuffle;
}

void decode_vote(Decoder& d) {
  d.take("sync");
  d.step.function = static_cast<std::uint8_t>(d.take_one_of({"all", "any", "uni", "ballot"}, 0));
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(3);
  d.destination(type);
  d.step.a = d.source(1, Type::pred);
  d.step.negated = d.operand(1).negated;
  d.step.members = d.source(2, Type::u32);
  d.step.of_warp = true;
  d.step.run = vote;
}

} // namespace swage::emulator
