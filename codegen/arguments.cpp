// arguments.cpp -- the argument list of compiled code, and the numbers a CUDA launch needs.
#include "codegen/arguments.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "codegen/row_geometry.hpp"
#include "codegen/tile_geometry.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

__extension__ using Wide = unsigned __int128;

bool has_column_stride(Layout layout) {
  return layout == Layout::strided || layout == Layout::per_column_strided ||
         layout == Layout::per_group || layout == Layout::table ||
         layout == Layout::per_column_group_strided || layout == Layout::column_major;
}

bool has_rows(Layout layout) {
  return layout != Layout::per_column && layout != Layout::per_column_strided &&
         layout != Layout::per_tensor && layout != Layout::table;
}

} // namespace

std::vector<Slot> argument_slots(const ir::Kernel& kernel, const Specialization& specialization,
                                 Target::Kind kind) {
  std::vector<Slot> slots;
  const auto params = kernel.params();
  const std::uint8_t index_bytes = specialization.index64 ? 8 : 4;
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < params.size(); ++p) {
    if (!params[p].is_tensor())
      continue;
    const TensorSpec& spec = specialization.tensors.at(tensor++);
    const Layout layout = spec.layout;
    const auto index = static_cast<std::uint8_t>(p);
    slots.push_back({SlotKind::pointer, index, 8});
    if (!specialization.flat && has_rows(layout))
      slots.push_back({SlotKind::row_stride, index, 8});
    if (has_column_stride(layout))
      slots.push_back({SlotKind::column_stride, index, 8});
    if (layout == Layout::table)
      slots.push_back({SlotKind::length, index, 8});
    for (std::uint8_t dim = 1; dim < spec.row_dims; ++dim) {
      slots.push_back(
          {SlotKind::row_extent, index, index_bytes, static_cast<std::uint8_t>(dim - 1)});
      slots.push_back({SlotKind::row_stride, index, 8, dim});
    }
    for (std::uint8_t dim = 1; dim < spec.group_dims; ++dim) {
      slots.push_back(
          {SlotKind::column_extent, index, index_bytes, static_cast<std::uint8_t>(dim - 1)});
      slots.push_back({SlotKind::column_stride, index, 8, dim});
    }
  }
  for (std::size_t p = 0; p < params.size(); ++p)
    if (!params[p].is_tensor())
      slots.push_back({SlotKind::scalar, static_cast<std::uint8_t>(p),
                       static_cast<std::uint8_t>(size_of(params[p].dtype))});
  if (specialization.valid_rows != ValidRows::all)
    slots.push_back({SlotKind::valid_rows, 0, 8});
  if (specialization.valid_rows == ValidRows::per_batch) {
    slots.push_back({SlotKind::batch_rows, 0, index_bytes});
    if (kind == Target::Kind::cuda) {
      slots.push_back({SlotKind::batch_factor, 0, index_bytes});
      slots.push_back({SlotKind::batch_shift, 0, 4});
    }
  }
  if (!specialization.flat)
    slots.push_back({SlotKind::rows, 0, index_bytes});
  slots.push_back({SlotKind::columns, 0, index_bytes});
  if (!specialization.flat && kind == Target::Kind::cuda && ir::is_elementwise(kernel)) {
    slots.push_back({SlotKind::items_per_row, 0, index_bytes});
    slots.push_back({SlotKind::divider_factor, 0, index_bytes});
    slots.push_back({SlotKind::divider_shift, 0, 4});
  }
  if (kind == Target::Kind::cuda && stores_after_rows(kernel))
    slots.push_back({SlotKind::workspace, 0, 8});
  return slots;
}

// Granlund and Montgomery, "Division by Invariant Integers using Multiplication", PLDI 1994,
// theorem 4.2 with N = bits - 1: with s = ceil(log2 d), f = ceil(2^(N+s) / d) fits `bits` bits, and
// floor(n * f / 2^(N+s)) is n / d for all n < 2^N. Doubling n turns the shift by N + s into a high
// product of full width and a shift by s.
Divider divider(std::uint64_t divisor, int bits) noexcept {
  const int shift = divisor <= 1 ? 0 : static_cast<int>(std::bit_width(divisor - 1));
  const Wide power = Wide{1} << (bits - 1 + shift);
  return {static_cast<std::uint64_t>((power + divisor - 1) / divisor),
          static_cast<std::uint32_t>(shift)};
}

namespace {

void check_blocks(const LaunchShape& shape, std::int64_t rows, std::int64_t columns) {
  if (shape.blocks > 0x7fffffff)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} rows of {} columns need {} blocks, more than the 2147483647 of one "
                            "grid; split the call, or use more threads or accesses a block",
                            rows, columns, shape.blocks));
}

} // namespace

std::string totals_entry(const std::string& entry) {
  return entry + "_totals";
}

std::int64_t totals_blocks(std::int64_t columns) noexcept {
  // At least one, for what has one value for all.
  return std::max<std::int64_t>((columns + kTotalsColumns - 1) / kTotalsColumns, 1);
}

LaunchShape row_launch_shape(const CudaSchedule& schedule, const RowPlan& plan, int vector_elements,
                             std::int64_t rows, std::int64_t columns) {
  LaunchShape shape;
  if (plan.group_rows > 0) {
    shape.blocks = tile_blocks(schedule, vector_elements, rows / plan.group_rows, columns);
    check_blocks(shape, rows, columns);
    return shape;
  }
  const int rows_a_block = schedule.threads / schedule.row_threads;
  shape.blocks = plan.after_rows ? strands_of(rows) : (rows + rows_a_block - 1) / rows_a_block;
  shape.blocks *= row_blocks(schedule);
  check_blocks(shape, rows, columns);
  return shape;
}

LaunchShape launch_shape(const CudaSchedule& schedule, int vector_elements, std::int64_t rows,
                         std::int64_t columns, int sm_count) {
  LaunchShape shape;
  if (rows <= 0 || columns <= 0)
    return shape;
  shape.items_per_row = columns / vector_elements + columns % vector_elements;
  shape.items = shape.items_per_row * rows;
  const std::int64_t per_block = std::int64_t{schedule.threads} * schedule.accesses;
  shape.blocks = (shape.items + per_block - 1) / per_block;
  if (schedule.waves > 0)
    shape.blocks = std::min<std::int64_t>(shape.blocks, std::int64_t{schedule.waves} * sm_count);
  check_blocks(shape, rows, columns);
  return shape;
}

} // namespace swage::codegen
