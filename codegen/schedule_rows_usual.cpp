// schedule_rows_usual.cpp -- the default CUDA schedule of kernels that work row by row.
#include <algorithm>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

bool RowSchedules::stores_codes() const {
  bool stores = false;
  for (const ir::Param& param : kernel_.params())
    if (param.is_tensor() && param.is_written() && param.broadcast == ir::Broadcast::none) {
      if (size_of(param.dtype) > 1)
        return false;
      stores = true;
    }
  return stores;
}

bool RowSchedules::are_busy() const {
  return !plan_.reductions.empty() && !plan_.after_rows && stores_codes() &&
         element_inputs(kernel_) > 1 && !has_columns_to_load();
}

/// As many as there is room for, with 8, 16 or 32 elements each (f8e4m3 of SwiGLU with a scale a
/// row on an H200: 64x4096 2.12 us for 2.44, 256x8192 4.30 for 4.98, 512x4096 4.20 for 4.74,
/// 8192x4096 41.7 for 43.7, with 256 threads a row, and 16x14336 with eight clustered blocks of
/// 256 2.12, of 128 2.50).
std::int64_t RowSchedules::threads_of_busy(std::int64_t columns, std::int64_t rows) const {
  const std::int64_t wide = bit_ceil(columns);
  const std::int64_t each = rows * (wide / 8) <= kThreadsOfAll / 2 ? 8
                            : rows * (wide / 16) <= kThreadsOfAll  ? 16
                                                                   : 32;
  return std::max<std::int64_t>(wide / each, widest_element(kernel_) > 2 ? 256 : 128);
}

/// Four accesses each, for short rows end sooner where no thread waits for another warp, and at few
/// rows more than 256 threads take longer to meet than they save in reading, up to eight accesses
/// each (RMSNorm and softmax on an H100 and an H200: 256 threads for 4096 and 8192 columns, 512 for
/// 14336). More than 256 are good at few rows only; at many they leave one block a multiprocessor.
/// Where threads exchange more, or compute more that they have in common, more elements each are
/// better of many rows (64 of them and 128 threads at least, on an H200: RMSNorm to f8e4m3 with a
/// scale a row 8192x4096 27.2 us for 31.5, 8192x8192 50.7 for 53.6; LayerNorm 33.4 for 36.7
/// and 64.3 for 65.6).
int RowSchedules::usual_row_threads(std::int64_t columns, std::int64_t rows) const {
  const bool sooner = stores_codes() && columns > 4096 && is_power(columns);
  const std::int64_t many = (sooner ? 2 : 4) * kMultiprocessors;
  // Else they have twice as many elements each, and load columns ahead.
  const bool few = rows <= kMultiprocessors ||
                   (are_few(rows) && !(loads_columns_of_many() && has_much_to_load_ahead(columns)));
  const int vector = std::max(access(kOfOneBlock) / widest_element(kernel_), 1);
  const std::int64_t accesses = (columns + vector - 1) / vector;
  const auto of = [&](std::int64_t each) { return bit_ceil((accesses + each - 1) / each); };
  if (are_busy() && columns >= 2048) // more of them are clusters, where there are such
    return static_cast<int>(std::min<std::int64_t>(threads_of_busy(columns, rows), 512));
  const std::uint64_t held = of(few ? 8 : std::max(16 / std::max(element_inputs(kernel_), 1), 1));
  const std::uint64_t usual = std::min<std::uint64_t>(of(4), 256);
  if ((stores_codes() || (is_reduced_twice() && has_columns_to_load())) && rows > many &&
      usual >= 128 && is_multiple(columns, ir::kSumLanes))
    return static_cast<int>(std::clamp<std::uint64_t>(held, 128, 1024));
  return static_cast<int>(std::clamp<std::uint64_t>(std::max(usual, held), 4, 1024));
}

/// Of few rows, which leave room on a multiprocessor: registers for fewer threads, and two blocks,
/// for those of the next launch wait beside these (RMSNorm and LayerNorm of 4096 columns on an
/// H200: 6 to 25 % less time at 1 to 128 rows).
int RowSchedules::resident_of_few(const CudaSchedule& schedule) {
  const int fewer = std::max(resident_with_more_registers(schedule), 2 * schedule.threads);
  return std::clamp(fewer / 256 * 256, 256, schedule.resident);
}

