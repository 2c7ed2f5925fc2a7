// execute.cpp -- blocks, warps, divergence and barriers.
#include "emulator/execute.hpp"

#include "emulator/grid.hpp"

#include <algorithm>
#include <cfenv>
#include <utility>

namespace swage::emulator {
namespace {

std::uint64_t threads_of(const std::array<unsigned, 3>& size) {
  return std::uint64_t{size[0]} * size[1] * size[2];
}

std::uint64_t special_value(const Grid& grid, Special which, const Warp& warp, unsigned of_warp) {
  const unsigned thread = warp.first_thread + of_warp;
  const auto& [gx, gy, gz] = grid.config.grid;
  const auto& [bx, by, bz] = grid.config.block;
  const std::uint32_t lane = thread % kLanes;
  const auto warps = static_cast<std::uint32_t>((threads_of(grid.config.block) + 31) / 32);
  switch (which) {
  case Special::tid_x: return thread % bx;
  case Special::tid_y: return thread / bx % by;
  case Special::tid_z: return thread / bx / by;
  case Special::ntid_x: return bx;
  case Special::ntid_y: return by;
  case Special::ntid_z: return bz;
  case Special::ctaid_x: return grid.block_index[0] + warp.block;
  case Special::ctaid_y: return grid.block_index[1];
  case Special::ctaid_z: return grid.block_index[2];
  case Special::nctaid_x: return gx;
  case Special::nctaid_y: return gy;
  case Special::nctaid_z: return gz;
  case Special::laneid: return lane;
  case Special::warpid: return thread / kLanes;
  case Special::nwarpid: return warps;
  case Special::smid: return 0;
  case Special::nsmid: return 1;
  case Special::gridid: return 1;
  case Special::lanemask_eq: return 1U << lane;
  case Special::lanemask_le: return (2U << lane) - 1U;
  case Special::lanemask_lt: return (1U << lane) - 1U;
  case Special::lanemask_ge: return ~((1U << lane) - 1U);
  case Special::lanemask_gt: return ~((2U << lane) - 1U);
  case Special::clock:
  case Special::globaltimer: return grid.executed;
  case Special::dynamic_smem_size: return grid.config.dynamic_shared;
  case Special::total_smem_size: return grid.shared[0].size();
  }
  return 0;
}

class Executor {
public:
  explicit Executor(Grid& grid) : grid_(grid), program_(grid.program) {
    threads_ = static_cast<unsigned>(threads_of(grid.config.block));
    const unsigned warps = (threads_ + kLanes - 1) / kLanes;
    // Without barriers warps run one after the other, in the same registers.
    together_ = program_.has_barrier || grid.shared.size() > 1;
    warps_.resize(together_ ? warps * grid.shared.size() : 1);
    for (std::size_t i = 0; i < warps_.size(); ++i)
      warps_[i].block = static_cast<std::uint32_t>(i / warps);
    const std::size_t file = std::size_t{program_.rows} * kLanes;
    for (const Register& reg : program_.kernel.registers) // no wider than the register is
      poison_.insert(poison_.end(), kLanes,
                     0xa5a5a5a5a5a5a5a5 >> (64 - 8 * std::min(size_of(reg.type), 8U)));
    registers_.resize(file * warps_.size());
    local_.resize(program_.local_bytes * kLanes * warps_.size());
    for (std::size_t i = 0; i < warps_.size(); ++i) {
      warps_[i].grid = &grid;
      warps_[i].registers = registers_.data() + i * file;
      warps_[i].local = local_.data() + i * program_.local_bytes * kLanes;
      for (const auto& [row, bits] : program_.constants)
        std::fill_n(warps_[i].row(row), kLanes, bits);
    }
  }

  /// A block, or a cluster of them.
  void run_block() {
    for (std::vector<std::byte>& shared : grid_.shared)
      std::fill(shared.begin(), shared.end(), kPoison);
    grid_.mbarriers.clear();
    if (grid_.races)
      grid_.races->start();
    bool waited = false;
    if (!together_) {
      for (unsigned first = 0; first < threads_; first += kLanes) {
        start(warps_[0], first);
        run(warps_[0]);
        waited |= warps_[0].waited != 0;
      }
    } else {
      run_together();
      for (const Warp& warp : warps_)
        waited |= warp.waited != 0;
    }
    if (grid_.config.programmatic && !waited)
      grid_.fault(FaultKind::dependency, warps_[0], program_.steps.back(), 0, 0,
                  "a block of a dependent launch ended without griddepcontrol.wait");
  }

private:
  // What never was written is not zero on a device either.
  static constexpr std::byte kPoison{0xa5};

