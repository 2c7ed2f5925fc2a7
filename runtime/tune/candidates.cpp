// candidates.cpp -- which of all legal schedules are worth measuring.
#include "runtime/tune/candidates.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "codegen/compiler.hpp"
#include "codegen/row_geometry.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/tile_plan.hpp"
#include "runtime/tune/candidates_rows.hpp"

namespace swage::tune {

namespace {

using codegen::CudaSchedule;
using codegen::DependentLaunch;
using codegen::HostSchedule;
using codegen::Schedule;

/// Whether only the kind of dependent launch is another one.
bool is_otherwise(CudaSchedule schedule, const CudaSchedule& by_default) {
  schedule.dependent_launch = by_default.dependent_launch;
  return schedule == by_default;
}

/// One launch waits and fetches, in small blocks, which may be the fastest in memory and in the
/// cache (SwiGLU of 64x14336 of packed bf16 on an H200).
bool fetches_as_one_waits(const CudaSchedule& schedule, const CudaSchedule& by_default) {
  return schedule.fetch && schedule.dependent_launch == DependentLaunch::after_wait &&
         usual_policy(schedule, by_default) && schedule.threads <= 256 && schedule.threads >= 128 &&
         schedule.accesses == by_default.accesses &&
         schedule.access_bytes >= by_default.access_bytes;
}

/// Places from the likeliest on; negative: not worth a measurement. Of the four thousand legal
/// schedules these are kept: every block size with one or two accesses of full or half width, or as
/// many as the default has; every cache policy on as many of full width; persistent grids of full
/// width, last, for on an H200 they lost at the sizes measured by hand. See has_fit_policy for
/// calls that fill the cache. Where launches can be dependent, independent ones stay only as a
/// control and for the read-only path, which dependent ones cannot have: on an H100 they took up to
/// a third longer at small sizes and as long at large ones, in every combination.
int place(const CudaSchedule& schedule, const CudaSchedule& by_default) {
  if (schedule.dependent_launch != by_default.dependent_launch) {
    if (schedule.dependent_launch != DependentLaunch::none)
      return is_otherwise(schedule, by_default)           ? 3
             : fetches_as_one_waits(schedule, by_default) ? 2
                                                          : -1;
    const bool control = schedule.access_bytes == by_default.access_bytes &&
                         schedule.accesses == by_default.accesses && schedule.waves == 0 &&
                         schedule.store == codegen::StorePolicy::automatic;
    const bool usual =
        schedule.load == by_default.load || schedule.load == codegen::LoadPolicy::read_only;
    return control && usual ? 4 : -1;
  }
  if (schedule.fetch != by_default.fetch)
    return -1;
  const bool full = schedule.access_bytes == by_default.access_bytes;
  const bool wider = schedule.access_bytes > by_default.access_bytes;
  const bool half = 2 * schedule.access_bytes == by_default.access_bytes;
  if (schedule.waves == 0 && usual_policy(schedule, by_default)) {
    if (full && schedule.accesses == by_default.accesses)
      return 0;
    if (full && schedule.accesses <= 2)
      return 2;
    if (half && schedule.accesses <= 2)
      return 3;
    // Where alignment splits accesses, see default_schedule.
    if (by_default.accesses > 1 && wider && schedule.access_bytes * schedule.accesses <= 16)
      return 3;
    if ((full && schedule.accesses == 4) || (wider && schedule.accesses == 1))
      return 4;
    return -1;
  }
  if (!full || schedule.threads < 128 || schedule.threads > 512)
    return -1;
  if (schedule.waves == 0)
    return schedule.accesses == by_default.accesses ? 1 : -1;
  return usual_policy(schedule, by_default) && schedule.accesses <= 2 && schedule.threads <= 256
             ? 5
             : -1;
}

/// More accesses a thread, or a persistent grid, than there is work for launches as fewer do.
bool is_idle(const CudaSchedule& schedule, const CandidateInput& input) {
  const auto lanes = static_cast<std::int64_t>(codegen::vector_elements(schedule, input.kernel));
  const std::int64_t items = (input.elements + lanes - 1) / lanes;
  const std::int64_t block = std::int64_t{schedule.threads} * schedule.accesses;
  if (schedule.waves > 0)
    return items <= std::int64_t{schedule.waves} * input.compute_units * block;
  return schedule.threads > 64 && schedule.threads / 2 * schedule.accesses >= items;
}

/// Cache policies and kinds of launch are tried of the default, which has registers of its own.
void take_registers(CudaSchedule& schedule, const CudaSchedule& by_default) {
  if (!usual_policy(schedule, by_default) ||
      schedule.dependent_launch != by_default.dependent_launch)
    schedule.resident = by_default.resident;
}

/// The same of what is fetched early, where it can be; and other numbers of registers.
void take_fetch(CudaSchedule& schedule, const CudaSchedule& by_default,
                const CandidateInput& input) {
  if (usual_policy(schedule, by_default) && schedule.resident == by_default.resident)
    return;
  schedule.fetch = by_default.fetch && schedule.dependent_launch != DependentLaunch::none &&
                   codegen::can_fetch(schedule, input.kernel, input.specialization);
}

/// Clusters that load no more than the default's have as few registers as it.
void take_room(CudaSchedule& schedule, const CudaSchedule& by_default,
               const CandidateInput& input) {
  const auto elements = [&](const CudaSchedule& of) {
    return codegen::thread_elements(of, input.kernel);
  };
  if (schedule.waves > 0 && by_default.waves > 0 &&
      !codegen::computes_columns_apart(input.kernel) && elements(schedule) <= elements(by_default))
    schedule.resident = std::max(schedule.resident, by_default.resident);
}

/// The same for kernels with groups of rows: accesses of the default's width, twice and half of it,
/// of any number of rows at a time, in blocks of up to 256 threads, with a tile for each warp or
/// one that all share, with the registers that they are thought to take and with fewer; cache
/// policies for the default's.
int place_tiles(const CudaSchedule& schedule, const CudaSchedule& by_default) {
  const bool full = schedule.access_bytes == by_default.access_bytes;
  const bool same = full && schedule.threads == by_default.threads &&
                    schedule.row_threads == by_default.row_threads &&
                    schedule.accesses == by_default.accesses &&
                    schedule.resident == by_default.resident;
  if (schedule.dependent_launch != by_default.dependent_launch)
    return same && usual_policy(schedule, by_default) ? 4 : -1;
  if (!usual_policy(schedule, by_default))
    return same ? 2 : -1;
  const bool near = full || schedule.access_bytes == 2 * by_default.access_bytes ||
                    2 * schedule.access_bytes == by_default.access_bytes;
  if (!near || schedule.threads > 256)
    return -1;
  // Where warps share a tile by default, one each is seldom better.
  const bool shared = by_default.row_threads > 32;
  if (shared && schedule.row_threads == 32)
    return full && schedule.threads == by_default.threads ? 3 : -1;
  return full ? (schedule.threads == by_default.threads ? 0 : 1)
              : (schedule.threads == by_default.threads ? 1 : 3);
}

/// The same with more registers a thread. None where as many blocks fit then, which is the same
/// code.
std::optional<CudaSchedule> with_more_registers(CudaSchedule schedule) {
  const auto blocks = [&] { return std::max(schedule.resident / schedule.threads, 1); };
  const int before = blocks();
  schedule.resident = codegen::resident_with_more_registers(schedule);
  return blocks() < before ? std::optional(schedule) : std::nullopt;
}

int place(const HostSchedule& schedule, const HostSchedule& by_default) {
  int distance = 0;
  distance += schedule.lanes == by_default.lanes ? 0 : schedule.lanes > by_default.lanes ? 2 : 3;
  distance += schedule.unroll == by_default.unroll ? 0 : 1;
  distance += schedule.streaming == by_default.streaming ? 0 : 1;
  distance += schedule.grain == by_default.grain ? 0 : 1;
  return distance;
}

/// Whether cache policies are for calls of this size. Where reading outlives writing by default
/// little else was faster in memory (35 calls of 24 MB and more on an H200, 0 to 3 % slower). What
/// fits the cache several times over gains nothing from it.
bool has_fit_policy(const CudaSchedule& schedule, const CudaSchedule& by_default,
                    const CandidateInput& input) {
  constexpr std::int64_t kOfCache = 16;
  if (by_default.load == codegen::LoadPolicy::evict_last)
    return schedule.load == by_default.load || leaves_soon(schedule, input);
  return schedule.load != codegen::LoadPolicy::evict_last ||
         codegen::fills_cache(input.kernel, kOfCache * input.elements);
}

/// Whether what a call reads may be worth fetching before a launch waits: little enough that most
/// of it is what blocks wait for. Of more a launch takes 3 % less from memory, and up to 15 % more
/// behind what writes it.
bool may_fetch(const CudaSchedule& schedule, const CandidateInput& input) {
  constexpr std::int64_t kMuch = 8 << 20;                            // bytes
  const std::int64_t bytes = codegen::bytes_of_inputs(input.kernel); // an element
  return codegen::lets_next_wait(schedule.dependent_launch) &&
         input.elements < kMuch / std::max<std::int64_t>(bytes, 1) &&
         codegen::can_fetch(schedule, input.kernel, input.specialization);
}

/// What the others are variations of: the default, which may fetch, whether it does or not.
CudaSchedule varied(CudaSchedule schedule, const CandidateInput& input) {
  schedule.fetch = schedule.fetch || may_fetch(schedule, input);
  return schedule;
}

/// Where the default does not fetch, and may, whatever is tried with it is tried without, too.
CudaSchedule fetches_either(CudaSchedule schedule, const CudaSchedule& by_default,
                            const CudaSchedule& varied) {
  if (!by_default.fetch && varied.fetch)
    schedule.fetch = true;
  return schedule;
}

/// The default with every kind of dependent launch, and where it can be with what it fetches early
/// and without.
std::vector<CudaSchedule> launched_otherwise(CudaSchedule schedule, const CandidateInput& input) {
  std::vector<CudaSchedule> found;
  const bool by_default = schedule.fetch;
  if (schedule.dependent_launch == DependentLaunch::none)
    return found;
  for (const DependentLaunch dependent : {schedule.dependent_launch, DependentLaunch::at_start,
                                          DependentLaunch::after_wait, DependentLaunch::at_end})
    for (const bool fetch : {true, false}) {
      schedule.dependent_launch = dependent;
      schedule.fetch = fetch;
      const bool early = by_default && dependent != DependentLaunch::at_end;
      if (!fetch || early || may_fetch(schedule, input))
        found.push_back(schedule);
    }
  return found;
}

/// The schedule as it acts on this size: every grain of at least all elements is one task.
Schedule as_launched(const Schedule& schedule, const CandidateInput& input) {
  if (const auto* host = std::get_if<HostSchedule>(&schedule)) {
    HostSchedule same = *host;
    if (same.grain >= input.elements)
      same.grain = 1 << 30;
    return same;
  }
  return schedule;
}

} // namespace

std::vector<Schedule> candidates(const CandidateInput& given, const Schedule& by_default) {
  // Products of it are compared; beyond this all calls are alike.
  constexpr std::int64_t kMostElements = std::int64_t{1} << 50;
  CandidateInput input = given;
  input.elements = std::min(given.elements, kMostElements);
  const auto* of_gpu = std::get_if<CudaSchedule>(&by_default);
  const CudaSchedule usual = of_gpu ? varied(*of_gpu, input) : CudaSchedule{};
  std::vector<std::pair<int, Schedule>> ranked;
  const bool tiles = codegen::rows_of_groups(input.kernel) > 0;
  if (of_gpu)
    for (const CudaSchedule& schedule : launched_otherwise(*of_gpu, input))
      ranked.emplace_back(tiles                                                   ? 4
                          : schedule.dependent_launch == of_gpu->dependent_launch ? 0
                                                                                  : 1,
                          schedule);
  for (Schedule& schedule :
       codegen::compiler()->all_schedules(input.kernel, input.specialization, input.target)) {
    int rank = -1;
    auto* cuda = std::get_if<CudaSchedule>(&schedule);
    // Registers of clusters depend on the rows, too.
    if (cuda && (codegen::reduces_groups(input.kernel) ||
                 (codegen::in_clusters(input.kernel, usual) && has_geometry_of(*cuda, usual))))
      take_registers(*cuda, usual);
    if (cuda) {
      take_room(*cuda, usual, input);
      take_fetch(*cuda, usual, input);
    }
    if (cuda && (!has_fit_policy(*cuda, usual, input) || (cuda->fetch && !usual.fetch)))
      continue;
    if (cuda && tiles)
      rank = place_tiles(*cuda, usual);
    else if (cuda && cuda->row_threads > 0)
      rank = place_rows(fetches_either(*cuda, *of_gpu, usual), usual, input);
    else if (cuda)
      rank = is_idle(*cuda, input) ? -1 : place(fetches_either(*cuda, *of_gpu, usual), usual);
    else
      rank = place(std::get<HostSchedule>(schedule), std::get<HostSchedule>(by_default));
    if (rank >= 0 && cuda && cuda->fetch != usual.fetch)
      ++rank; // of these one is the default
    if (rank >= 0)
      ranked.emplace_back(rank, schedule);
    if (cuda && cuda->row_threads > 0 && !tiles && cuda->waves == 0 && (rank == 0 || rank == 1) &&
        !codegen::stores_after_rows(input.kernel) &&
        !codegen::comes_with_registers(*cuda, input.kernel))
      if (const auto more = with_more_registers(*cuda))
        ranked.emplace_back(rank + 1, *more);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Schedule> result{by_default};
  std::set<std::string> seen{codegen::canonical(as_launched(by_default, input))};
  for (const auto& [rank, schedule] : ranked)
    if (seen.insert(codegen::canonical(as_launched(schedule, input))).second)
      result.push_back(schedule);
  return result;
}

} // namespace swage::tune
