// row_plan.hpp -- how a kernel that reaches along its rows is computed: stages, and what each
// needs.
//
// A row is passed over once for every stage: stage k computes the reductions along the row that
// need those of the stages before it, and a last pass stores. What has one value a row is computed
// once, between the passes; what has one value a group, once before the elements of the group.
// Elements are read, and computed anew, in each pass that needs them, for they are in the cache;
// the host keeps the costly ones, and CUDA threads those that take no more registers than what they
// are made of (kept_values.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// Bounds of what is compiled at once, so that it takes seconds: each pass over a row has code of
/// its own for what it computes, and all of it is one function.
inline constexpr std::size_t kMaxReductions = 128;
inline constexpr std::size_t kMaxRowOperations = 40'000; ///< of a kernel, times its passes

/// A value of every element that costs more to compute anew than to write to memory of the thread
/// and to read from there, and that several passes over a row need: the exponentials of softmax.
struct KeptValue {
  ir::NodeId node;
  int pass; ///< that computes it, from 0 on: pass k has the reductions of stage k + 1
};

struct RowPlan {
  /// By node: the stages of the row that its value needs, 0 for none.
  std::vector<int> stage;
  /// Reductions along the row, by stage from 1 on: reductions[k - 1] are those of stage k.
  std::vector<std::vector<ir::NodeId>> reductions;
  std::uint32_t group = 0; ///< columns a group; 0 without groups
  /// Sums over rows. Each strand of rows adds up its own in a workspace; when all rows are done the
  /// strands are added, and what needs the sums is computed and stored.
  std::vector<ir::NodeId> column_sums;
  /// By entry of `column_sums`: bytes of one value.
  std::vector<int> column_sum_bytes;
  std::vector<bool> column_sum_for_all; ///< by entry: one value for all columns
  bool after_rows = false;              ///< there is something to store when all rows are done
  bool apart = false;                   ///< see computes_columns_apart
  std::vector<KeptValue> kept;          ///< on the host
  std::uint32_t group_rows = 0;         ///< rows of groups of rows, see tile_plan.hpp; 0 without
  int tile_passes = 1;                  ///< with groups of rows: over a tile
  int tile_values = 0;                  ///< likewise: TilePlan::values

  /// Over a row, or over a tile.
  int passes() const noexcept {
    return group_rows > 0 ? tile_passes : static_cast<int>(reductions.size()) + 1;
  }
};

RowPlan make_row_plan(const ir::Kernel& kernel);

/// Whether no more of a row is needed for an element than its group: nothing is reduced along rows
/// or over them, or stored that is one value a row. Parts of a row are then blocks that never meet.
bool computes_columns_apart(const ir::Kernel& kernel) noexcept;

/// Whether all rows share a value: [col] or [tensor].
bool is_shared(ir::Broadcast broadcast) noexcept;

/// RowPlan::after_rows, without the rest.
bool stores_after_rows(const ir::Kernel& kernel) noexcept;

/// Throws Error(unsupported): `kernel` uses `what`, which `help`.
[[noreturn]] void refuse_unlowered(const ir::Kernel& kernel, std::string_view what,
                                   std::string_view help);

/// The sizes of all groups of one kind, per_group or per_column_group.
std::vector<std::uint32_t> group_sizes(const ir::Kernel& kernel, ir::Broadcast kind);

/// By node: whether it needs a sum over rows, or is one.
std::vector<bool> needs_column_sums(const ir::Kernel& kernel);

/// Whether `reduction`, a sum over rows, has one value for all columns.
bool is_for_all_columns(const ir::Kernel& kernel, ir::NodeId reduction) noexcept;

/// Throws Error(unsupported), naming what is missing, for a kernel that `target` has no code for.
void check_lowered(const ir::Kernel& kernel, const Target& target);

/// Throws Error(unsupported) where an output [col] is made of a [tensor] that is overwritten in
/// place, as `call` has it or, without, every call: when one part stores it, others have yet to
/// read it.
void check_totals_in_place(const ir::Kernel& kernel, const Specialization* call);

/// The arrays of kSumLanes values that adding up `count` terms takes.
std::int64_t sum_arrays(std::int64_t count) noexcept;
/// Bytes of `scratch_bytes`, at their beginning, that hold kept values: one array of the widest
/// type for each.
std::int64_t kept_bytes(const RowPlan& plan, std::int64_t columns) noexcept;
/// Bytes of scratch memory that host code for rows of `columns` columns takes.
std::int64_t scratch_bytes(const RowPlan& plan, std::int64_t columns) noexcept;
/// Bytes of the workspace that all threads of a call on the host share; 0 without sums over rows.
std::int64_t workspace_bytes(const RowPlan& plan, std::int64_t rows, std::int64_t columns) noexcept;
/// The same of a call on CUDA, where the sums of a strand begin at multiples of kWorkspacePitch
/// columns: the same for every schedule.
std::int64_t cuda_workspace_bytes(const RowPlan& plan, std::int64_t rows,
                                  std::int64_t columns) noexcept;
inline constexpr std::int64_t kWorkspacePitch = 64;
/// What a workspace on CUDA is aligned to, in bytes.
inline constexpr std::int64_t kWorkspaceAlignment = 256;
/// Threads of a block of the second launch, which stores what is known when all rows are done, and
/// columns that it has.
inline constexpr int kTotalsThreads = 256;
inline constexpr int kTotalsColumns = 32;
/// Columns that a thread of the second launch reads at once, be they all columns of the call or
/// not.
inline constexpr int kTotalsLanes = 4;
/// Strands of a call of so many rows.
std::int64_t strands_of(std::int64_t rows) noexcept;

} // namespace swage::codegen
