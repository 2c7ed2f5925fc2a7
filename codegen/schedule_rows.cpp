// schedule_rows.cpp -- CUDA schedules of kernels that work row by row: legal range, registers,
// space.
#include "codegen/schedule_rows.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "ir/sum_order.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// Bytes of an access of `most` elements and `bytes` at most, and of no more than two instructions,
/// as the tensors lie (2048x4096 at odd places on an H200: RMSNorm of bf16 25.7 us with four and
/// 14.1 with two, softmax 25.2 and 13.8, RMSNorm of f32 29.2 and 20.6).
int row_access(const ir::Kernel& kernel, const Specialization& specialization, int most,
               int bytes = 16) {
  const int element = widest_element(kernel);
  if (mostly_strided(specialization))
    return least_access(kernel);
  const int aligned = aligned_elements(kernel, specialization);
  int count = std::min({bytes / element, most, affordable_elements(kernel)});
  while (count > 1 && 2 * aligned < count)
    count /= 2;
  return std::max(count * element, least_access(kernel));
}

} // namespace

void RowSchedules::check(const CudaSchedule& schedule) const {
  const int row = schedule.row_threads;
  if (row < 2 || row > 1024 || !std::has_single_bit(static_cast<unsigned>(row)) ||
      schedule.threads % row != 0)
    refuse_schedule(
        fmt::format("row={} is not a power of two from 2 to 1024 that divides threads={}", row,
                    schedule.threads));
  const int blocks = schedule.waves;
  const int most_blocks = plan_.apart           ? kMostParts
                          : target_.cluster > 0 ? target_.cluster
                                                : kMostOfCluster; // refused below
  const bool is_odd = !plan_.apart && !std::has_single_bit(static_cast<unsigned>(blocks));
  if (blocks != 0 && (blocks < 2 || blocks > most_blocks || is_odd))
    refuse_schedule(fmt::format("grid={} is neither 'once' nor {} blocks a row, which '{}' takes",
                                blocks,
                                plan_.apart                     ? "from 2 to 64"
                                : most_blocks == kMostOfCluster ? "2, 4, 8 or 16"
                                                                : "2, 4 or 8",
                                kernel_.name()));
  if (blocks > 1 && !plan_.apart && target_.sm < 90)
    refuse_schedule(fmt::format("grid={} makes clusters of blocks, which need sm_90 or later; the "
                                "target is sm_{}",
                                blocks, target_.sm));
  if (blocks > 1 && !plan_.apart && target_.newest_ptx != 0 && target_.newest_ptx < kClusterPtx)
    refuse_schedule(fmt::format("grid={} makes clusters of blocks, whose code is PTX {}.{}; the "
                                "driver takes {}.{}, and one of CUDA 12.1 or newer would take it",
                                blocks, kClusterPtx / 10, kClusterPtx % 10, target_.newest_ptx / 10,
                                target_.newest_ptx % 10));
  const RowGeometry geometry = make_row_geometry(kernel_, specialization_, schedule);
  if (blocks > 1 && plan_.apart && (!geometry.held || geometry.rows > 1))
    refuse_schedule(fmt::format("grid={} splits rows over blocks of one row, which hold their "
                                "parts; take row={} and more accesses, or grid=once",
                                blocks, schedule.threads));
  if (blocks > 1 && !plan_.apart &&
      (!geometry.held || geometry.rows > 1 || row < 64 || geometry.step < ir::kSumLanes ||
       plan_.after_rows || plan_.reductions.empty()))
    refuse_schedule(fmt::format(
        "grid={} splits rows that are reduced over blocks of one row of 64 threads and "
        "more, which hold their parts and access 1024 columns at once together or more, "
        "and nothing is summed over rows; take more threads, bytes or accesses, row={}, or "
        "grid=once",
        blocks, schedule.threads));
  const std::uint32_t group = plan_.group;
  if (least_of_groups_ > 0 && !is_within_warp(geometry, group))
    refuse_schedule(fmt::format("groups of {} columns are overwritten in place, so that a warp has "
                                "to access them in whole; take row=32 or more and bytes={} or "
                                "more{}",
                                group, least_of_groups_,
                                blocks > 1 ? ", and fewer blocks a row or grid=once" : ""));
  if (row < 32 && (!geometry.held || (group > 0 && !is_within_warp(geometry, group))))
    refuse_schedule(
        fmt::format("row={} is below 32, and {}; take more threads a row or more accesses", row,
                    geometry.held ? "a group of columns is wider than what they access at once"
                                  : "they do not hold a row"));
  if (plan_.after_rows && geometry.rows > 1 && !geometry.held)
    refuse_schedule(
        fmt::format("threads={} row={} make blocks of {} rows, whose threads do not hold a row, "
                    "which kernels that sum over their rows need; take row={} or more accesses",
                    schedule.threads, row, geometry.rows, schedule.threads));
  if (schedule.ahead && !plan_.after_rows && !plan_.apart && plan_.reductions.empty())
    refuse_schedule(fmt::format("ahead=1 is for kernels that sum over their rows or reduce them; "
                                "'{}' takes 0",
                                kernel_.name()));
  if (schedule.ahead && !plan_.apart && !geometry.held)
    refuse_schedule("ahead=1 needs threads that hold a row; take more of them or more accesses");
  const auto columns = static_cast<std::size_t>(geometry.chunks * geometry.vector);
  const std::size_t passes = geometry.held ? 1 : plan_.reductions.size() + 1;
  if (columns > 1 && columns * passes * cuda_instructions(kernel_) > kMaxCudaInstructions)
    refuse_schedule(fmt::format("row={} bytes={} accesses={} make too much code of a kernel this "
                                "long; take more threads a row, or less of the others",
                                row, schedule.access_bytes, schedule.accesses));
  constexpr int kMostSlabs = 32;
  if (geometry.slabs > kMostSlabs)
    refuse_schedule(
        fmt::format("row={} bytes={} make {} accesses of 1024 columns, more than {}; take more "
                    "of either",
                    row, schedule.access_bytes, geometry.slabs, kMostSlabs));
  if (const std::int64_t bytes = shared_bytes(plan_, kernel_, geometry); bytes > kSharedBytes)
    refuse_schedule(
        fmt::format("threads={} row={} bytes={} need {} bytes of shared memory, more than the "
                    "{} of a block; take less of any",
                    schedule.threads, row, schedule.access_bytes, bytes, kSharedBytes));
}

