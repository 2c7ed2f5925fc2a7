// schedule_rows_clusters.cpp -- which rows are split over clusters of blocks by default, and how.
#include <algorithm>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

namespace {

/// Of rows that sixteen blocks have each.
constexpr std::int64_t kFewLongRows = 4, kSomeLongRows = 32, kManyLongRows = 64;
constexpr std::int64_t kLargeRow = 512 << 10; // bytes
constexpr std::int64_t kOfThread = 128;       // bytes
constexpr int kMostThreads = 512;
constexpr int kMostEach = 64;  ///< columns
constexpr int kCrowded = 1280; ///< threads that a multiprocessor has room for

} // namespace

// Blocks that give each other values cost little, and more of them with fewer threads each wait
// less for one another, beside others that load or store meanwhile. (RMSNorm and softmax in bf16 on
// an H200 with eight blocks of 256 threads, 64 elements each, where a few of 1024 take:
// 128x131072 19.9 us for 22.5 and 22.2 for 29.2, 512x131072 71 for 77 and 73 for 98. With eight of
// 128, 16 elements each: 32x14336 2.14 for 2.61 and 2.46 for 3.18, 64x14336 2.69 for 2.93 and 3.10
// for 3.54; 16x8192 with four 1.74 for 1.97 and 2.01 for 2.32.) 128 rows of 14336 have one wave of
// two blocks each (3.65 for 3.77; SwiGLU with a scale a row 4.18 for 4.50), and what is reduced
// twice has two at more rows, too (softmax of 512x14336 9.8 us for 10.5, 2048x14336 29.3 for 30.0),
// if it has no weights (LayerNorm of 128x14336 4.6 us, a block a row 4.1). Very many rows that
// would take a block of 512 threads have more of fewer, which load all ahead (14336 columns on an
// H200: SwiGLU with a scale a row, 2048 and 8192 rows 37.8 and 138.3 us for 39.8 and 145.4; RMSNorm
// with a residual 55.9 and 217.6 for 57.3 and 220.5).
std::optional<RowSchedules::Split> RowSchedules::usual_split(std::int64_t columns,
                                                             std::int64_t rows) const {
  constexpr std::int64_t kMedium = 8192;
  constexpr std::int64_t kFewRows = 64, kRowsOfTwo = 4 * kMultiprocessors;
  const std::int64_t wide = bit_ceil(columns);
  const auto with = [&](std::int64_t blocks, std::int64_t threads) {
    return Split{static_cast<int>(blocks),
                 static_cast<int>(std::clamp<std::int64_t>(threads, 128, 1024))};
  };
  if (columns >= kLongRow) {
    if (8 * rows <= kMultiprocessors) // a multiprocessor for each block
      return with(8, 512);
    const bool two_each = 8 * rows <= 2 * kMultiprocessors && wide <= 4 * kLongRow;
    return with(8, wide / 8 / (compares() || two_each ? 32 : 64));
  }
  const std::int64_t few_blocks = std::clamp<std::int64_t>(wide / 16 / 128, 1, 8);
  if (are_busy()) {
    constexpr std::int64_t kMostOfBlock = 512, kRowsOfPairs = 1024;
    const std::int64_t threads = threads_of_busy(columns, rows);
    if (threads < kMostOfBlock || (threads == kMostOfBlock && rows < kRowsOfPairs))
      return std::nullopt;
    if (8 * rows <= kMultiprocessors)
      return with(few_blocks, threads / few_blocks);
    const bool large = rows < kRowsOfPairs && threads < 4 * kMostOfBlock; // blocks of 512
    const std::int64_t blocks = std::clamp<std::int64_t>(threads / (large ? 512 : 256), 2, 8);
    return with(blocks, threads / blocks);
  }
  if (is_short(columns))
    return std::nullopt;
  if (rows <= kFewRows) {
    // Two inputs take long enough to load, where a multiprocessor has one block.
    const bool more =
        element_inputs(kernel_) > 1 && 8 * rows <= kMultiprocessors && wide / 8 / few_blocks <= 256;
    return few_blocks == 1 ? std::nullopt
                           : std::optional(with(few_blocks, wide / (more ? 8 : 16) / few_blocks));
  }
  if (has_pairs_ahead(columns, rows))
    return wide > 16'384 ? with(8, wide / 16 / 8) : with(4, wide / 16 / 4);
  if (columns <= kMedium)
    return std::nullopt;
  if (rows <= kMultiprocessors && plan_.reductions.size() == 1)
    return with(2, wide / 16 / 2);
  if (is_reduced_twice() && !has_columns_to_load() &&
      (rows <= kRowsOfTwo || (!compares() && widest_element(kernel_) <= 2)))
    return with(2, wide / (rows <= kRowsOfTwo ? 32 : 64) / 2);
  return std::nullopt;
}

