// grid.cpp -- address checks: bounds, alignment, read-only loads, races, dependent launches.
#include "emulator/grid.hpp"

#include <cstdlib>
#include <new>

namespace swage::emulator {
namespace {

std::string hex(std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do
    text.insert(text.begin(), kDigits[value & 15]);
  while ((value >>= 4) != 0);
  return "0x" + text;
}

// One a byte of an allocation, made the first time.
template <class Owner>
auto* never_touched(Owner& owner, std::size_t size) {
  using Byte = typename Owner::element_type;
  if (!owner) {
    // calloc: pages that are never touched cost nothing.
    owner.reset(static_cast<Byte*>(std::calloc(size, sizeof(Byte))));
    if (!owner)
      throw std::bad_alloc();
  }
  return owner.get();
}

std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
}

} // namespace

Grid::Grid(const Program& the_program, const LaunchConfig& the_config, Memory& the_memory)
    : program(the_program), config(the_config), memory(the_memory),
      shared(program.kernel.cluster,
             std::vector<std::byte>((program.shared_bytes + 15) / 16 * 16 + config.dynamic_shared)),
      warps((std::size_t{config.block[0]} * config.block[1] * config.block[2] + kLanes - 1) /
            kLanes),
      counts(program.steps.size()),
      check_read_only_(config.check_read_only && program.has_read_only_loads),
      check_races_(config.check_races && !program.has_barrier && !program.has_warp_barrier &&
                   !program.has_atomics),
      follows_global_(config.check_races && !check_races_ && !program.has_atomics),
      recent_(program.steps.size()) {
  if (!config.check_races)
    return;
  races.emplace(shared.size() * warps);
  shared_bytes_.assign(shared.size(), std::vector<TouchedByte>(shared[0].size() + kWord - 1));
}

std::string Grid::thread(unsigned number) const {
  const unsigned x = config.block[0];
  const unsigned y = config.block[1];
  return "thread " + triple(number % x, number / x % y, number / x / y);
}

void Grid::fault(FaultKind kind, const Warp& warp, const Step& step, unsigned lane,
                 std::uint64_t address, const std::string& message) const {
  const Instruction& instruction = program.kernel.instructions[step.index];
  throw Fault(kind, address,
              message + ": '" + instruction.text + "' (line " + std::to_string(instruction.line) +
                  " of kernel '" + program.kernel.name + "'), address " + hex(address) + ", " +
                  thread(warp.first_thread + lane) + " of block " +
                  triple(block_index[0] + warp.block, block_index[1], block_index[2]));
}

void Grid::check_aligned(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                         unsigned bytes) const {
  if ((address & (bytes - 1)) != 0) // a power of two
    fault(FaultKind::misaligned_address, warp, step, lane, address,
          "misaligned address for an access of " + std::to_string(bytes) + " bytes");
}

void Grid::refuse_shared(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                         unsigned bytes) const {
  check_aligned(warp, step, lane, address, bytes);
  const bool generic = step.space == Space::generic;
  if (generic ? address - kSharedWindow >= kLocalWindow - kSharedWindow
              : step.space != Space::shared)
    fault(FaultKind::illegal_address, warp, step, lane, address,
          "the address is not of shared memory");
  if (address % kSharedWindow / kClusterWindow > shared.size())
    fault(FaultKind::illegal_address, warp, step, lane, address,
          "the address is of no block of the cluster");
  fault(FaultKind::illegal_address, warp, step, lane, address % kClusterWindow,
        "access outside the " + std::to_string(shared[0].size()) + " bytes of shared memory");
}

void Grid::check_ordinary(const Warp& warp, const Step& step, unsigned lane,
                          const SharedPlace& place, unsigned bytes) const {
  const auto next = mbarriers.upper_bound(place.number() - Mbarrier::kBytes);
  if (next != mbarriers.end() && next->first < place.number() + bytes)
    fault(FaultKind::illegal_instruction, warp, step, lane, place.offset,
          "an access to bytes that hold an mbarrier, byte " +
              std::to_string(next->first % kClusterWindow) + " of shared memory");
}

