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
// twice has such of 256 threads at more rows, too (softmax of 512x14336 9.8 us for 10.5), if
// it has no weights (LayerNorm of 128x14336 4.6 us, a block a row 4.1).
std::optional<RowSchedules::Split> RowSchedules::usual_split(std::int64_t columns,
                                                             std::int64_t rows) const {
  constexpr std::int64_t kMedium = 8192;
  constexpr std::int64_t kFewRows = 64, kRowsOfTwo = 4 * kMultiprocessors;
  const auto wide = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)));
  const auto with = [&](int blocks, std::int64_t threads) {
    return Split{blocks, static_cast<int>(std::clamp<std::int64_t>(threads, 128, 1024))};
  };
  if (columns >= kLong) {
    if (8 * rows <= kMultiprocessors) // a multiprocessor for each block
      return with(8, 512);
    // What compares columns with a number has more under way than is estimated.
    const bool compares = std::ranges::any_of(
        kernel_.nodes(), [](const ir::Node& node) { return node.op == ir::Op::col_index; });
    return with(8, wide / 8 / (compares || 8 * rows <= 2 * kMultiprocessors ? 32 : 64));
  }
  if (is_short(columns))
    return std::nullopt;
  if (rows <= kFewRows) {
    // What takes longer to compute than to read, where a multiprocessor has one block (SwiGLU with
    // a scale a row, 16x14336: 2.12 us, with 16 elements a thread 2.50).
    const int each = element_inputs(kernel_) > 1 && 8 * rows <= kMultiprocessors ? 8 : 16;
    const auto blocks = static_cast<int>(std::clamp<std::int64_t>(wide / 16 / 128, 1, 8));
    return blocks == 1 ? std::nullopt : std::optional(with(blocks, wide / each / blocks));
  }
  if (columns <= kMedium)
    return std::nullopt;
  if (rows <= kMultiprocessors && plan_.reductions.size() == 1)
    return with(2, wide / 16 / 2);
  if (rows <= kRowsOfTwo && plan_.reductions.size() > 1 && !has_columns_to_load())
    return with(2, wide / 32 / 2);
  return std::nullopt;
}

// Where a row is reduced more than once, narrow accesses (softmax of 131072 and 262144 columns, 16
// to 512 rows: up to 11 % less time; RMSNorm up to 9 % more).
std::optional<CudaSchedule> RowSchedules::usual_of_blocks(std::int64_t columns,
                                                          std::int64_t rows) const {
  constexpr std::int64_t kFewBlocks = 24;
  const bool is_long = columns >= kLong;
  const auto split = usual_split(columns, rows);
  if (target_.sm < 90 || !split)
    return std::nullopt;
  CudaSchedule schedule;
  schedule.access_bytes = access(plan_.reductions.size() > 1 || !is_long ? kOfOneBlock : 16);
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
      if (registers(schedule) > kRegisters / schedule.resident + (is_long ? kSpilled : 0)) {
        schedule.resident = std::max(2 * threads, 512); // fewer blocks leave more of them
        if (registers(schedule) > kRegisters / schedule.resident + kSpilled)
          continue;
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
                             (schedule.waves == 8 || (one_wave && plan_.reductions.size() > 1)))
        schedule.dependent_launch = DependentLaunch::after_wait;
      return schedule;
    }
  return std::nullopt;
}

} // namespace swage::codegen
