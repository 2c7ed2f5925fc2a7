// schedule_rows_usual.cpp -- the default CUDA schedule of kernels that work row by row.
#include <algorithm>
#include <bit>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

namespace {

/// Threads a row for `accesses` of them in all, of each tensor: four accesses each, for short rows
/// end sooner where no thread waits for another warp, and at few rows more than 256 threads take
/// longer to meet than they save in reading, up to eight accesses each (RMSNorm and softmax on an
/// H100 and an H200: 256 threads for 4096 and 8192 columns, 512 for 14336). More than 256 are good
/// at few rows only; at many they leave one block a multiprocessor.
int row_threads_for(std::int64_t accesses, std::int64_t rows, int inputs) {
  const bool few = are_few(rows);
  const auto of = [&](std::int64_t each) {
    return std::bit_ceil(static_cast<std::uint64_t>((accesses + each - 1) / each));
  };
  const std::uint64_t usual = std::min<std::uint64_t>(of(4), 256);
  const std::uint64_t held = of(few ? 8 : std::max(16 / std::max(inputs, 1), 1));
  return static_cast<int>(std::clamp<std::uint64_t>(std::max(usual, held), 4, 1024));
}

} // namespace

/// Little of it is there soon enough, and waited for with the row (RMSNorm of 4096 and of 14336
/// columns of bf16, with and without a second input, takes 8 to 20 % less time with it on an H200).
bool RowSchedules::has_much_to_load_ahead(std::int64_t columns) const {
  constexpr std::int64_t kMuch = 8 << 10;
  return has_columns_to_load() && columns * bytes_a_column(kernel_) >= kMuch;
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
  if (!has_default_policy(target_) || columns < kColumns || rows * columns < least ||
      plan_.after_rows || plan_.reductions.empty() || has_columns_to_load())
    return false;
  bool stores = false;
  for (const ir::Param& param : kernel_.params())
    if (param.is_tensor() && param.is_written() && param.broadcast == ir::Broadcast::none) {
      if (size_of(param.dtype) > 1)
        return false;
      stores = true;
    }
  return stores && element_inputs(kernel_) > 1;
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
  const auto wanted = static_cast<int>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(accesses, 1))));
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

// Few elements as for elementwise kernels, see default_cuda. Where rows are selected, blocks that
// find none cost their start, so they have whole rows.
std::optional<CudaSchedule> RowSchedules::usual_of_parts(std::int64_t columns,
                                                         std::int64_t rows) const {
  constexpr std::int64_t kFewElements = kMultiprocessors * 8192, kFewOfGroups = 3 << 18;
  constexpr std::int64_t kItemsOfSmallGrids = kMultiprocessors * 512;
  if (!plan_.apart)
    return std::nullopt;
  const std::int64_t elements = rows * columns;
  const bool groups = reduces_groups(kernel_);
  const bool few = elements <= (groups ? kFewOfGroups : kFewElements);
  const bool selects = specialization_.valid_rows != ValidRows::all || kernel_.skip().has_value();
  if (groups && !few)
    return usual_of_groups(columns, rows, selects);
  if (selects && !few)
    return std::nullopt;
  CudaSchedule schedule;
  schedule.access_bytes = access(few ? kOfOneBlock : 16);
  schedule.dependent_launch = usual_dependent(target_);
  const bool small = few && elements / vector_elements(schedule, kernel_) < kItemsOfSmallGrids;
  schedule.threads = schedule.row_threads = small ? 128 : 256;
  for (schedule.accesses = 1; schedule.accesses <= 4; schedule.accesses *= 2)
    if (split(schedule)) {
      schedule.resident = resident(schedule);
      return schedule;
    }
  return std::nullopt;
}

