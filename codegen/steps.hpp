// steps.hpp -- a kernel that needs more than one pass over its rows, as several kernels.
//
// What a sum over rows gives is known when all rows are done. One kernel stores what is made of it
// column by column, or once for all. Where rows need such a sum themselves, or where it is reduced
// along the row again, a kernel is computed in steps, each a kernel of its own; and so it is where
// groups of rows, which are computed tile by tile, need what is reduced along whole rows or over
// them. Steps leave each other what there is one of for a column or for all (for tiles, also for a
// row) and takes such a reduction, in its compute type; all else is computed anew. Steps that leave
// something come first, then the one that stores what rows have, last the one that stores what
// there is one of for a column or for all, unless the one before can. So what a kernel overwrites
// in place is read by nothing after.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// What a parameter of a step stands for.
struct StepSource {
  enum class Kind : std::uint8_t {
    param, ///< parameter `index` of the whole kernel
    value, ///< Steps::values[index]
    shape, ///< nothing: f32 that is not read, and has the shape of the call
  };
  Kind kind = Kind::param;
  std::uint32_t index = 0;
};

struct Step {
  ir::Kernel kernel;
  std::vector<StepSource> sources; ///< by parameter
  /// A call of one row: what the whole kernel has one of for each column is an element of it, and
  /// what it has one of for all, [row].
  bool of_columns = false;
};

/// What one step stores and others load: one value a column, a row, or for all.
struct StepValue {
  DType type = DType::f32;
  ir::Broadcast broadcast = ir::Broadcast::per_column;
};

struct Steps {
  std::vector<Step> steps; ///< in the order in which they run; empty: the kernel runs by itself
  std::vector<StepValue> values;

  /// The step that schedules are asked for: the first over the rows, if there is such a one.
  std::size_t leading() const noexcept;
  /// Bytes of the memory that values are in for a call of so many rows and columns, and where one
  /// begins in it: at a multiple of kWorkspaceAlignment. There are some bytes in any case.
  std::int64_t bytes(std::int64_t rows, std::int64_t columns) const noexcept {
    return offset(values.size(), rows, columns);
  }
  std::int64_t offset(std::size_t value, std::int64_t rows, std::int64_t columns) const noexcept;
};

/// Whether one kernel does: no sum over rows is used within rows, and no output [col] or [tensor]
/// is reduced along the row but by way of such a sum; beside groups of rows there is none of
/// either.
bool runs_by_itself(const ir::Kernel& kernel);

/// The same kernel gives the same steps. Throws Error(unsupported) for a step with more than
/// ir::kMaxParams parameters.
Steps make_steps(const ir::Kernel& kernel);

} // namespace swage::codegen
