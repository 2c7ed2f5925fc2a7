// steps.hpp -- a kernel that needs more than one pass over its rows, as several kernels.
//
// What a sum over rows gives is known when all rows are done. One kernel stores what is made of it
// column by column, or once for all. Where rows need such a sum themselves, or where it is reduced
// along the row again, there are steps, each a kernel of its own: first one over all rows for each
// sum that another sum needs, then one that stores, and last, for outputs [col] and [tensor] that
// reduce along the row, one over the columns alone. Steps leave each other nothing but sums over
// rows, in their compute types; all else is computed anew, so no output is written before the last
// step over the rows, and an input may be overwritten by it.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// What a parameter of a step stands for.
struct StepSource {
  enum class Kind : std::uint8_t {
    param, ///< parameter `index` of the whole kernel
    sum,   ///< Steps::sums[index]
    shape, ///< nothing: it is not read, and has as many columns as the call
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

/// A sum over rows that one step stores and others load.
struct StepSum {
  DType type = DType::f32;
  bool for_all = false; ///< one value, else one a column
};

struct Steps {
  std::vector<Step> steps; ///< in the order in which they run; empty: the kernel runs by itself
  std::vector<StepSum> sums;

  /// Bytes of the memory that sums are in for a call of so many columns, and where one begins in
  /// it: at a multiple of kWorkspaceAlignment. The memory has some bytes whatever is in it.
  std::int64_t bytes(std::int64_t columns) const noexcept { return offset(sums.size(), columns); }
  std::int64_t offset(std::size_t sum, std::int64_t columns) const noexcept;
};

/// Whether one kernel does: no sum over rows is used within rows, and no output [col] or [tensor]
/// is reduced along the row but by way of such a sum.
bool runs_by_itself(const ir::Kernel& kernel);

/// The same kernel gives the same steps. Throws Error(unsupported) for a step with more than
/// ir::kMaxParams parameters.
Steps make_steps(const ir::Kernel& kernel);

} // namespace swage::codegen