/// Whether two inputs of very many rows are loaded ahead, by clusters.
bool RowSchedules::has_pairs_ahead(std::int64_t columns, std::int64_t rows) const {
  constexpr std::int64_t kColumns = 8192, kElements = 7 << 20;
  constexpr std::int64_t kWide = 16'384;
  const bool comes_out =
      has_columns_to_load() ? is_multiple(columns, ir::kSumLanes) : columns <= kWide;
  return columns >= kColumns && columns < kLongRow && comes_out && rows * columns >= kElements &&
         widest_element(kernel_) <= 2 && bytes_a_column(kernel_) <= 2 &&
         element_inputs(kernel_) > 1 && plan_.reductions.size() == 1 && !plan_.after_rows &&
         !stores_codes();
}

/// Whether columns are compared with a number, which has more under way than is estimated.
bool RowSchedules::compares() const {
  return std::ranges::any_of(kernel_.nodes(),
                             [](const ir::Node& node) { return node.op == ir::Op::col_index; });
}

/// The most rows that sixteen blocks each are worth it for; 0 for none. An H200 has no room for 16
/// clusters of eight blocks with a multiprocessor each, nor for 32 with half of one: there are 15
/// and 31. The one left has its blocks where others are, and half as much of a row waits for half
/// as long (bf16, sixteen and eight blocks: RMSNorm of 16, 32, 64x262144 6.5, 11.3 and 21.1 us for
/// 7.8, 12.6 and 21.8, softmax 7.2, 11.8 and 20.2 for 10.4, 14.4 and 23.7, of 1 and 512 rows 3.2
/// and 133 for 5.2 and 143, its gradient of 64x262144 26.7 for 37.1; 64x65536 5.8 and 5.9 for 8.4
/// and 7.5. 128x65536 and 8x131072 are slower in sixteen).
std::int64_t RowSchedules::rows_of_sixteen(std::int64_t row_bytes) const {
  constexpr std::int64_t kAll = std::int64_t{1} << 62;
  if (row_bytes >= kLargeRow || (row_bytes >= kLargeRow / 2 && is_reduced_twice()))
    return kAll;
  return row_bytes >= kLargeRow / 4 ? kManyLongRows : row_bytes >= kLargeRow / 8 ? 16 : 0;
}

