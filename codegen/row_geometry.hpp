// row_geometry.hpp -- which columns of a row each thread of a CUDA block has.
//
// A row belongs to `threads` threads of each of `blocks` blocks; each accesses `vector`
// neighbouring columns at a time, all of them together `step`. Up to 1024 columns a step the
// threads own disjoint lanes of the sum's order (ir/sum_order.hpp): chunk k of a thread is slab k
// mod `slabs` of pass k / `slabs`. Wider steps are `runs` of threads that each own all lanes of a
// contiguous run of passes, a power of two long, so a subtree; runs are combined lane by lane. Of
// several blocks each has `lanes`, neighbours, of every pass, so what it adds up is one subtree of
// the lanes. A row that is held, and of which no sum shows an order, is divided without regard to
// it: chunk k is step k.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "codegen/row_plan.hpp"
#include "codegen/schedule.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

/// The least power of two that is no less than `value`, which is 1 or more.
inline std::int64_t bit_ceil(std::int64_t value) noexcept {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(value)));
}

/// Blocks that a row is split over: `grid` of a schedule of rows.
inline int row_blocks(const CudaSchedule& schedule) noexcept {
  return schedule.waves == 0 ? 1 : schedule.waves;
}

/// Whether these blocks are a cluster, and meet.
inline bool in_clusters(const ir::Kernel& kernel, const CudaSchedule& schedule) noexcept {
  return schedule.row_threads > 0 && row_blocks(schedule) > 1 && !computes_columns_apart(kernel);
}

/// Blocks of a cluster on any GPU, at most; see Target::cluster. For more than kPortableCluster a
/// function asks before it is launched (CUDA programming guide, "Thread block clusters").
inline constexpr int kMostOfCluster = 16;
/// Columns of a row that several blocks have, however many rows there are.
inline constexpr std::int64_t kLongRow = 32'768;

/// The PTX version of what they give each other values by, st.async.
inline constexpr int kClusterPtx = 81;

struct RowGeometry {
  int threads = 0; ///< a row, of each of its blocks
  int rows = 0;    ///< a block
  int blocks = 1;  ///< a row
  int vector = 0;  ///< columns an access
  int step = 0;    ///< columns that all threads of a row access together
  int slabs = 1;   ///< steps a pass
  int runs = 1;
  int chunks = 1;         ///< accesses of a thread: all that it has, or those of one iteration
  bool held = false;      ///< the chunks of all threads are the row
  bool ordered = true;    ///< threads have their columns as the order of sums wants it
  std::int64_t above = 0; ///< there are more columns than this

  int warps() const { return threads <= 32 ? 1 : threads / 32; }
  /// Lanes of the order that a block has.
  int lanes() const { return static_cast<int>(ir::kSumLanes) / blocks; }
  /// Columns that a warp accesses at once and that are neighbours: it may have several runs.
  int neighbours() const;
  /// Warps of a block of a cluster that add up its runs: each has neighbouring lanes.
  int adding_warps() const;
  /// Passes of a thread's chunks.
  int passes() const { return (chunks + slabs - 1) / slabs; }
  /// Columns from the first of a thread to those of its chunk `k`.
  std::int64_t offset(int k) const;
  /// Whether chunk `k` of every thread lies within every row.
  bool is_always_whole(int k) const;
};

RowGeometry make_row_geometry(const ir::Kernel& kernel, const Specialization& specialization,
                              const CudaSchedule& schedule);

/// Whether a group of `columns` columns is always in the accesses that one warp makes at once, in
/// whole: then its values are found by shuffles.
bool is_within_warp(const RowGeometry& geometry, std::uint32_t columns) noexcept;

/// A parameter that the call overwrites in place and that has one value a group of columns, or of
/// which such groups are reduced; none without. What no warp has in whole is read by several, so
/// they may not overwrite it.
std::optional<std::uint32_t> groups_in_place(const ir::Kernel& kernel,
                                             const Specialization& specialization);

/// Whether a thread keeps what it holds of 8 and 16-bit tensors in their bits, and computes values
/// from them for each stage: where the values would be many.
bool holds_bits(const ir::Kernel& kernel, const RowGeometry& geometry) noexcept;

/// Whether CUDA code of a kernel that stores when all rows are done does so itself where the call
/// has one row, so that no second launch follows: what the threads of that row have added up is in
/// their registers.
bool stores_single_row(const ir::Kernel& kernel, const Specialization& specialization,
                       const CudaSchedule& schedule);

/// Bytes that are read of tensors with one value a column, for each column.
int bytes_a_column(const ir::Kernel& kernel) noexcept;

/// Whether a thread that goes from row to row keeps what has one value a column, in its bits: where
/// it takes a few registers.
bool holds_columns(const ir::Kernel& kernel, const RowGeometry& geometry) noexcept;

/// Whether blocks that meet load what has one value a column with the row, if they load it ahead:
/// threads with few elements have the registers (RMSNorm of 1x14336 on an H200: 1.52 us for 1.82).
bool loads_columns_early(const ir::Kernel& kernel, const CudaSchedule& schedule);

/// Bytes of shared memory into which the blocks of a cluster write what they have of a value: one
/// number of each block, or of each of its warps that add up runs.
std::int64_t cluster_bytes(const RowGeometry& geometry) noexcept;
/// Whether the order of a reduction's terms shows in its result.
bool has_order(const ir::Node& reduction) noexcept;
/// Regions of shared memory that stages take turns in.
inline int cluster_regions(const RowPlan& plan) noexcept {
  return plan.reductions.size() > 1 ? 2 : 1;
}
/// Of a region, the mbarrier that counts what arrives, and what keeps values behind it aligned.
inline constexpr std::int64_t kArrivalBytes = 16;
/// Bytes of a region: its mbarrier, then all values of a stage, at most. 0 without a cluster.
std::int64_t region_bytes(const RowPlan& plan, const RowGeometry& geometry) noexcept;

/// Shared memory of a block that runs are combined in: bytes of one sum of values of `bytes` bytes.
/// In a cluster a warp combines its own before.
std::int64_t exchange_bytes(const RowGeometry& geometry, int bytes) noexcept;

/// Columns that the threads of a row have where it is held.
std::int64_t held_width(const RowGeometry& geometry) noexcept;

/// Shared memory through which the rows of a block, all of one strand, are added to its sums in
/// their order; 0 where a block has one row, whose threads add their own columns.
std::int64_t terms_bytes(const RowPlan& plan, const RowGeometry& geometry) noexcept;
/// Of these, the bytes before the terms of the column sum `sum`, a multiple of 16.
std::int64_t terms_offset(const RowPlan& plan, const RowGeometry& geometry,
                          std::size_t sum) noexcept;

/// A block's shared memory without asking for more.
inline constexpr std::int64_t kSharedBytes = 48 << 10;

/// Shared memory of the code: `exchange_bytes`, twice the values of a stage, `terms_bytes`, and
/// `region_bytes` once or twice.
std::int64_t shared_bytes(const RowPlan& plan, const ir::Kernel& kernel,
                          const RowGeometry& geometry) noexcept;

} // namespace swage::codegen