void Grid::check_sent(const Warp& warp, const Step& step, unsigned lane, std::size_t mbarrier,
                      bool far, const SharedPlace& to) {
  const Races::Race* const race = races->send(step.index, warp_number(warp), lane, mbarrier, far,
                                              shared_bytes_[to.block].data(), to.offset, step.size);
  if (race != nullptr)
    report(*race, warp, step, lane, to.number(), false);
}

std::byte* Grid::locate(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                        unsigned bytes) {
  Space space = step.space;
  if (space == Space::generic && address >= kSharedWindow)
    space = address >= kParamWindow   ? Space::param
            : address >= kLocalWindow ? Space::local
                                      : Space::shared;
  if (space == Space::shared) {
    const SharedPlace place = shared_place(warp, step, lane, address, bytes);
    if (!mbarriers.empty())
      check_ordinary(warp, step, lane, place, bytes);
    if (races && (step.strong || (place.offset | bytes) % kWord != 0 ||
                  !races->note(step.index, warp_number(warp), lane, step.stores,
                               &shared_bytes_[place.block][place.offset], bytes)))
      check_race(warp, step, lane, shared_bytes_[place.block].data(), place.offset, place.number(),
                 bytes, false);
    return shared[place.block].data() + place.offset;
  }
  check_aligned(warp, step, lane, address, bytes);
  if (space != step.space)
    address &= kSharedWindow - 1;
  switch (space) {
  case Space::local:
    return inside(warp, step, lane, warp.local + lane * program.local_bytes, program.local_bytes,
                  address, bytes, "local");
  case Space::param:
    return inside(warp, step, lane, const_cast<std::byte*>(config.parameters.data()),
                  config.parameters.size(), address, bytes, "parameter");
  default: return locate_global(warp, step, lane, address, bytes);
  }
}

std::byte* Grid::inside(Warp& warp, const Step& step, unsigned lane, std::byte* base,
                        std::size_t size, std::uint64_t offset, unsigned bytes,
                        const char* what) const {
  if (offset > size || size - offset < bytes)
    fault(FaultKind::illegal_address, warp, step, lane, offset,
          std::string("access outside the ") + std::to_string(size) + " bytes of " + what +
              " memory");
  return base + offset;
}

void Grid::check_race(const Warp& warp, const Step& step, unsigned lane, TouchedByte* touched,
                      std::uint64_t offset, std::uint64_t place, unsigned bytes, bool of_grid) {
  Clocks& clocks = races->clocks();
  const std::size_t number = warp_number(warp);
  if (step.strong)
    clocks.acquire_at(number, place);
  const Races::Race* const race =
      races->access(step.index, number, lane, step.stores, touched, offset, bytes, of_grid);
  if (step.strong)
    clocks.release_at(number, place);
  if (race == nullptr)
    return;
  report(*race, warp, step, lane, place, of_grid);
}

// Who did what an access races with.
std::string Grid::originator(const Races::Race& race) const {
  const Access& other = race.other;
  if (race.earlier)
    return "of another block";
  if (other.warp >= races->clocks().warps())
    return "whose phase this thread does not know to be complete";
  const auto block = static_cast<unsigned>(other.warp / warps);
  const auto first_thread = static_cast<unsigned>(other.warp % warps) * kLanes;
  return "of " + thread(first_thread + other.lane) + " of block " +
         triple(block_index[0] + block, block_index[1], block_index[2]);
}

void Grid::report(const Races::Race& race, const Warp& warp, const Step& step, unsigned lane,
                  std::uint64_t place, bool of_grid) const {
  const std::uint64_t at = place + race.byte;
  const std::string where =
      of_grid ? "at " + hex(at)
              : std::to_string(at % kClusterWindow) + " of shared memory of block " +
                    std::to_string(at % kSharedWindow / kClusterWindow) + " of the cluster";
  const Instruction& instruction = program.kernel.instructions[race.other.index];
  fault(FaultKind::race, warp, step, lane, at,
        "a race for byte " + where + ": no barrier orders this access after '" + instruction.text +
            "' (line " + std::to_string(instruction.line) + ") " + originator(race));
}