// A thread has 128 bytes of a row, and half of that where rows are few, where threads of the last
// runs have nothing, or what little there is of each waits less beside that of others. Where there
// is nothing but the row to load, the narrowest accesses (bf16, us on an H200 for what wider ones
// of half as many threads take: softmax of 16 and 32x131072 4.19 and 5.95 for 4.65 and 6.25, its
// gradient 4.58 and 7.69 for 4.92 and 7.92, that of 16, 32 and 64x65536 2.80, 4.13 and 7.35 for
// 3.40, 4.56 and 7.90; with weights they gain nothing, nor does softmax of 64 rows).
std::optional<CudaSchedule> RowSchedules::usual_of_sixteen(std::int64_t columns, std::int64_t rows,
                                                           bool anyway) const {
  constexpr std::int64_t kSomeRows = 8;
  if (target_.sm != 90 || target_.cluster < kMostOfCluster || columns < kLongRow ||
      columns > std::int64_t{kMostOfCluster} * kMostThreads * kMostEach || plan_.after_rows ||
      plan_.apart || plan_.reductions.empty() || specialization_.valid_rows != ValidRows::all ||
      kernel_.skip())
    return std::nullopt;
  const std::int64_t wide = bit_ceil(columns);
  const std::int64_t bytes = wide * held_bits_;
  const bool few = rows <= kFewLongRows;
  const bool full = 8 * columns > 7 * wide;
  const bool alone = !few && !has_columns_to_load() && !compares();
  const bool waits = alone && 8 * columns >= 7 * wide && held_bits_ <= 2 && is_reduced_twice() &&
                     bytes == kLargeRow / 2 && rows < kManyLongRows;
  const bool some = rows == kSomeRows && is_power(columns) && bytes < kLargeRow && !waits;
  if (!anyway && (some || rows > rows_of_sixteen(bytes)))
    return std::nullopt;
  const bool pairs = alone && full && held_bits_ == 4 && widest_element(kernel_) <= 2 &&
                     !is_reduced_twice() &&
                     (bytes < kLargeRow ? is_power(columns) && rows <= kManyLongRows
                                        : bytes == kLargeRow && rows < kManyLongRows);
  const bool crowds =
      (waits && rows > kSomeRows) || (pairs && bytes < kLargeRow && rows >= kSomeLongRows);
  const bool halves =
      few || waits || crowds ||
      (bytes < kLargeRow && !pairs && (!full || (held_bits_ > 2 && rows <= kManyLongRows)));
  const bool narrow = waits || (held_bits_ <= 2 && full && !compares() &&
                                (is_reduced_twice() || 2 * rows <= kManyLongRows));
  CudaSchedule schedule;
  schedule.access_bytes =
      pairs || (waits && crowds && is_power(columns)) ? access(2) : access_of_long(narrow);
  schedule.dependent_launch = DependentLaunch::after_wait;
  schedule.waves = kMostOfCluster;
  const std::int64_t half = access(16) < schedule.access_bytes ? 32 : 64;
  for (const std::int64_t each : {halves ? half : kOfThread, kOfThread})
    if (held_by_sixteen(schedule, bytes / schedule.waves, each, rows, crowds)) {
      schedule.fetch = rows <= kManyLongRows && can_fetch(schedule, kernel_, specialization_);
      return schedule;
    }
  return std::nullopt;
}

/// Gives each thread of a schedule so many of a block's bytes of a row, or fewer where the
/// assembler would spill.
bool RowSchedules::held_by_sixteen(CudaSchedule& schedule, std::int64_t bytes, std::int64_t each,
                                   std::int64_t rows, bool crowds) const {
  const int vector = vector_elements(schedule, kernel_);
  // Two blocks have room on a multiprocessor, so that eight of them have it for a cluster: some
  // devices have no more in one place.
  for (auto threads = static_cast<int>(std::clamp<std::int64_t>(bytes / each, 128, kMostThreads));
       threads <= kMostThreads; threads *= 2)
    for (int accesses = 1; accesses <= 16 && accesses * vector <= kMostEach; accesses *= 2) {
      schedule.threads = schedule.row_threads = threads;
      schedule.accesses = accesses;
      if (!is_held(schedule) || !is_legal(schedule))
        continue;
      schedule.resident =
          crowds ? kCrowded : resident_of_sixteen(threads, rows, threads * kOfThread <= bytes);
      const auto spills = [&] {
        constexpr int kMost = 255;
        return registers(schedule) > std::min(kRegisters / schedule.resident, kMost) + kSpilled;
      };
      while (schedule.resident > 2 * threads && spills())
        schedule.resident -= 256;
      if (!spills())
        return true;
    }
  return false;
}

/// Threads that a multiprocessor has room for: those of as many blocks as there are for each, or of
/// one more, for more crowd on some; and four of 256 threads where waits are more than loads.
int RowSchedules::resident_of_sixteen(int threads, std::int64_t rows, bool is_full) const {
  const bool waits = is_reduced_twice() && !has_columns_to_load();
  if (threads > 256 || rows <= kFewLongRows || (!compares() && (rows > kManyLongRows || !is_full)))
    return 1024;
  if (rows <= 16 || compares())
    return 768;
  if (threads > 128)
    return waits ? 1024 : 768;
  return rows <= kSomeLongRows && specialization_.columns_known ? 512 : 768;
}

