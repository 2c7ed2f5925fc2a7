// schedule_rows_ahead.cpp -- what CUDA schedules of rows load ahead by default.
#include <algorithm>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

/// Little of it is there soon enough, and waited for with the row (RMSNorm of 2048 to 14336 columns
/// of bf16, with and without a second input, takes 6 to 24 % less time with it on an H200).
bool RowSchedules::has_much_to_load_ahead(std::int64_t columns) const {
  constexpr std::int64_t kMuch = 4 << 10, kColumns = 2048;
  return has_columns_to_load() && columns >= kColumns && columns * bytes_a_column(kernel_) >= kMuch;
}

/// Threads of `schedule`, which loads ahead, that a multiprocessor holds. What up to 32 elements of
/// rows of a power of two are multiplied with, of 16 bits each, takes the place of what their sum
/// took; of others some would spill, and be waited for at once (2048x5120: 16.0 us for 12.0).
int RowSchedules::resident_ahead(CudaSchedule schedule, std::int64_t columns) const {
  constexpr int kMostBytes = 64, kMostOfColumn = 2;
  const int room = resident(schedule), each = bytes_a_column(kernel_);
  if (stores_codes() && schedule.threads == 256 && is_multiple(columns, ir::kSumLanes))
    return each <= kMostOfColumn ? std::max(room, 3 * schedule.threads) : room;
  schedule.ahead = false;
  const bool share = plan_.reductions.size() == 1 && is_power(columns) &&
                     each * thread_elements(schedule, kernel_) <= kMostBytes;
  return share ? std::max(room, resident(schedule)) : room;
}

/// Whether columns are loaded ahead of more than a few rows at all (RMSNorm of 8192x4096 in f32 on
/// an H200: 74 us for 65; and see `columns_known`).
bool RowSchedules::loads_columns_of_many() const {
  return widest_element(kernel_) <= 2 && specialization_.columns_known;
}

/// Whether `schedule`, which loads columns ahead, is good for so many rows: where it leaves room
/// for enough blocks. (On an H200, bf16: RMSNorm of 2048x2048 5.5 us for 6.3, 1024x4096 5.3
/// for 6.4, 8192x8192 64.0 for 64.8; but 8192x7168 60.2 for 56.5, 256x14336 with a residual 9.8 in
/// one block a multiprocessor for 8.4, and LayerNorm of 1024x14336 18.3 for 17.7.) What computes
/// long enough to need more threads does not wait for it (RMSNorm to f8e4m3, 8192x14336: 100 us for
/// 87), and two inputs that a multiprocessor has room for are enough under way (512x8192 with a
/// residual: 9.6 us for 9.2).
bool RowSchedules::leaves_room(const CudaSchedule& schedule, std::int64_t columns,
                               std::int64_t rows) const {
  constexpr std::int64_t kElementsOfCodes = 1 << 24, kRowsOfOdd = 2048;
  constexpr int kFewElements = 32, kSmall = 128, kResidentOfAll = 1024;
  if (!fits(schedule, 0))
    return false;
  if (are_few(rows))
    return rows <= kMultiprocessors || resident(schedule) >= 2 * schedule.threads;
  if (!loads_columns_of_many())
    return false;
  const int room = resident_ahead(schedule, columns), blocks = room / schedule.threads;
  const bool one_wave = rows * schedule.row_threads <= kThreadsOfAll;
  const bool few_elements = thread_elements(schedule, kernel_) <= kFewElements;
  if (stores_codes())
    return rows * columns <= kElementsOfCodes && blocks >= 3 &&
           (room >= kResidentOfAll || !one_wave || !few_elements || is_power(columns));
  if (element_inputs(kernel_) > 1 && one_wave)
    return false;
  if (is_reduced_twice())
    return blocks >= 4 && (is_power(columns) || schedule.threads == kSmall);
  return blocks >= 3 &&
         (is_power(columns) || !few_elements || (rows <= kRowsOfOdd && room >= kResidentOfAll));
}

/// Where much is computed of a row and little stored, and few blocks hide each other's waiting, it
/// pays to have all of a row under way at once (f8e4m3 of SwiGLU with a scale a row on an H200:
/// 14336 columns 2, 3 and 4 % less time at 2048, 4096 and 8192 rows, but 4 % more at 1024; 8192
/// columns 2 % less at 8192 rows and more at 2048; up to 7168 columns 1 % less to 3 % more). Calls
/// of a size class have the elements of its smallest.
bool RowSchedules::loads_row_ahead(std::int64_t columns, std::int64_t rows) const {
  constexpr std::int64_t kColumns = 8192, kManyColumns = 12'288;
  constexpr std::int64_t kElements = 3 << 23, kElementsOfMany = 15 << 20;
  const std::int64_t least = columns < kManyColumns ? kElements : kElementsOfMany;
  return are_busy() && has_default_policy(target_) && columns >= kColumns &&
         rows * columns >= least;
}

/// Whether what `schedule` loads ahead takes the registers of a second block a multiprocessor, of
/// more rows than there are of these: two waves then where one would do (RMSNorm of 256x14336 on an
/// H200: 6.7 us for 5.3).
bool RowSchedules::keeps_apart(CudaSchedule schedule, std::int64_t rows) const {
  const auto one_wave = [&] {
    return rows * schedule.row_threads <= kMultiprocessors * resident(schedule);
  };
  if (rows <= kMultiprocessors || one_wave())
    return false;
  schedule.ahead = false;
  return one_wave();
}

} // namespace swage::codegen
