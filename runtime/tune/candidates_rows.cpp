// candidates_rows.cpp -- which schedules of kernels that reach along their rows are worth
// measuring.
#include "runtime/tune/candidates_rows.hpp"

#include <algorithm>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"

namespace swage::tune {

using codegen::CudaSchedule;
using codegen::DependentLaunch;

namespace {

/// Of rows whose columns are computed apart: in parts, with accesses of the default's width, wider
/// ones and half of it; of many rows, those that load all first, and blocks that go over a row and
/// load ahead.
int place_parts(const CudaSchedule& schedule, const CudaSchedule& by_default, bool held,
                const CandidateInput& input) {
  constexpr std::int64_t kManyRows = 256;
  if (2 * schedule.access_bytes < by_default.access_bytes)
    return -1;
  const bool many = input.elements >= kManyRows * input.specialization.columns_at_most;
  if (held && schedule.ahead)
    return many && schedule.accesses <= 2 && schedule.threads <= 256 ? 1 : -1;
  if (schedule.waves > 0)
    return schedule.accesses > 4 ? -1 : schedule.accesses <= 2 ? 0 : 1;
  const bool usual = schedule.threads == schedule.row_threads && schedule.threads == 128 &&
                     schedule.accesses == 1 && schedule.access_bytes >= by_default.access_bytes;
  return many && schedule.ahead && usual ? 1 : -1;
}

/// Whether a multiprocessor holds twice as many of these blocks as there are for each: the same
/// with more registers is a candidate too.
bool is_roomy(const CudaSchedule& schedule, const CandidateInput& input) {
  constexpr int kFewThreads = 512;
  if (!codegen::comes_with_registers(schedule, input.kernel) || schedule.resident <= kFewThreads)
    return false;
  const std::int64_t columns = std::max<std::int64_t>(input.specialization.columns_at_most, 1);
  const std::int64_t blocks =
      std::max<std::int64_t>(input.elements / columns, 1) * codegen::row_blocks(schedule);
  const std::int64_t room =
      std::int64_t{input.compute_units} * schedule.resident / schedule.threads;
  return room >= 2 * blocks + 2 * input.compute_units;
}

/// Whether a part of a row has so many registers that the assembler puts some of the loads where
/// their values are needed, which few rows may gain from, too (SwiGLU of 16x14336 in groups of 128
/// with scales in e8m0 on an H200: 1.89 us, with more registers 1.98).
bool loads_as_it_computes(const CudaSchedule& schedule) {
  constexpr int kThreads = 128, kBytes = 32, kResident = 1280;
  return !schedule.ahead && schedule.threads == kThreads && schedule.access_bytes == kBytes &&
         schedule.resident == kResident;
}

/// The schedule that loads ahead what this one does not.
CudaSchedule toggled(CudaSchedule schedule) {
  schedule.ahead = !schedule.ahead;
  return schedule;
}

} // namespace

bool has_geometry_of(const CudaSchedule& schedule, const CudaSchedule& other) {
  return schedule.row_threads == other.row_threads && schedule.threads == other.threads &&
         schedule.access_bytes == other.access_bytes && schedule.accesses == other.accesses &&
         schedule.ahead == other.ahead && schedule.waves == other.waves;
}

bool leaves_soon(const CudaSchedule& schedule, const CandidateInput& input) {
  constexpr std::int64_t kManyRows = 1024;
  return schedule.row_threads == 32 && schedule.threads == 128 && schedule.access_bytes == 16 &&
         schedule.load == codegen::LoadPolicy::streaming &&
         schedule.store == codegen::StorePolicy::streaming &&
         input.elements > kManyRows * input.specialization.columns_at_most;
}

int place_rows(const CudaSchedule& schedule, const CudaSchedule& by_default,
               const CandidateInput& input) {
  const auto geometry = codegen::make_row_geometry(input.kernel, input.specialization, schedule);
  const auto usual = codegen::make_row_geometry(input.kernel, input.specialization, by_default);
  const bool same = has_geometry_of(schedule, by_default);
  const bool apart = codegen::computes_columns_apart(input.kernel);
  // How launches that wait get in the way of a cluster, which needs room for all of its blocks at
  // once, another geometry does not tell.
  const bool cluster = schedule.waves > 0 && by_default.waves == 0 && !apart;
  if (cluster ? schedule.dependent_launch == DependentLaunch::none
              : schedule.dependent_launch != by_default.dependent_launch)
    return !same || !usual_policy(schedule, by_default)         ? -1
           : schedule.dependent_launch == DependentLaunch::none ? 4
                                                                : 1;
  if (schedule.fetch != by_default.fetch)
    return -1;
  const std::int64_t columns = input.specialization.columns_at_most;
  if (!usual_policy(schedule, by_default))
    return same ? 2 : geometry.held && leaves_soon(schedule, input) ? 3 : -1;
  if (apart && geometry.held && is_roomy(schedule, input) && !loads_as_it_computes(schedule))
    return -1;
  if (apart && (schedule.waves > 0 || schedule.ahead || !geometry.held))
    return place_parts(schedule, by_default, geometry.held, input);
  if (usual.held && !geometry.held)
    return -1;
  // They take half a second to assemble, a few of them longer than all others.
  constexpr int kManyElements = 128;
  const int elements = codegen::thread_elements(schedule, input.kernel);
  if (geometry.held && elements >= kManyElements &&
      elements > codegen::thread_elements(by_default, input.kernel))
    return -1;
  if (schedule.row_threads > 4 && columns > 0 && geometry.step >= 2 * columns)
    return -1; // half of the threads have nothing
  const bool sums_over_rows = codegen::stores_after_rows(input.kernel);
  if (schedule.ahead != by_default.ahead && !sums_over_rows && !apart) {
    CudaSchedule other = schedule;
    other.ahead = by_default.ahead;
    if (codegen::bytes_a_column(input.kernel) == 0 && schedule != toggled(by_default))
      return -1;
    const int otherwise = place_rows(other, by_default, input);
    return otherwise == 0 ? 1 : -1;
  }
  const int rows = schedule.threads / schedule.row_threads;
  if (sums_over_rows) {
    if (schedule.threads < 128 || schedule.access_bytes != by_default.access_bytes ||
        (rows > 1 && schedule.threads > 512))
      return -1;
    return schedule.ahead == by_default.ahead ? 0 : 1;
  }
  // Where one block has a row by default, clusters are good for very few rows alone, or where each
  // block has a multiprocessor (16 rows of 14336 on an H200, a cluster of four: softmax 13 %
  // faster, f8e4m3 with a scale a row 14 %).
  constexpr std::int64_t kFewRows = 4;
  if (schedule.waves > 0 && by_default.waves == 0 && columns > 0 &&
      input.elements > kFewRows * columns &&
      schedule.waves * input.elements > std::int64_t{input.compute_units} * columns)
    return -1;
  // Accesses of half the width, of as many elements a thread, are better at times where rows are
  // long (RMSNorm of 64x131072, two blocks of 1024 threads: 11.7 us for 12.0 by default).
  constexpr int kFull = 16;
  if (schedule.waves > 0 && by_default.waves > 0 && by_default.access_bytes == kFull &&
      2 * schedule.access_bytes == kFull)
    return elements == codegen::thread_elements(by_default, input.kernel) ? 1 : -1;
  if (schedule.waves == codegen::kMostOfCluster && columns < codegen::kLongRow)
    return -1;
  // Rows at odd places, which have narrow ones, may gain from wider ones where they are busy
  // (cross entropy of 512x50257 67 us for 98).
  if (schedule.waves > 0 && by_default.waves > 0 && by_default.access_bytes < kFull &&
      schedule.access_bytes == 2 * by_default.access_bytes)
    return 1;
  if (schedule.waves > 0)
    return schedule.access_bytes == by_default.access_bytes ? (by_default.waves > 0 ? 0 : 1) : -1;
  const bool block = rows == 1 || schedule.threads == 128;
  const bool more = schedule.threads == 256 && schedule.row_threads <= 128;
  if (!block && !more)
    return -1;
  const bool full = schedule.access_bytes == by_default.access_bytes;
  if (full || schedule.access_bytes == 2 * by_default.access_bytes)
    return schedule.threads < 128 ? 3 : block ? (full ? 0 : 1) : 2;
  return block && 2 * schedule.access_bytes == by_default.access_bytes && schedule.threads >= 128
             ? 3
             : -1;
}

} // namespace swage::tune