/// Bytes of the accesses to long rows. Where columns lie at odd places those are narrow, which
/// gains little for kernels that compare them (cross entropy of 16x50257 4.5 us for 9.0).
int RowSchedules::access_of_long(bool narrow) const {
  const int bytes = access(narrow ? kOfOneBlock : 16);
  return compares() ? std::max(bytes, 8) : bytes;
}

// Where a row is reduced more than once, narrow accesses (softmax of 131072 and 262144 columns, 16
// to 512 rows: up to 11 % less time; RMSNorm up to 9 % more).
std::optional<CudaSchedule> RowSchedules::usual_of_blocks(std::int64_t columns,
                                                          std::int64_t rows) const {
  constexpr std::int64_t kFewBlocks = 24;
  const bool is_long = columns >= kLongRow;
  if (const auto found = usual_of_sixteen(columns, rows, false))
    return found;
  const auto split = usual_split(columns, rows);
  if (target_.sm < 90 || !split)
    return std::nullopt;
  CudaSchedule schedule;
  const bool narrow = (is_reduced_twice() || !is_long) && plan_.group == 0;
  schedule.access_bytes = is_long ? access_of_long(narrow) : access(narrow ? kOfOneBlock : 16);
  schedule.dependent_launch = usual_dependent(target_);
  schedule.waves = split->blocks;
  const int vector = vector_elements(schedule, kernel_);
  const bool columns_ahead = are_few(rows) && has_much_to_load_ahead(columns);
  for (int threads = split->threads; threads <= 1024; threads *= 2)
    for (int accesses = 1; accesses <= 16 && accesses * vector <= 64; accesses *= 2) {
      schedule.threads = schedule.row_threads = threads;
      schedule.accesses = accesses;
      schedule.ahead = false;
      if (!is_held(schedule) || !is_legal(schedule) || !fits(schedule, kSpilled))
        continue;
      schedule.resident = resident(schedule);
      const bool is_small = registers(schedule) <= kRegisters / schedule.resident;
      if (!is_small &&
          (!is_long || registers(schedule) > kRegisters / schedule.resident + kSpilled)) {
        schedule.resident = std::max(2 * threads, 512); // fewer blocks leave more of them
        if (registers(schedule) > kRegisters / schedule.resident + kSpilled)
          continue;
      }
      if (is_small && !has_large_function() &&
          (has_pairs_ahead(columns, rows) || loads_row_ahead(columns, rows))) {
        schedule.ahead = true;
        schedule.resident = kCrowded;
        return schedule;
      }
      schedule.ahead = columns_ahead; // which `registers` counts
      schedule.ahead = columns_ahead && registers(schedule) <= kRegisters / schedule.resident;
      const std::int64_t count = schedule.waves * rows;
      // Where blocks have most multiprocessors to themselves, those of launches that wait would
      // share some and leave others (RMSNorm of 16x131072 and 16x262144 on an H200: 5.0 and 8.4
      // us, where one launch waits 5.6 and 9.5). Of fewer one launch may, and has what it loads
      // ahead (8x131072: softmax 4.7 us for 6.1, RMSNorm 3.6 for 4.3). Of more, and in many waves
      // what is reduced more than once, one that comes as the last ends (32x65536: RMSNorm 4.5 for
      // 4.8, softmax 5.0 for 5.4).
      const bool fill = is_long ? 2 * count > kMultiprocessors : count > 2 * kMultiprocessors;
      const bool one_wave = count <= 2 * kMultiprocessors;
      if (fill && (is_long ? one_wave || is_reduced_twice() : schedule.waves == 8))
        schedule.dependent_launch = DependentLaunch::at_end;
      else if (is_long ? !fill && (count > kFewBlocks || !schedule.ahead)
                       : count > kFewBlocks &&
                             (schedule.waves == 8 || (one_wave && is_reduced_twice()) ||
                              (are_busy() && 4 * count * threads >= kThreadsOfAll &&
                               5 * count * threads <= 4 * kThreadsOfAll)))
        schedule.dependent_launch = DependentLaunch::after_wait;
      return schedule;
    }
  return usual_of_sixteen(columns, rows, true); // of what eight have no room for
}

} // namespace swage::codegen
