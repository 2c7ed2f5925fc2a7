// schedule_parts.cpp -- what the schedules of elements and of rows share.
#include "codegen/schedule_parts.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "codegen/row_plan.hpp"
#include "codegen/tile_plan.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// The assembler is super-linear in straight-line size: lanes times instructions of one thread stay
/// below this, which one second of assembly does not pass.
constexpr std::size_t kStraightLineBudget = 8000;

/// The least of what `of` makes of each contiguous tensor and the bytes that its rows are aligned
/// to; `most` where there is none.
int least_of_contiguous(const ir::Kernel& kernel, const Specialization& specialization, int most,
                        int (*of)(const ir::Param& param, int aligned)) {
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    const TensorSpec& spec = specialization.tensors.at(tensor++);
    if (spec.layout == Layout::unit)
      most = std::min(most, of(param, 1 << spec.align_log2));
  }
  return most;
}

} // namespace

void refuse_schedule(std::string message) {
  throw Error(ErrorCode::invalid_argument, std::move(message));
}

int widest_element(const ir::Kernel& kernel) {
  int bytes = 1;
  const bool by_rows = !ir::is_elementwise(kernel);
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && (!by_rows || param.broadcast == ir::Broadcast::none))
      bytes = std::max(bytes, size_of(param.dtype));
  return bytes;
}

int least_access(const ir::Kernel& kernel) {
  return (ir::has_packed_tensors(kernel) ? 2 : 1) * widest_element(kernel);
}

bool reduces_groups(const ir::Kernel& kernel) {
  return rows_of_groups(kernel) == 0 &&
         std::ranges::any_of(kernel.nodes(), [](const ir::Node& node) {
           return ir::is_reduction(node.op) && node.space.broadcast == ir::Broadcast::per_group;
         });
}

bool stores_packed_elements(const ir::Kernel& kernel) {
  return std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_written() && param.broadcast == ir::Broadcast::none && is_packed(param.dtype);
  });
}

int widest_access(const ir::Kernel& kernel, const Target& target) {
  return target.sm >= 100 || reduces_groups(kernel) ? kWidestOfGroups : 16;
}

bool mostly_strided(const Specialization& specialization) {
  const auto strided = std::ranges::count_if(specialization.tensors, [](const TensorSpec& spec) {
    return spec.layout == Layout::strided || spec.layout == Layout::per_column_strided;
  });
  return 2 * strided > static_cast<std::ptrdiff_t>(specialization.tensors.size());
}

int affordable_elements(const ir::Kernel& kernel) {
  const std::size_t size = 1 + cuda_instructions(kernel);
  return static_cast<int>(std::bit_floor(std::max<std::size_t>(kStraightLineBudget / size, 1)));
}

int narrowest_alignment(const ir::Kernel& kernel, const Specialization& specialization) {
  return least_of_contiguous(kernel, specialization, 16, [](const ir::Param& param, int aligned) {
    return std::max(aligned, size_of(param.dtype));
  });
}

int aligned_elements(const ir::Kernel& kernel, const Specialization& specialization) {
  return least_of_contiguous(kernel, specialization, 32, [](const ir::Param& param, int aligned) {
    return std::max(1, aligned / size_of(param.dtype) * (is_packed(param.dtype) ? 2 : 1));
  });
}

int resident_with_more_registers(const CudaSchedule& schedule) {
  return std::max(schedule.resident * 2 / 3 / 256 * 256, 256);
}

bool comes_with_registers(const CudaSchedule& schedule, const ir::Kernel& kernel) {
  constexpr int kMuch = 8; // elements; fewer take few registers however many there are
  const int vector = vector_elements(schedule, kernel);
  const bool one =
      schedule.accesses == 1 || (schedule.accesses == 2 && schedule.ahead && vector == kMuch);
  return element_inputs(kernel) <= 2 && reduces_groups(kernel) && computes_columns_apart(kernel) &&
         one && schedule.threads == schedule.row_threads && vector >= kMuch;
}

int element_inputs(const ir::Kernel& kernel) noexcept {
  return static_cast<int>(std::ranges::count_if(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none;
  }));
}

int bytes_of_inputs(const ir::Kernel& kernel) noexcept {
  int bytes = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none)
      bytes += size_of(param.dtype);
  return bytes;
}

int streams(const ir::Kernel& kernel) noexcept {
  int count = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.broadcast == ir::Broadcast::none)
      count += int{param.is_read()} + int{param.is_written()};
  return count;
}

int default_resident(const ir::Kernel& kernel, const Target& target, int threads) {
  constexpr int kManyStreams = 6;
  if (streams(kernel) >= kManyStreams || widest_element(kernel) == 8)
    return 1024;
  return threads > 512 ? resident_threads(target) : std::min(resident_threads(target), 1536);
}

int natural_lanes(const ir::Kernel& kernel, const Target& target) {
  const bool wide = std::ranges::any_of(
      kernel.nodes(), [](const ir::Node& node) { return size_of(node.type) == 8; });
  return std::clamp(target.vector_bits / (wide ? 64 : 32), 1, 64);
}

} // namespace swage::codegen
