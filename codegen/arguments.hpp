// arguments.hpp -- the argument list of compiled code: what the launch passes, in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/row_plan.hpp"
#include "codegen/schedule.hpp"

namespace swage::codegen {

enum class SlotKind : std::uint8_t {
  pointer,       ///< tensor base, 8 bytes
  row_stride,    ///< elements, 8 bytes; 2-D only, not for per_column, per_tensor and table
  column_stride, ///< elements, 8 bytes; strided layouts, column_major, per_group and table only
  length,        ///< values of a table, 8 bytes
  scalar,        ///< run-time scalar in its storage type
  rows,          ///< 2-D only
  columns,       ///< flat: the element count
  // CUDA, 2-D, elementwise: item index -> row by multiplication, see `divider`
  items_per_row,
  divider_factor,
  divider_shift,
  workspace, ///< CUDA, of kernels with something to store when all rows are done, 8 bytes
  // Specialization::valid_rows
  valid_rows, ///< the address of the counts, 8 bytes
  batch_rows, ///< per_batch: rows a batch
  // CUDA, per_batch: row -> batch by multiplication, see `divider`
  batch_factor,
  batch_shift,
  // TensorSpec::row_dims and group_dims: sizes of the inner dimensions, by parameter
  row_extent,
  column_extent,
};

struct Slot {
  SlotKind kind;
  std::uint8_t param = 0; ///< parameter index, for the first five kinds and extents
  std::uint8_t bytes = 8; ///< size and alignment of the CUDA kernel parameter
  std::uint8_t dim = 0;   ///< of strides and extents: which dimension, the innermost first
};

/// What host code that works row by row computes, and in which memory. Without anything to store
/// after the rows (RowPlan::after_rows) rows [begin, end), in phase 0; with groups of rows tiles
/// [begin, end) (host_tiles in tile_plan.hpp), those of the same rows one after the other. Else in
/// phase 0 strands [begin, end), that is, rows begin, begin + kSumStrands, ..., begin + 1, ...; and
/// when all are done in phase 1 columns [begin, end) of what is stored then; who begins with column
/// 0, which may be the end, stores what has one value for all.
struct HostRowMemory {
  void* scratch = nullptr;   ///< scratch_bytes, of the calling thread alone, aligned to 64 bytes
  void* workspace = nullptr; ///< workspace_bytes, of the call, aligned to 64 bytes
  std::int64_t phase = 0;
};

/// In order: for each tensor parameter pointer, row_stride, column_stride, length as they apply,
/// then for each further dimension of its rows, and of its groups, the extent before it and its
/// stride; then the scalars in parameter order; then the counts of valid rows; then sizes. Sizes,
/// extents, items_per_row and factors take 4 bytes with 32-bit indices and 8 with 64-bit ones;
/// shifts take
/// 4. Both back ends and the launcher walk this list. A host artifact takes the same slots (those
/// for CUDA alone left out) as an array of 64-bit words, scalars in the low bytes: `void
/// entry(const std::uint64_t* words, std::int64_t begin, std::int64_t end)` computes elements
/// [begin, end) in row-major order of rows x columns. Code that works row by row (row_plan.hpp) is
/// `void entry(words, begin, end, const HostRowMemory*)`, see there.
std::vector<Slot> argument_slots(const ir::Kernel& kernel, const Specialization& specialization,
                                 Target::Kind kind);

/// n / divisor == mulhi(2 * n, factor) >> shift for every 0 <= n < 2^31 (bits = 32) or 2^63 (64),
/// divisor at least 1.
struct Divider {
  std::uint64_t factor;
  std::uint32_t shift;
};
Divider divider(std::uint64_t divisor, int bits) noexcept;

/// The function of the second launch beside `entry`, which takes the same slots.
std::string totals_entry(const std::string& entry);

/// What a CUDA launch needs beyond the slots.
struct LaunchShape {
  std::int64_t items_per_row = 0; ///< full vectors, then one item an element of the row's tail
  std::int64_t items = 0;         ///< items_per_row * rows
  std::int64_t blocks = 0;        ///< grid.x; 0 when there is nothing to do
};
/// `sm_count` is used by persistent grids alone. Throws Error(invalid_argument) if the grid would
/// pass 2^31 - 1 blocks.
LaunchShape launch_shape(const CudaSchedule& schedule, int vector_elements, std::int64_t rows,
                         std::int64_t columns, int sm_count);
/// The same for kernels that work row by row, or by groups of rows.
LaunchShape row_launch_shape(const CudaSchedule& schedule, const RowPlan& plan, int vector_elements,
                             std::int64_t rows, std::int64_t columns);
/// Blocks of the second launch, see lower_cuda_totals.cpp.
std::int64_t totals_blocks(std::int64_t columns) noexcept;

} // namespace swage::codegen
