// schedule_rows_parts.cpp -- the default CUDA schedule of rows whose columns are computed apart.
#include <algorithm>
#include <bit>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"

namespace swage::codegen {

// Few elements as for elementwise kernels, see default_cuda. Where rows are selected, blocks that
// find none cost their start, so they have whole rows.
std::optional<CudaSchedule> RowSchedules::usual_of_parts(std::int64_t columns, std::int64_t rows,
                                                         std::int64_t least) const {
  constexpr std::int64_t kFewElements = kMultiprocessors * 8192, kFewOfGroups = 1 << 20;
  constexpr std::int64_t kItemsOfSmallGrids = kMultiprocessors * 896;
  if (!plan_.apart)
    return std::nullopt;
  const std::int64_t elements = rows * columns;
  const bool groups = reduces_groups(kernel_);
  const bool few = groups ? elements < kFewOfGroups : elements <= kFewElements;
  const bool selects = specialization_.valid_rows != ValidRows::all || kernel_.skip().has_value();
  if (groups && !few)
    return usual_of_groups(columns, rows, least, selects);
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

bool RowSchedules::has_large_function() const {
  return std::ranges::any_of(kernel_.nodes(), [](const ir::Node& node) {
    return node.op == ir::Op::erf || node.op == ir::Op::erfc ||
           instructions(node) * static_cast<std::size_t>(ir::info(node.op).gpu_cost.f32) >= 32;
  });
}

// Accesses that take two instructions spare exchanges between threads, and blocks of parts of a row
// with few registers are best, of fewer elements larger ones with many (128 rows of 14336: 3.9 us
// for 4.3). 48 registers leave the assembler room to load some before it computes what it has
// (SwiGLU in groups of 128, 14336 columns on an H200: 6.32, 10.8 and 19.7 us at 256, 512 and 1024
// rows; 40 take 6.81, 11.4 and 20.4). In very many blocks 40 are best, all loaded first (8192 rows:
// 140.6 us in MXFP8, 144 else), but not where one block has a row (8192x4096: 41.2 us for 43).
// Codes of four bits take 64 registers and load first (2048x8192: 24.0 us for 26.7), but where
// parts of a row do not come out even, very many rows have a block each (8192x14336: 157 us for
// 162).
std::optional<CudaSchedule> RowSchedules::usual_of_groups(std::int64_t columns, std::int64_t rows,
                                                          std::int64_t least, bool selects) const {
  constexpr std::int64_t kManyElements = 3 << 20, kElementsAhead = 1 << 24;
  constexpr std::int64_t kElementsOfLoops = 3 << 24, kPackedElementsOfLoops = 3 << 22;
  constexpr std::int64_t kRowsOfLoops = kMultiprocessors * 8;
  constexpr int kResidentOfMany = 1280, kResidentOfFewer = 512;
  // 80 registers, of which other GPUs than sm_90 and sm_100 spill some. On these 64 are enough for
  // two inputs of 16 bits, three of 32 or two and one along columns, all of which are estimated too
  // high here, but not for what takes many at once.
  constexpr int kMostOfSmallLoops = 112;
  CudaSchedule schedule;
  schedule.access_bytes = access(16, kWidestOfGroups);
  schedule.dependent_launch = usual_dependent(target_);
  schedule.threads = schedule.row_threads = 128;
  const int vector = vector_elements(schedule, kernel_);
  const std::int64_t width = std::int64_t{schedule.threads} * vector;
  const bool whole_parts = is_multiple(columns, width);
  // Gradients, of three inputs, spill with few registers.
  const bool takes_few_registers = !has_large_function() && element_inputs(kernel_) <= 2;
  // Many are more where parts come out even.
  const std::int64_t elements = (takes_few_registers && whole_parts ? rows : least) * columns;
  const bool packed = stores_packed_elements(kernel_);
  const bool even = is_power(columns);
  // Threads that have groups to themselves compute the longer of them without a pause.
  const bool whole = plan_.group <= static_cast<std::uint32_t>(vector);
  const std::int64_t least_of_loops =
      packed && (takes_few_registers || whole) ? kPackedElementsOfLoops : kElementsOfLoops;
  // What is multiplied with values of columns would spill, if it loaded them first.
  const bool loads_first = takes_few_registers && bytes_a_column(kernel_) == 0;
  const bool loops = elements >= least_of_loops && !(loads_first && (even || !packed));
  if (least >= kRowsOfLoops && (selects || loops)) {
    schedule.ahead = true;
    if (!is_held(schedule) && is_legal(schedule) && fits(schedule, 0)) {
      const bool is_small = target_.sm >= 90 && target_.sm < 120 && !has_large_function() &&
                            registers(schedule) <= kMostOfSmallLoops;
      schedule.resident =
          std::max(resident(schedule), is_small ? kResidentOfSmallLoops : kResidentOfLoops);
      return schedule;
    }
    schedule.ahead = false;
  }
  if (selects)
    return std::nullopt;
  const bool many = elements >= kManyElements;
  const bool one_block = !packed && columns == 2 * width; // of twice the threads
  if (one_block || (!many && columns > width))
    schedule.threads = schedule.row_threads = 256;
  for (schedule.accesses = 1; schedule.accesses <= 4; schedule.accesses *= 2)
    if (2 * columns > width && (split(schedule) || (is_held(schedule) && is_legal(schedule)))) {
      const RowGeometry geometry = make_row_geometry(kernel_, specialization_, schedule);
      if (!takes_few_registers || !is_within_warp(geometry, plan_.group)) {
        schedule.resident = resident(schedule);
        return schedule;
      }
      const bool ahead =
          loads_first &&
          (packed ? many && even : elements >= kElementsAhead && !one_block && columns > width);
      const int wanted = !many                                      ? kResidentOfFewer
                         : ahead && packed                          ? kResidentOfSmallLoops
                         : !ahead && whole_parts && columns > width ? kResidentOfMany
                                                                    : kResidentOfParts;
      schedule.ahead = ahead;
      schedule.resident = resident_of_part(schedule, wanted);
      return schedule;
    }
  return std::nullopt;
}

} // namespace swage::codegen