  void start(Warp& warp, unsigned first_thread) {
    const unsigned lanes = std::min(kLanes, threads_ - first_thread);
    warp.running = lanes == kLanes ? ~0U : (1U << lanes) - 1;
    warp.waiting = 0;
    warp.parked = 0;
    warp.met = 0;
    warp.meeting = 0;
    warp.suspended = 0;
    warp.clustered = 0;
    warp.arrived = 0;
    warp.reducing = nullptr;
    warp.any = false;
    warp.waited = 0;
    warp.first_thread = first_thread;
    std::fill_n(warp.pc, kLanes, 0U);
    std::copy(poison_.begin(), poison_.end(), warp.registers);
    std::fill_n(warp.local, program_.local_bytes * kLanes, kPoison);
    for (const auto& [row, special] : program_.specials)
      for (unsigned lane = 0; lane < kLanes; ++lane)
        warp.row(row)[lane] = special_value(grid_, special, warp, lane);
  }

  void run_together() {
    const std::size_t warps = warps_.size() / grid_.shared.size(); // of a block
    for (std::size_t i = 0; i < warps_.size(); ++i)
      start(warps_[i], static_cast<unsigned>(i % warps) * kLanes);
    for (bool waiting = true; waiting;) {
      for (Warp& warp : warps_)
        run(warp);
      waiting = wake();
      for (unsigned block = 0; block < grid_.shared.size(); ++block)
        waiting |= open_barrier(block);
      waiting = waiting || open_cluster_barrier();
    }
    check_mbarriers();
  }

  // Those whose phase of an mbarrier is complete by now.
  bool wake() {
    bool any = false;
    for (Warp& warp : warps_) {
      const std::uint32_t lanes = awoken(warp);
      warp.suspended &= ~lanes;
      warp.running |= lanes;
      any |= lanes != 0;
    }
    return any;
  }

  // Nothing goes on: nobody may be left who waits for a phase, and nothing be on its way to a block
  // that is over as far as its threads can tell.
  void check_mbarriers() {
    for (const Warp& warp : warps_) {
      if (warp.suspended == 0)
        continue;
      const auto lane = static_cast<unsigned>(std::countr_zero(warp.suspended));
      grid_.fault(FaultKind::deadlock, warp, program_.steps[warp.pc[lane] - 1], lane, 0,
                  "a thread waits for a phase of an mbarrier that nothing completes, for want of " +
                      warp.awaited[lane]->missing());
    }
    for (const auto& [place, mbarrier] : grid_.mbarriers)
      if (const Mbarrier::Origin* const sender = mbarrier.unseen())
        grid_.fault(FaultKind::race, *sender->warp, *sender->step, sender->lane, sender->address,
                    "a value is sent to a block that ends without having waited for it");
  }

  // No thread of any block runs or waits for its block.
  bool open_cluster_barrier() {
    for (const Warp& warp : warps_)
      if (warp.suspended != 0)
        return false;
    std::vector<std::size_t> passing;
    for (Warp& warp : warps_) {
      if (warp.clustered != 0)
        passing.push_back(grid_.warp_number(warp));
      warp.running = std::exchange(warp.clustered, 0);
    }
    if (grid_.races)
      grid_.races->clocks().cluster_barrier(passing);
    return !passing.empty();
  }

  // Every thread of the block that has not left is at a barrier: let them pass.
  bool open_barrier(unsigned block) {
    for (const Warp& warp : warps_)
      if (warp.block == block && (warp.running | warp.suspended) != 0)
        return false; // one that waits for an mbarrier, or did until now, is not there yet
    give_reduced(block);
    const Warp* first = nullptr;
    std::vector<std::size_t> passing;
    for (Warp& warp : warps_) {
      if (warp.block != block || warp.waiting == 0)
        continue;
      if (warp.clustered != 0)
        grid_.fault(FaultKind::deadlock, warp, program_.steps[0], 0, 0,
                    "threads of one block wait at different barriers");
      if (first != nullptr && first->barrier != warp.barrier)
        grid_.fault(FaultKind::deadlock, warp, program_.steps[0], 0, 0,
                    "threads of one block wait at different barriers");
      first = first == nullptr ? &warp : first;
      passing.push_back(grid_.warp_number(warp));
      warp.running = warp.waiting;
      warp.waiting = 0;
    }
    if (grid_.races && first != nullptr)
      grid_.races->clocks().block_barrier(passing);
    return first != nullptr;
  }

  // What a barrier that reduces found in any of the threads, to all of them.
  void give_reduced(unsigned block) {
    bool any = false;
    for (Warp& warp : warps_)
      if (warp.block == block)
        any |= std::exchange(warp.any, false);
    for (Warp& warp : warps_)
      if (warp.block == block)
        if (const Step* const step = std::exchange(warp.reducing, nullptr))
          for (std::uint32_t lanes = warp.waiting; lanes != 0; lanes &= lanes - 1)
            warp.row(step->d)[std::countr_zero(lanes)] = any;
  }

