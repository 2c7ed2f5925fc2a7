// schedule_fetch.cpp -- what a launch fetches before it waits: which schedules can, and do by
// default.
#include <algorithm>

#include <fmt/format.h>

#include "codegen/row_geometry.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/tile_plan.hpp"

namespace swage::codegen {

namespace {

/// Whether addresses of what is loaded are few, so that they stay in registers until it is (SwiGLU
/// of strided rows spilled 424 bytes), and found without a division of 64 bits, which is a branch:
/// then not every thread would be seen to wait.
bool has_plain_addresses(const ir::Kernel& kernel, const Specialization& specialization) {
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    const TensorSpec& spec = specialization.tensors.at(tensor++);
    const bool lies_apart =
        spec.layout == Layout::strided || spec.layout == Layout::per_column_strided;
    if ((param.is_read() && lies_apart) ||
        (specialization.index64 && (spec.row_dims > 1 || spec.group_dims > 1)))
      return false;
  }
  return true;
}

} // namespace

bool can_fetch(const CudaSchedule& schedule, const ir::Kernel& kernel,
               const Specialization& specialization) {
  if (specialization.valid_rows != ValidRows::all || kernel.skip() || rows_of_groups(kernel) > 0 ||
      !has_plain_addresses(kernel, specialization))
    return false;
  if (ir::is_elementwise(kernel))
    return schedule.waves == 0;
  return !stores_after_rows(kernel) && make_row_geometry(kernel, specialization, schedule).held;
}

void check_fetch(const CudaSchedule& schedule, const ir::Kernel& kernel,
                 const Specialization& specialization) {
  if (schedule.dependent_launch == DependentLaunch::none)
    refuse_schedule("fetch=1 is for launches that wait for the one before; take fetch=0, or from "
                    "sm_90 on dependent=1, 2 or 3");
  if (!can_fetch(schedule, kernel, specialization))
    refuse_schedule(fmt::format("fetch=1 is for elements with grid=once and for rows that threads "
                                "hold, neighbours in memory, of calls that take all rows; this one "
                                "of '{}' takes fetch=0",
                                kernel.name()));
}

// What blocks read comes from memory while they wait for the launch before: 20 to 35 % less time on
// an H200 up to 32 rows of 14336 of bf16 where inputs come from memory, and 7 % less to as much
// where they are in the cache, or the launch before has just written them. Of more bytes that takes
// up to 20 % less or 19 % more, so the tuner has to find out, and of more than 8 MB 5 % less or 15
// % more (SwiGLU of 512x4096). Where blocks start as the last of the launch before end, there is no
// time to fetch in. Where several launches of elements wait, they settle in a fast or a slow order
// (16x14336 in the cache 0.95 or 1.18 us, where one waits 0.93), but for those of few blocks.
void fetch_early(CudaSchedule& schedule, const ir::Kernel& kernel,
                 const Specialization& specialization, std::int64_t elements) {
  constexpr std::int64_t kFewBytes = 2 << 20, kFewOfRows = 15 << 18, kFewThreads = 6144;
  const bool by_element = ir::is_elementwise(kernel);
  const std::int64_t most = by_element || computes_columns_apart(kernel) ? kFewBytes : kFewOfRows;
  if (!lets_next_wait(schedule.dependent_launch) ||
      std::max(elements, specialization.columns_at_most) > most ||
      !can_fetch(schedule, kernel, specialization))
    return;
  const std::int64_t bytes = bytes_of_inputs(kernel); // an element
  // Calls of a size class have the elements of its smallest; a power of two of rows is likely.
  const std::int64_t columns = std::max<std::int64_t>(specialization.columns_at_most, 1);
  const std::int64_t likely =
      by_element ? bit_ceil(elements + 1)
                 : bit_ceil(std::max<std::int64_t>(elements / columns, 1)) * columns;
  if (bytes == 0 || bytes * likely > most)
    return;
  schedule.fetch = true;
  if (by_element && likely / thread_elements(schedule, kernel) >= kFewThreads)
    schedule.dependent_launch = DependentLaunch::after_wait;
}

} // namespace swage::codegen
