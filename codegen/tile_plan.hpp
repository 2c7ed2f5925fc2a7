// tile_plan.hpp -- how a kernel with groups of rows ([col group n]) is computed: in tiles of n rows
// and some columns.
//
// A tile is passed over once for every stage: pass k computes the reductions down its columns that
// need those of the passes before it, and the last one stores. What has one value a group of rows
// is computed once for each column, between the passes. Sums and maxima of groups of columns lie
// within a row, and need no pass of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// Rows of the groups of rows of `kernel`, the first size that it names; 0: it has none.
std::uint32_t rows_of_groups(const ir::Kernel& kernel) noexcept;
/// The same of columns.
std::uint32_t columns_of_groups(const ir::Kernel& kernel) noexcept;

struct TilePlan {
  std::uint32_t rows = 0;  ///< of a group; 0: the kernel has no groups of rows
  std::uint32_t group = 0; ///< columns of the groups of columns; 0 without
  /// By node: the passes before its value is known.
  std::vector<int> stage;
  /// By pass: the reductions down the columns that it computes; none in the last one.
  std::vector<std::vector<ir::NodeId>> reductions;
  /// Values of groups of rows that are remembered for the passes and the stores: what reductions
  /// give, and what is made of that alone. In the order of nodes.
  std::vector<ir::NodeId> values;

  int passes() const noexcept { return static_cast<int>(reductions.size()); }
  int last() const noexcept { return passes() - 1; }
};

TilePlan make_tile_plan(const ir::Kernel& kernel);

/// Throws Error(unsupported), naming what `target` has no code for beside groups of rows.
void check_tiles(const ir::Kernel& kernel, const Target& target);

/// Columns of a tile on the host: whole groups.
std::int64_t host_tile_columns(std::uint32_t group) noexcept;
/// Bytes of the memory for `values` values of the groups of rows of a tile, whole lines.
std::int64_t host_tile_bytes(std::int64_t values, std::uint32_t group) noexcept;
/// Tiles of a call on the host.
std::int64_t host_tiles(std::uint32_t group_rows, std::uint32_t group, std::int64_t rows,
                        std::int64_t columns) noexcept;

/// What is known of an element, or of a group of columns of a row, when the first pass is done, and
/// needed by later ones: the values nearest to what these compute that take no more memory than
/// what they are made of, or all that is read. Where several `warps` share a tile each holds
/// little, and values may take twice that memory, for nothing is computed twice then. `may_hold`,
/// by node, false: not that one. `late`: every store is left to the last pass.
std::vector<ir::NodeId> passed_on(const ir::Kernel& kernel, const TilePlan& plan, bool late,
                                  int warps, const std::vector<bool>& may_hold);
/// Bytes that a thread takes for one value of `id` where it holds several.
int held_bytes(const ir::Kernel& kernel, ir::NodeId id) noexcept;

/// The pass that `store`, to elements or to groups of columns, is done in.
int pass_of(const TilePlan& plan, const ir::Store& store, bool late) noexcept;

} // namespace swage::codegen