/// Blocks of several launches that wait have room beside each other, and when it is their turn some
/// multiprocessors have two of a launch and others none: softmax of 128 rows of 4096 columns, 256
/// launches on an H200, takes 2.83 us, and 2.10 where one launch waits; 16 rows of 14336 take 3.25
/// and 2.98. Fewer threads find room as they come.
bool RowSchedules::crowd(const CudaSchedule& schedule, std::int64_t rows) const {
  constexpr std::int64_t kFewThreads = 6144;
  if (rows > kMultiprocessors * resident_threads(target_))
    return false;
  const std::int64_t room = schedule.resident / schedule.threads;
  const std::int64_t threads = rows * schedule.row_threads;
  return target_.sm >= 90 && room >= 2 && threads >= kFewThreads &&
         5 * threads <= 4 * kMultiprocessors * room * schedule.threads;
}

bool RowSchedules::nearly_fill(const CudaSchedule& schedule, std::int64_t rows) const {
  const std::int64_t room = std::int64_t{kMultiprocessors} *
                            (schedule.resident / schedule.threads) *
                            (schedule.threads / schedule.row_threads);
  return target_.sm >= 90 && rows <= room && 5 * rows > 4 * room;
}

std::optional<CudaSchedule> RowSchedules::usual_of_strands(std::int64_t columns,
                                                           std::int64_t rows) const {
  constexpr int kMostThreads = 512;
  // With accesses of four elements these have every lane of the order once, and hold the next row
  // too (RMSNorm's gradient on an H200, 8192 rows of 14336: 179 us, with 512 threads 231).
  constexpr int kMostRowThreads = 256;
  CudaSchedule schedule;
  schedule.access_bytes = access(kOfOneBlock);
  schedule.dependent_launch = usual_dependent(target_);
  const int vector = std::max(schedule.access_bytes / widest_element(kernel_), 1);
  const std::int64_t accesses = (columns + vector - 1) / vector;
  const int least = plan_.group > 0 ? 32 : 4;
  const auto wanted = static_cast<int>(bit_ceil(std::max<std::int64_t>(accesses, 1)));
  for (int row = std::clamp(wanted, least, kMostRowThreads); row <= 1024; row *= 2)
    for (const bool ahead : {true, false})
      for (const int held : {1, 2, 4, 8, 16}) {
        schedule.row_threads = schedule.threads = row;
        schedule.accesses = held;
        schedule.ahead = ahead;
        const std::int64_t of_strand = rows / strands_of(rows);
        while (schedule.threads < 128 || (schedule.threads < kMostThreads &&
                                          of_strand >= 2 * schedule.threads / schedule.row_threads))
          schedule.threads *= 2;
        while (schedule.threads > row && !is_legal(schedule))
          schedule.threads /= 2; // for shared memory
        if (!is_held(schedule) || !is_legal(schedule) || !fits(schedule, 2 * kSpilled))
          continue;
        schedule.resident = resident(schedule);
        return schedule;
      }
  return std::nullopt;
}

// Where a row waits for two sums, threads that have every lane of their order once (softmax and
// LayerNorm of 1 to 128 rows of 14336 on an H200: 4 to 12 % less time). So have 128 with twice the
// width, and threads that exchange less of groups take what they can (RMSNorm in groups of 128,
// 8192x4096 on an H200: 30.6 us for 39.2).
int RowSchedules::usual_bytes(int row, std::int64_t columns, std::int64_t rows) const {
  constexpr int kMostOfWide = 256, kFewElements = 32;
  const int bytes = access(kOfOneBlock);
  const int lanes = row * std::max(bytes / widest_element(kernel_), 1);
  if (are_few(rows) && is_reduced_twice() && lanes == 2 * ir::kSumLanes &&
      !(stores_codes() && specialization_.columns_known) && bytes / 2 >= least_access(kernel_))
    return bytes / 2;
  if (!stores_codes() || are_busy() || plan_.reductions.empty())
    return bytes;
  // Not where 8 bytes leave room for all rows at once (512x7168: 7.1 us for 6.1).
  const bool many = row <= kMostOfWide && is_multiple(columns, ir::kSumLanes) &&
                    (is_power(columns) || columns > std::int64_t{kFewElements} * row);
  const bool wide_groups = plan_.group > 0 && (rows <= kMultiprocessors || many);
  return wide_groups || 2 * lanes == ir::kSumLanes ? access(2 * kOfOneBlock) : bytes;
}

