// schedule_rows_clusters.cpp -- which rows are split over clusters of blocks by default, and how.
#include <algorithm>
#include <bit>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

namespace {

constexpr std::int64_t kLong = 32'768; ///< columns of a row that several blocks have

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
  const auto wide = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)));
  const auto with = [&](std::int64_t blocks, std::int64_t threads) {
    return Split{static_cast<int>(blocks),
                 static_cast<int>(std::clamp<std::int64_t>(threads, 128, 1024))};
  };
  // What compares columns with a number has more under way than is estimated.
  const bool compares = std::ranges::any_of(
      kernel_.nodes(), [](const ir::Node& node) { return node.op == ir::Op::col_index; });
  if (fetches_long(columns, rows)) {
    const bool twice = plan_.reductions.size() > 1;
    const bool many_each = wide > 4 * kLong || rows <= 16 || (twice && rows > 32);
    return with(8, wide / 8 / (many_each ? 64 : 32));
  }
  if (columns >= kLong) {
    if (8 * rows <= kMultiprocessors) // a multiprocessor for each block
      return with(8, 512);
    const bool two_each = 8 * rows <= 2 * kMultiprocessors && wide <= 4 * kLong;
    return with(8, wide / 8 / (compares || two_each ? 32 : 64));
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
  if (plan_.reductions.size() > 1 && !has_columns_to_load() &&
      (rows <= kRowsOfTwo || (!compares && widest_element(kernel_) <= 2)))
    return with(2, wide / (rows <= kRowsOfTwo ? 32 : 64) / 2);
  return std::nullopt;
}

/// Whether long rows are so few, and so many, that what each thread of the next launch loads comes
/// from memory while this one runs, where blocks are large enough to leave it room (bf16 on an
/// H200, 131072 columns: RMSNorm of 16 rows 4.0 us for 4.6, of 32 6.7 for 7.8, of 64 11.1 for 12.0;
/// softmax 5.3 for 5.65, 7.7 for 8.8, 11.9 for 13.8, of 32x262144 14.5 for 17.7).
bool RowSchedules::fetches_long(std::int64_t columns, std::int64_t rows) const {
  constexpr std::int64_t kLeast = 8, kMost = 64;
  const bool twice = plan_.reductions.size() > 1;
  return target_.sm == 90 && columns > 2 * kLong &&
         columns <= (twice && rows > 2 * kLeast ? 8 : 4) * kLong && rows > kLeast &&
         rows <= kMost && element_inputs(kernel_) == 1 && widest_element(kernel_) <= 2 &&
         !plan_.after_rows && !plan_.apart && !plan_.reductions.empty() &&
         specialization_.valid_rows == ValidRows::all && !kernel_.skip();
}

/// Whether two inputs of very many rows are loaded ahead, by clusters.
bool RowSchedules::has_pairs_ahead(std::int64_t columns, std::int64_t rows) const {
  constexpr std::int64_t kColumns = 8192, kElements = 7 << 20;
  constexpr std::int64_t kWide = 16'384;
  const bool comes_out =
      has_columns_to_load() ? is_multiple(columns, ir::kSumLanes) : columns <= kWide;
  return columns >= kColumns && columns < kLong && comes_out && rows * columns >= kElements &&
         widest_element(kernel_) <= 2 && bytes_a_column(kernel_) <= 2 &&
         element_inputs(kernel_) > 1 && plan_.reductions.size() == 1 && !plan_.after_rows &&
         !stores_codes();
}

// Where a row is reduced more than once, narrow accesses (softmax of 131072 and 262144 columns, 16
// to 512 rows: up to 11 % less time; RMSNorm up to 9 % more).
std::optional<CudaSchedule> RowSchedules::usual_of_blocks(std::int64_t columns,
                                                          std::int64_t rows) const {
  constexpr std::int64_t kFewBlocks = 24;
  constexpr int kResidentOfPairs = 1280;
  const bool is_long = columns >= kLong;
  const auto split = usual_split(columns, rows);
  if (target_.sm < 90 || !split)
    return std::nullopt;
  CudaSchedule schedule;
  const bool narrow = (plan_.reductions.size() > 1 || !is_long) && plan_.group == 0;
  schedule.access_bytes = access(narrow ? kOfOneBlock : 16);
  schedule.dependent_launch = usual_dependent(target_);
  schedule.waves = split->blocks;
  const int vector = vector_elements(schedule, kernel_);
  const bool columns_ahead =
      are_few(rows) && has_much_to_load_ahead(columns) && !fetches_long(columns, rows);
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
        schedule.resident = kResidentOfPairs;
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
      if (fill && (is_long ? one_wave || plan_.reductions.size() > 1 : schedule.waves == 8))
        schedule.dependent_launch = DependentLaunch::at_end;
      else if (is_long ? !fill && (count > kFewBlocks || !schedule.ahead)
                       : count > kFewBlocks &&
                             (schedule.waves == 8 || (one_wave && plan_.reductions.size() > 1) ||
                              (are_busy() && 4 * count * threads >= kThreadsOfAll &&
                               5 * count * threads <= 4 * kThreadsOfAll)))
        schedule.dependent_launch = DependentLaunch::after_wait;
      if (fetches_long(columns, rows)) {
        schedule.dependent_launch = DependentLaunch::after_wait;
        schedule.fetch = can_fetch(schedule, kernel_, specialization_);
      }
      return schedule;
    }
  return std::nullopt;
}

} // namespace swage::codegen