  // Runs the lanes with the lowest program counter until they catch up with the next ones: lanes
  // that part at a branch meet again where their paths join.
  void run(Warp& warp) {
    bool stuck = false;
    while (warp.running != 0) {
      const std::uint64_t before = grid_.executed;
      run_to_barrier(warp, stuck);
      const bool idle = grid_.executed == before;
      if (idle && warp.suspended != 0)
        return; // those who are parked wait for them
      stuck = idle;
      const bool meet = (warp.meeting & warp.suspended) == 0;
      warp.running = meet ? warp.parked : warp.parked & ~warp.met;
      warp.parked &= ~warp.running;
      if (!meet || warp.met == 0)
        continue;
      warp.met = 0;
      warp.meeting = 0;
      if (grid_.races)
        grid_.races->clocks().warp_barrier(grid_.warp_number(warp));
    }
  }

  // Lanes at an instruction of the warp wait for those that may come there yet.
  static bool is_early(const Warp& warp, const Step& step, std::uint32_t group) {
    const std::uint32_t live = warp.running | warp.parked;
    if (warp.suspended == 0)
      return group != live;
    const auto lane = static_cast<unsigned>(std::countr_zero(group));
    return (warp.row(step.members)[lane] & (live | warp.suspended)) != group;
  }

  // With `stuck` lanes of the warp do not wait for one another, who wait at different places.
  void run_to_barrier(Warp& warp, bool stuck) {
    while (warp.running != 0) {
      std::uint32_t pc = UINT32_MAX;
      std::uint32_t next = UINT32_MAX;
      std::uint32_t group = 0;
      for (std::uint32_t rest = warp.running; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<unsigned>(std::countr_zero(rest));
        if (warp.pc[lane] < pc) {
          next = pc;
          pc = warp.pc[lane];
          group = 0;
        } else if (warp.pc[lane] > pc) {
          next = std::min(next, warp.pc[lane]);
        }
        group |= warp.pc[lane] == pc ? 1U << lane : 0;
      }
      run_group(warp, group, pc, next, stuck);
    }
  }

  void run_group(Warp& warp, std::uint32_t group, std::uint32_t pc, std::uint32_t limit,
                 bool stuck) {
    while (pc < limit) {
      const Step& step = program_.steps[pc];
      if (step.of_warp && !stuck && is_early(warp, step, group)) {
        leave(warp, group, pc);
        warp.parked |= group;
        warp.running &= ~group;
        return;
      }
      warp.mask = step.guarded ? group & guard(warp, step) : group;
      const auto lanes = static_cast<unsigned>(std::popcount(warp.mask));
      grid_.counts[pc] += lanes;
      grid_.executed += lanes;
      if (step.flow != Flow::next) {
        if (!transfer(warp, step, group, pc))
          return;
        if (limit != UINT32_MAX) { // a jump may have passed the others
          leave(warp, group, pc);
          return;
        }
        continue;
      }
      if (warp.mask != 0)
        step.run(warp, step);
      ++pc;
    }
    leave(warp, group, pc);
  }

  static std::uint32_t guard(const Warp& warp, const Step& step) {
    const std::uint64_t* const row = warp.row(step.guard);
    std::uint32_t mask = 0;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      mask |= static_cast<std::uint32_t>(row[lane] & 1) << lane;
    return step.guard_negated ? ~mask : mask;
  }

  static void leave(Warp& warp, std::uint32_t lanes, std::uint32_t pc) {
    for (; lanes != 0; lanes &= lanes - 1)
      warp.pc[std::countr_zero(lanes)] = pc;
  }

