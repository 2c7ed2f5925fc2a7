// warp.hpp -- decoded instructions, and the 32 lanes that execute them in step.
#pragma once

#include "emulator/ptx.hpp"

#include <bit>
#include <cstdint>

namespace swage::emulator {

inline constexpr unsigned kLanes = 32;

/// A register, constant or special register: 32 values of 64 bits, one a lane. Narrower values are
/// held zero-extended.
using Row = std::uint32_t;

struct Warp;
struct Step;
using Handler = void (*)(Warp&, const Step&);

/// What happens to the program counter.
enum class Flow : std::uint8_t {
  next,
  branch,
  exit,
  barrier,
  reducing_barrier,
  warp_barrier,
  cluster_barrier,
  phase_wait
};

enum class Combine : std::uint8_t { none, conjunction, disjunction, exclusive };

/// One instruction, decoded once. Handlers read the fields that they need.
struct Step {
  Handler run = nullptr;
  Row d = 0, e = 0; ///< destinations
  Row a = 0, b = 0, c = 0;
  Row guard = 0;
  Row members = 0; ///< of an instruction `of_warp`: the mask of the lanes that take part
  bool guarded = false;
  bool guard_negated = false;
  bool negated = false; ///< the predicate `c` of setp
  Flow flow = Flow::next;
  Combine combine = Combine::none;
  Space space = Space::generic;
  bool of_warp = false;       ///< lanes of the warp that part before meet here
  bool read_only = false;     ///< ld...nc
  bool relaxed = false;       ///< of barriers of the cluster and mbarriers: orders no memory
  bool stores = false;        ///< writes memory
  bool strong = false;        ///< atomic, or ordered by its address: .volatile, .relaxed, ...
  bool has_base = false;      ///< `a` is added to `immediate` to form the address
  std::uint8_t size = 0;      ///< of one element, in bytes
  std::uint8_t count = 0;     ///< of vector elements
  std::uint8_t rounding = 0;  ///< a Rounding
  std::uint8_t function = 0;  ///< which of a family, where the handler serves several
  std::uint32_t list = 0;     ///< first of `count` rows in Program::lists
  std::uint32_t index = 0;    ///< of the instruction in its kernel
  std::uint64_t mask = ~0ULL; ///< of the bits that the destination holds
  std::int64_t immediate = 0; ///< address offset, branch target or table
};

struct Grid;
class Mbarrier;

struct Warp {
  std::uint64_t* registers = nullptr;
  std::uint32_t mask = 0;         ///< lanes that the current instruction acts on
  std::uint32_t running = 0;      ///< lanes that neither left nor wait at a barrier
  std::uint32_t waiting = 0;      ///< lanes at a barrier
  std::uint32_t parked = 0;       ///< lanes at a barrier of the warp
  std::uint32_t met = 0;          ///< those at one that orders memory, not at a shuffle or vote
  std::uint32_t meeting = 0;      ///< whom they wait for there
  std::uint32_t waited = 0;       ///< lanes that passed griddepcontrol.wait
  std::uint32_t clustered = 0;    ///< lanes at a barrier of the cluster
  std::uint32_t arrived = 0;      ///< lanes that arrived at the next barrier of the cluster
  std::uint32_t suspended = 0;    ///< lanes that wait for a phase of an mbarrier
  std::uint32_t first_thread = 0; ///< in the block
  std::uint32_t block = 0;        ///< in the cluster
  std::uint64_t barrier = 0;      ///< the id that the waiting lanes wait at
  const Step* reducing = nullptr; ///< the barrier that they wait at, where it reduces
  bool any = false;               ///< what it found in them so far
  std::uint32_t pc[kLanes] = {};
  const Mbarrier* awaited[kLanes] = {};     ///< of suspended lanes
  std::uint32_t awaited_phase[kLanes] = {}; ///< that is not complete
  std::byte* local = nullptr;               ///< local memory of lane 0; the other lanes' follows
  Grid* grid = nullptr;

  std::uint64_t* row(Row index) const { return registers + std::size_t{index} * kLanes; }
};

/// Of the memory operand in `a` and `immediate`.
inline std::uint64_t address_of(const Warp& warp, const Step& step, unsigned lane) {
  return (step.has_base ? warp.row(step.a)[lane] : 0) + static_cast<std::uint64_t>(step.immediate);
}

/// Before a loop: its iterations may be done at once.
#if defined(__clang__)
#define SWAGE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SWAGE_INDEPENDENT _Pragma("GCC ivdep")
#endif

/// Calls `body(lane)` for each active lane. Iterations are independent.
template <class Body>
inline void for_lanes(const Warp& warp, Body body) {
  if (warp.mask == ~0U) {
    SWAGE_INDEPENDENT
    for (unsigned lane = 0; lane < kLanes; ++lane)
      body(lane);
    return;
  }
  for (std::uint32_t rest = warp.mask; rest != 0; rest &= rest - 1)
    body(static_cast<unsigned>(std::countr_zero(rest)));
}

/// Handlers of pure operations: `Op::eval` maps register values to a register value.
template <class Op>
void unary(Warp& warp, const Step& step) {
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  for_lanes(warp, [=](unsigned lane) { d[lane] = Op::eval(a[lane]); });
}

template <class Op>
void binary(Warp& warp, const Step& step) {
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  for_lanes(warp, [=](unsigned lane) { d[lane] = Op::eval(a[lane], b[lane]); });
}

template <class Op>
void ternary(Warp& warp, const Step& step) {
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  const std::uint64_t* const c = warp.row(step.c);
  for_lanes(warp, [=](unsigned lane) { d[lane] = Op::eval(a[lane], b[lane], c[lane]); });
}

/// `Op` on each half of a register of 2 * `Bits` bits.
template <class Op, unsigned Bits>
struct Packed {
  static constexpr std::uint64_t kMask = (1ULL << Bits) - 1;
  template <class... T>
  static std::uint64_t eval(T... operands) {
    return Op::eval((operands & kMask)...) | Op::eval((operands >> Bits & kMask)...) << Bits;
  }
};

} // namespace swage::emulator