int RowSchedules::least_bytes_of_groups() const {
  const auto group = static_cast<int>(plan_.group);
  const int bytes = group / 32 * widest_element(kernel_);
  const bool can = std::has_single_bit(plan_.group) && bytes <= widest_access(kernel_, target_);
  return can && bytes > 0 && groups_in_place(kernel_, specialization_) ? bytes : 0;
}

int RowSchedules::access(int most, int bytes) const {
  return std::max(row_access(kernel_, specialization_, most, bytes), least_of_groups_);
}

bool RowSchedules::is_legal(const CudaSchedule& schedule) const {
  try {
    check(schedule);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool RowSchedules::has_columns_to_load() const {
  return !plan_.reductions.empty() && bytes_a_column(kernel_) > 0;
}

bool RowSchedules::is_held(const CudaSchedule& schedule) const {
  return make_row_geometry(kernel_, specialization_, schedule).held;
}

int RowSchedules::registers(const CudaSchedule& schedule) const {
  const RowGeometry geometry = make_row_geometry(kernel_, specialization_, schedule);
  const bool values = !holds_bits(kernel_, geometry);
  int bytes = 0, shared = 0, most = 4, stored = 0;
  for (const ir::Param& param : kernel_.params()) {
    const int size = size_of(param.dtype);
    if (param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none)
      bytes += values ? std::max(size, 4) : size, stored += size;
    else if (param.is_tensor() && param.broadcast == ir::Broadcast::per_column)
      shared += size;
  }
  if (!plan_.after_rows)
    bytes = values ? held_values_ : held_bits_;
  bool functions = false; // polynomials
  for (const ir::Node& node : kernel_.nodes()) {
    most = std::max(most, size_of(node.type));
    functions |= instructions(node) >= 16;
  }
  const int held = geometry.chunks * geometry.vector * bytes / 4;
  const int sums = (geometry.slabs - 1) * geometry.vector * most / 4;
  const int by_hand = target_.sm < 80 ? 8 : 0; // bf16 is rounded in integers
  const bool all_columns = plan_.after_rows ? holds_columns(kernel_, geometry) : schedule.ahead;
  const bool next = plan_.after_rows || (plan_.apart && !geometry.held); // is what is loaded ahead
  int strand = next && schedule.ahead ? geometry.chunks * geometry.vector * stored / 4 : 0;
  for (std::size_t i = 0; i < plan_.column_sums.size(); ++i)
    if (!plan_.column_sum_for_all[i] && geometry.held)
      strand += geometry.chunks * geometry.vector * plan_.column_sum_bytes[i] / 4 / geometry.rows;
  const int addresses = geometry.ordered || plan_.after_rows ? 12 : 6; // and columns past the end
  const int columns = geometry.vector * shared / 4 * (all_columns ? geometry.chunks : 1);
  const int at_hand = 2 * geometry.vector * most / 4;
  // Else blocks that meet have added up all that they had when they load columns ahead.
  const bool in_turn =
      all_columns && in_clusters(kernel_, schedule) && !loads_columns_early(kernel_, schedule);
  return strand + addresses * element_inputs(kernel_) + held + sums +
         (in_turn ? std::max(columns, at_hand) : columns + at_hand) + by_hand + (functions ? 8 : 0);
}

bool RowSchedules::fits(const CudaSchedule& schedule, int spilled) const {
  constexpr int kOfThread = 255;
  return registers(schedule) <= std::min(kRegisters / schedule.threads, kOfThread) + spilled;
}

int RowSchedules::resident(const CudaSchedule& schedule) const {
  if (plan_.after_rows) { // two blocks where they fit: there are no more to be had
    const bool two = registers(schedule) <= kRegisters / (2 * schedule.threads) + 2 * kSpilled;
    return std::clamp((two ? 2 : 1) * schedule.threads / 256 * 256, 256, resident_threads(target_));
  }
  constexpr int kSlack = 4; // the estimate is low by so much at times, and spills cost more
  const int fit = kRegisters / (registers(schedule) + kSlack);
  const int blocks = std::max(fit / schedule.threads, 1);
  // Clusters find room sooner where a multiprocessor has it for two blocks: with one, an H200 holds
  // 15 clusters of eight blocks, and 16 rows take twice the time.
  if (in_clusters(kernel_, schedule))
    return 1024;
  return std::clamp(blocks * schedule.threads / 256 * 256, 256,
                    std::min(resident_threads(target_), 1536));
}

int RowSchedules::resident_of_part(const CudaSchedule& schedule, int wanted) const {
  constexpr int kLeast = 24; // addresses, and what one column takes
  const RowGeometry geometry = make_row_geometry(kernel_, specialization_, schedule);
  const int loaded = geometry.chunks * geometry.vector * held_bits_ / 4;
  const int most = std::min(kRegisters / (kLeast + loaded), resident_threads(target_));
  return std::max(std::min(wanted, most) / 256 * 256, 256);
}

std::int64_t RowSchedules::parts(const CudaSchedule& schedule) const {
  const std::int64_t width =
      std::int64_t{schedule.threads} * schedule.accesses * vector_elements(schedule, kernel_);
  return (specialization_.columns_at_most + width - 1) / width;
}

bool RowSchedules::split(CudaSchedule& schedule) const {
  const std::int64_t count = parts(schedule);
  if (count < 2 || count > kMostParts)
    return false;
  const CudaSchedule tried = split_over(schedule, static_cast<int>(count));
  if (!is_legal(tried) || !fits(tried, 0))
    return false;
  schedule = tried;
  return true;
}

/// A row that one block has in a few accesses is short.
bool RowSchedules::is_short(std::int64_t columns) const {
  constexpr std::int64_t kShort = 4096, kShortOfInputs = 8192;
  return columns <= kShort && columns * element_inputs(kernel_) <= kShortOfInputs;
}

bool RowSchedules::is_worth_splitting(const CudaSchedule& schedule, int blocks) const {
  CudaSchedule tried = split_over(schedule, blocks);
  if (schedule.row_threads < 128 || schedule.threads != schedule.row_threads ||
      is_short(specialization_.columns_at_most) || !is_held(tried))
    return false;
  tried.accesses /= 2; // as few as hold it
  return tried.accesses == 0 || !is_held(tried);
}

} // namespace swage::codegen