std::byte* Grid::locate_global(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                               unsigned bytes) {
  Recent& recent = recent_[step.index];
  if (!recent.allocation.contains(address, bytes)) {
    recall(recent, address);
    if (!recent.allocation.contains(address, bytes))
      fault(FaultKind::illegal_address, warp, step, lane, address,
            "illegal access of " + std::to_string(bytes) + " bytes at " + memory.describe(address));
  }
  if (config.programmatic && step.space != Space::constant) {
    if ((warp.waited >> lane & 1) == 0)
      fault(FaultKind::dependency, warp, step, lane, address,
            "global memory is touched before griddepcontrol.wait in a dependent launch");
    if (step.read_only)
      fault(FaultKind::dependency, warp, step, lane, address,
            "a read-only load in a dependent launch: the grid before may still write there");
  }
  if (races && step.strong && recent.bytes == nullptr) { // what atomics order elsewhere
    races->clocks().acquire_at(warp_number(warp), address);
    races->clocks().release_at(warp_number(warp), address);
  }
  // A store to what is read by .nc is one of the other kind, whatever the order.
  if (recent.bytes != nullptr && !(step.read_only && check_read_only_))
    check_race(warp, step, lane, recent.bytes, address - recent.allocation.base, address, bytes,
               true);
  if (recent.touches != nullptr)
    touch(warp, step, lane, recent, address, bytes);
  return recent.allocation.host + (address - recent.allocation.base);
}

void Grid::check_allocated(Warp& warp, const Step& step, unsigned lane, std::uint64_t address) {
  Recent& recent = recent_[step.index];
  if (!recent.allocation.contains(address, 1))
    recall(recent, address);
  if (!recent.allocation.contains(address, 1))
    fault(FaultKind::illegal_address, warp, step, lane, address,
          "a prefetch of memory at " + memory.describe(address));
}

void Grid::recall(Recent& recent, std::uint64_t address) {
  constexpr std::uint64_t kLargest = 16U << 20; // a Touch is many times a byte
  recent = {memory.find(address).value_or(Allocation{}), nullptr, nullptr};
  const std::uint64_t size = recent.allocation.size;
  if (follows_global_ && size != 0 && size <= kLargest / 4)
    recent.bytes = never_touched(bytes_[recent.allocation.base], size + kWord - 1);
  if (size == 0 || size > (check_read_only_ ? 4 * kLargest : check_races_ ? kLargest : 0))
    return;
  recent.touches = never_touched(touches_[recent.allocation.base], size);
}

std::uint32_t Grid::thread_number(const Warp& warp, unsigned lane) const {
  const auto& [x, y, z] = block_index;
  const std::uint32_t block = (z * config.grid[1] + y) * config.grid[0] + x + warp.block;
  const std::uint32_t threads = config.block[0] * config.block[1] * config.block[2];
  return block * threads + warp.first_thread + lane + 1;
}

void Grid::touch(const Warp& warp, const Step& step, unsigned lane, const Recent& recent,
                 std::uint64_t address, unsigned bytes) const {
  Touch* const touches = recent.touches + (address - recent.allocation.base);
  const std::uint32_t thread = thread_number(warp, lane);
  bool conflict = false;
  bool race = false;
  for (unsigned i = 0; i < bytes; ++i) {
    Touch& byte = touches[i];
    race |= byte.writer != 0 && byte.writer != thread;
    if (step.stores) {
      race |= byte.reader != 0 && byte.reader != thread;
      byte.writer = thread;
    } else {
      byte.reader = byte.reader == 0 || byte.reader == thread ? thread : Touch::kMany;
      byte.read_only |= step.read_only;
    }
    conflict |= byte.read_only && byte.writer != 0;
  }
  if (conflict && check_read_only_)
    fault(FaultKind::read_only_conflict, warp, step, lane, address,
          "memory is both loaded through .nc and stored to in one grid");
  if (race && check_races_)
    fault(FaultKind::race, warp, step, lane, address,
          step.stores ? "a store to memory that another thread of the grid touches"
                      : "a load of memory that another thread of the grid stores to");
}

} // namespace swage::emulator