void RowSchedules::complete(CudaSchedule& schedule, std::int64_t columns, std::int64_t rows,
                            std::int64_t least) const {
  constexpr int kManyCodes = 32, kResidentOfCodes = 1024;
  const bool few = are_few(rows);
  schedule.ahead = has_much_to_load_ahead(columns); // which `fits` counts
  schedule.ahead = schedule.ahead && leaves_room(schedule, columns, rows) &&
                   !(few && keeps_apart(schedule, rows));
  schedule.ahead = schedule.ahead || loads_row_ahead(columns, rows);
  schedule.resident =
      schedule.ahead && !few ? resident_ahead(schedule, columns) : resident(schedule);
  const std::int64_t threads = rows * schedule.row_threads;
  if (few)
    schedule.resident = resident_of_few(schedule);
  else if (stores_codes() && !plan_.reductions.empty() &&
           (thread_elements(schedule, kernel_) >= kManyCodes || threads <= kThreadsOfAll))
    schedule.resident = std::min(schedule.resident, kResidentOfCodes); // more spill, or need not
  // Launches of more rows, which have what they load ahead under way, come as they may.
  const bool waits = !schedule.ahead || few;
  if ((waits || 2 * threads <= kThreadsOfAll) && crowd(schedule, least))
    schedule.dependent_launch = DependentLaunch::after_wait;
  // Then the next launch finds room only where blocks have ended, and what it loads ahead is worth
  // little (RMSNorm with a residual, 512 rows of 4096 on an H200: 11 % less time; softmax, which
  // has no columns to load, 3 % more).
  else if (waits && has_columns_to_load() && nearly_fill(schedule, least))
    schedule.dependent_launch = DependentLaunch::at_end;
}

CudaSchedule RowSchedules::usual(std::int64_t elements) const {
  CudaSchedule schedule;
  schedule.dependent_launch = usual_dependent(target_);
  const std::uint32_t group = plan_.group;
  const std::int64_t bound =
      specialization_.columns_at_most > 0 ? specialization_.columns_at_most : 8192;
  constexpr std::int64_t kMostElements = std::int64_t{1} << 50; // products of rows are compared
  const std::int64_t least = std::max<std::int64_t>(std::min(elements, kMostElements) / bound, 1);
  // Calls of a size class have the elements of its smallest; a power of two of rows is likely.
  const std::int64_t rows = bit_ceil(least);
  if (const auto found = usual_of_parts(bound, rows, least))
    return *found;
  if (const auto found =
          plan_.after_rows ? usual_of_strands(bound, least) : usual_of_blocks(bound, rows))
    return *found;
  const auto is_good = [&](const CudaSchedule& tried) {
    return is_legal(tried) && fits(tried, kSpilled);
  };
  const int threads = usual_row_threads(bound, rows);
  for (int row = std::max(threads, group > 0 ? 32 : 4); row <= 1024; row *= 2) {
    schedule.row_threads = row;
    schedule.threads = std::max(row, 128);
    schedule.access_bytes = usual_bytes(row, bound, rows);
    for (const int accesses : {1, 2, 4, 8, 16}) {
      schedule.accesses = accesses;
      if (!is_held(schedule) || !is_good(schedule))
        continue;
      complete(schedule, bound, rows, least);
      return schedule;
    }
  }
  // Too long to be held: read anew for each stage.
  schedule.access_bytes = access(kOfOneBlock);
  for (int row = std::clamp(threads, 256, 512); row >= 32; row /= 2) {
    schedule.threads = schedule.row_threads = row;
    schedule.accesses = 4;
    if (!is_good(schedule))
      continue;
    schedule.resident = resident(schedule);
    return schedule;
  }
  // What always is legal, but for the longest kernels.
  schedule.threads = schedule.row_threads = 256;
  schedule.accesses = 2;
  schedule.access_bytes = std::max(least_access(kernel_), least_of_groups_);
  schedule.resident = 256;
  if (!is_legal(schedule)) {
    schedule.threads = schedule.row_threads = schedule.resident = 1024;
    schedule.accesses = 1;
  }
  return schedule;
}

} // namespace swage::codegen