  // Branch, exit or barrier. False if the group split or ended; else it goes on, whole, at `pc`.
  bool transfer(Warp& warp, const Step& step, std::uint32_t group, std::uint32_t& pc) {
    const std::uint32_t rest = group & ~warp.mask;
    switch (step.flow) {
    case Flow::branch: {
      const auto target = static_cast<std::uint32_t>(step.immediate);
      if (target <= pc && grid_.executed > grid_.config.instruction_limit)
        grid_.fault(FaultKind::timeout, warp, step, 0, 0, "the instruction limit was passed");
      const std::uint32_t from = pc;
      pc = rest == 0 ? target : from + 1;
      if (rest == 0 || warp.mask == 0)
        return true;
      leave(warp, warp.mask, target);
      leave(warp, rest, from + 1);
      return false;
    }
    case Flow::exit: warp.running &= ~warp.mask; break;
    case Flow::barrier: wait(warp, step, pc); break;
    case Flow::reducing_barrier:
      for (std::uint32_t lanes = warp.mask; lanes != 0; lanes &= lanes - 1)
        warp.any |= (warp.row(step.b)[std::countr_zero(lanes)] != 0) != step.negated;
      if (warp.mask != 0)
        warp.reducing = &step;
      wait(warp, step, pc);
      break;
    case Flow::warp_barrier:
      warp.parked |= warp.mask;
      warp.met |= warp.mask;
      for (std::uint32_t lanes = warp.mask; lanes != 0; lanes &= lanes - 1)
        warp.meeting |= static_cast<std::uint32_t>(warp.row(step.members)[std::countr_zero(lanes)]);
      warp.running &= ~warp.mask;
      leave(warp, warp.mask, pc + 1);
      break;
    case Flow::cluster_barrier:
      if ((warp.arrived & warp.mask) != warp.mask)
        grid_.fault(FaultKind::illegal_instruction, warp, step, 0, 0,
                    "a thread waits at a barrier of its cluster where it has not arrived");
      warp.arrived &= ~warp.mask;
      warp.clustered |= warp.mask;
      warp.running &= ~warp.mask;
      leave(warp, warp.mask, pc + 1);
      break;
    case Flow::phase_wait: {
      const std::uint32_t waiting = try_wait(warp, step);
      warp.suspended |= waiting;
      warp.running &= ~waiting;
      leave(warp, group, pc + 1);
      pc += waiting == 0 ? 1 : 0;
      return waiting == 0;
    }
    case Flow::next: break;
    }
    leave(warp, rest, pc + 1);
    if (rest == group) {
      ++pc;
      return true;
    }
    return false;
  }

  void wait(Warp& warp, const Step& step, std::uint32_t pc) {
    if (warp.mask == 0)
      return;
    const std::uint64_t id = warp.row(step.a)[std::countr_zero(warp.mask)];
    if (warp.waiting != 0 && warp.barrier != id)
      grid_.fault(FaultKind::deadlock, warp, step, 0, 0,
                  "threads of one warp wait at different barriers");
    warp.barrier = id;
    warp.waiting |= warp.mask;
    warp.running &= ~warp.mask;
    leave(warp, warp.mask, pc + 1);
  }

  Grid& grid_;
  const Program& program_;
  unsigned threads_ = 0;
  bool together_ = false; ///< warps take turns, for they wait for each other
  std::vector<Warp> warps_;
  std::vector<std::uint64_t> registers_;
  std::vector<std::uint64_t> poison_; ///< what registers hold before they are written
  std::vector<std::byte> local_;
};

Statistics summarize(const Grid& grid) {
  Statistics statistics;
  for (std::size_t i = 0; i < grid.counts.size(); ++i) {
    const Step& step = grid.program.steps[i];
    const std::uint64_t count = grid.counts[i];
    if (count == 0)
      continue;
    const Instruction& instruction = grid.program.kernel.instructions[i];
    statistics.executed[instruction.opcode] += count;
    statistics.instructions += count;
    if (step.space != Space::global && step.space != Space::generic)
      continue;
    const std::uint64_t bytes = count * step.size * step.count;
    if (instruction.opcode.compare(0, 3, "ld.") == 0)
      statistics.bytes_loaded += bytes;
    else if (instruction.opcode.compare(0, 3, "st.") == 0)
      statistics.bytes_stored += bytes;
  }
  return statistics;
}

// The caller's rounding mode and flush-to-zero must not reach the emulated arithmetic.
class DefaultFloatingPoint {
public:
  DefaultFloatingPoint() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() { std::fesetenv(&saved_); }
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;

private:
  std::fenv_t saved_{};
};

} // namespace

std::uint64_t Statistics::count(std::string_view prefix) const {
  std::uint64_t total = 0;
  for (const auto& [opcode, executed_count] : executed)
    if (std::string_view(opcode).substr(0, prefix.size()) == prefix)
      total += executed_count;
  return total;
}

void Statistics::operator+=(const Statistics& other) {
  for (const auto& [opcode, executed_count] : other.executed)
    executed[opcode] += executed_count;
  instructions += other.instructions;
  bytes_loaded += other.bytes_loaded;
  bytes_stored += other.bytes_stored;
}

Statistics execute(const Program& program, const LaunchConfig& config, Memory& memory) {
  const DefaultFloatingPoint environment;
  Grid grid(program, config, memory);
  Executor executor(grid);
  auto& [x, y, z] = grid.block_index;
  std::uint64_t left = config.block_limit;
  for (z = 0; z < config.grid[2]; ++z)
    for (y = 0; y < config.grid[1]; ++y)
      for (x = 0; x < config.grid[0]; x += program.kernel.cluster)
        if (left-- != 0)
          executor.run_block();
        else
          return summarize(grid);
  return summarize(grid);
}

} // namespace swage::emulator
