// specialization.hpp -- Specialization, the value that says what is known about a call.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// How the columns of one tensor parameter are addressed. Element (r, c) of a tensor is at
/// `base + r * row_stride + c * column_stride`, strides in elements, possibly negative or zero.
enum class Layout : std::uint8_t {
  unit,             ///< column stride 1
  strided,          ///< any column stride, known at run time only
  interleaved_even, ///< column stride 2; `partner` is the tensor one element behind
  interleaved_odd,  ///< column stride 2; `partner` is the tensor one element before
  per_row,          ///< one value a row (stride between rows at run time)
  per_column,       ///< one value a column, contiguous; the same for every row
  per_column_strided,
  per_group,        ///< one value a group of columns, at strides between rows and groups
  per_tensor,       ///< one value for all
  table,            ///< a vector that is read by an index, its length and stride known at run time
  per_column_group, ///< one value a group of rows of a column, column stride 1
  per_column_group_strided,
  /// Of kernels with groups of rows: row stride 1 and any column stride, known at run time, as a
  /// transposed output has them.
  column_major,
};

constexpr bool is_interleaved(Layout layout) noexcept {
  return layout == Layout::interleaved_even || layout == Layout::interleaved_odd;
}

/// Dimensions of one view of a [row], [group n] or [col group n] tensor, at most.
inline constexpr int kMaxViewDims = 5;

struct TensorSpec {
  Layout layout = Layout::unit;
  /// log2 of the alignment in bytes that the first element of every row has, of `column_major` that
  /// of every column: 0 to 6 (64 bytes).
  std::uint8_t align_log2 = 4;
  std::uint8_t partner = 0; ///< parameter index, for the interleaved layouts
  /// Read, and also written through another parameter of this call (an output equal to an input):
  /// no read-only loads.
  bool aliased = false;
  /// Of `per_row`, `per_group` and `per_column_group_strided`: dimensions that the index of the row
  /// (of the group of rows), and of the group (of the column), is
  /// spread over, each with a stride and an extent known at run time; kMaxViewDims together. The
  /// inner ones run faster: index = i0 + extent0 * (i1 + extent1 * i2).
  std::uint8_t row_dims = 1, group_dims = 1;
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

/// Which rows of a call there are, where the device alone knows: those at or beyond a count, of all
/// rows or of their batch, are neither read nor written.
enum class ValidRows : std::uint8_t { all, one, per_batch };

/// What the code may rely on. Every field only makes code faster: the general one is
/// {flat = false, index64 = true, exact = false, layouts strided, align_log2 = log2 of the
/// element}.
struct Specialization {
  /// One run of elements: rows * columns elements at column stride 1 (or interleaved) with no gap
  /// between rows; there are no row strides then, and columns holds the count.
  bool flat = true;
  bool index64 = false; ///< some element offset or item index passes 2^31
  bool exact = false;   ///< columns are a multiple of 64 elements: no tail code
  /// Of kernels that reach along their rows, on CUDA: a `column_bound` at or above the columns, and
  /// the one below it is less than they are; 0: nothing is known. So code knows what a thread has
  /// of a row.
  std::int64_t columns_at_most = 0;
  bool columns_known = false;            ///< there are `columns_at_most` columns, no fewer
  ValidRows valid_rows = ValidRows::all; ///< not of what is flat
  bool counts64 = false;                 ///< the counts of valid rows are i64, else i32
  std::vector<TensorSpec> tensors; ///< by tensor parameter, in parameter order, scalars left out
  friend bool operator==(const Specialization&, const Specialization&) = default;
};

/// The least of 1, 2, 3, 4, and from there four to an octave (5, 6, 7, 8, 10, 12, 14, 16, 20, ...)
/// that is at least `columns`; 0 for 0.
std::int64_t column_bound(std::int64_t columns) noexcept;
/// The bound before `bound`, which is one: more columns than this there are.
std::int64_t columns_above(std::int64_t bound) noexcept;

/// Says of `specialization` what code for `columns` columns may rely on.
void set_columns(Specialization& specialization, std::int64_t columns) noexcept;

/// "flat i32 exact gate=unit@16 up=unit@16 h=unit@16".
/// (A view of more than two dimensions: "scale=group(3x2)@1", "scale=row(3)@4".)
std::string canonical(const Specialization& specialization, const ir::Kernel& kernel);

/// The usual one: flat, 32-bit, contiguous tensors, 16-byte aligned for CUDA and the host alike.
Specialization contiguous(const ir::Kernel& kernel);

/// Throws Error(invalid_argument) if the specialization does not fit the kernel's parameters.
void check_specialization(const Specialization& specialization, const ir::Kernel& kernel);

} // namespace swage::codegen