// Accesses that take two instructions spare exchanges between threads. Blocks of parts of a row
// with few registers are best (SwiGLU with MXFP8 of 14336 columns on an H200: 10.8, 19.7 and 37.5
// us at 512, 1024 and 2048 rows, and with 80 registers 11.4, 21.0 and 40), of fewer elements larger
// ones with many (128 rows: 3.9 us for 4.3). Very many rows have a block each, which loads ahead
// (8192 rows: MXFP8 and MXFP4 141 and 167 us; in parts 142 and 174).
std::optional<CudaSchedule> RowSchedules::usual_of_groups(std::int64_t columns, std::int64_t rows,
                                                          bool selects) const {
  constexpr std::int64_t kManyElements = 3 << 20, kElementsOfLoops = 3 << 24;
  constexpr std::int64_t kPackedElementsOfLoops = 3 << 22;
  constexpr std::int64_t kRowsOfLoops = kMultiprocessors * 8;
  constexpr int kResidentOfMany = 1536, kResidentOfFewer = 512;
  // 80 registers, of which other GPUs than sm_90 and sm_100 spill some. On these 64 are enough for
  // two inputs of 16 bits, three of 32 or two and one along columns, all of which are estimated too
  // high here, but not for what takes many at once.
  constexpr int kMostOfSmallLoops = 112;
  const bool has_large_function = std::ranges::any_of(kernel_.nodes(), [](const ir::Node& node) {
    return node.op == ir::Op::erf || node.op == ir::Op::erfc ||
           instructions(node) * static_cast<std::size_t>(ir::info(node.op).gpu_cost.f32) >= 32;
  });
  const std::int64_t elements = rows * columns;
  CudaSchedule schedule;
  schedule.access_bytes = access(16, kWidestOfGroups);
  schedule.dependent_launch = usual_dependent(target_);
  schedule.threads = schedule.row_threads = 128;
  const int vector = vector_elements(schedule, kernel_);
  // Threads that have groups to themselves compute the longer of them without a pause.
  const bool packed =
      stores_packed_elements(kernel_) && plan_.group <= static_cast<std::uint32_t>(vector);
  const std::int64_t loops = packed ? kPackedElementsOfLoops : kElementsOfLoops;
  if (rows >= kRowsOfLoops && (selects || elements >= loops)) {
    schedule.ahead = true;
    if (!is_held(schedule) && is_legal(schedule) && fits(schedule, 0)) {
      const bool is_small = target_.sm >= 90 && target_.sm < 120 && !has_large_function &&
                            registers(schedule) <= kMostOfSmallLoops;
      schedule.resident =
          std::max(resident(schedule), is_small ? kResidentOfSmallLoops : kResidentOfLoops);
      return schedule;
    }
    schedule.ahead = false;
  }
  if (selects)
    return std::nullopt;
  const std::int64_t width = std::int64_t{schedule.threads} * vector;
  const bool many = elements >= kManyElements;
  if (!many && columns > width)
    schedule.threads = schedule.row_threads = 256;
  for (schedule.accesses = 1; schedule.accesses <= 4; schedule.accesses *= 2)
    if (2 * columns > width && (split(schedule) || (is_held(schedule) && is_legal(schedule)))) {
      const RowGeometry geometry = make_row_geometry(kernel_, specialization_, schedule);
      // Gradients, of three inputs, spill then.
      const bool is_short = !has_large_function && element_inputs(kernel_) <= 2 &&
                            is_within_warp(geometry, plan_.group);
      schedule.resident =
          is_short ? resident_of_part(schedule, many ? kResidentOfMany : kResidentOfFewer)
                   : resident(schedule);
      return schedule;
    }
  return std::nullopt;
}

CudaSchedule RowSchedules::usual(std::int64_t elements) const {
  CudaSchedule schedule;
  schedule.access_bytes = access(kOfOneBlock);
  schedule.dependent_launch = usual_dependent(target_);
  const std::uint32_t group = plan_.group;
  const std::int64_t bound =
      specialization_.columns_at_most > 0 ? specialization_.columns_at_most : 8192;
  const int vector = std::max(schedule.access_bytes / widest_element(kernel_), 1);
  const std::int64_t rows = std::max<std::int64_t>(elements / bound, 1);
  if (const auto found = usual_of_parts(bound, rows))
    return *found;
  if (const auto found =
          plan_.after_rows ? usual_of_strands(bound, rows) : usual_of_blocks(bound, rows))
    return *found;
  const auto is_good = [&](const CudaSchedule& tried) {
    return is_legal(tried) && fits(tried, kSpilled);
  };
  const int threads = row_threads_for((bound + vector - 1) / vector, rows, element_inputs(kernel_));
  const bool columns_ahead = are_few(rows) && has_much_to_load_ahead(bound);
  const int usual_bytes = schedule.access_bytes;
  for (int row = std::max(threads, group > 0 ? 32 : 4); row <= 1024; row *= 2) {
    schedule.row_threads = row;
    schedule.threads = std::max(row, 128);
    schedule.access_bytes = usual_bytes;
    // Where a row waits for two sums, threads that have every lane of their order once (softmax and
    // LayerNorm of 1 to 128 rows of 14336 on an H200: 4 to 12 % less time).
    if (are_few(rows) && plan_.reductions.size() > 1 && row * vector == 2 * ir::kSumLanes &&
        usual_bytes / 2 >= least_access(kernel_))
      schedule.access_bytes = usual_bytes / 2;
    for (const int accesses : {1, 2, 4, 8, 16}) {
      schedule.accesses = accesses;
      schedule.ahead = false;
      if (!is_held(schedule) || !is_good(schedule))
        continue;
      schedule.ahead = columns_ahead; // which `fits` counts
      schedule.ahead = columns_ahead && fits(schedule, 0);
      schedule.ahead = schedule.ahead && !keeps_apart(schedule, rows);
      schedule.ahead = schedule.ahead || loads_row_ahead(bound, rows);
      schedule.resident = resident(schedule);
      if (are_few(rows))
        schedule.resident = resident_of_few(schedule);
      if (crowd(schedule, rows))
        schedule.dependent_launch = DependentLaunch::after_wait;
      // Then the next launch finds room only where blocks have ended, and what it loads ahead is
      // worth little (RMSNorm with a residual, 512 rows of 4096 on an H200: 11 % less time;
      // softmax, which has no columns to load, 3 % more).
      else if (has_columns_to_load() && nearly_fill(schedule, rows))
        schedule.dependent_launch = DependentLaunch::at_end;
      return schedule;
    }
  }
  // Too long to be held: read anew for each stage.
  schedule.access_bytes = usual_bytes;
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
