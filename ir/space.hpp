// space.hpp -- spaces: along which dimensions of a call a value differs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ir/ops.hpp"

namespace swage::ir {

/// `none`: one value an element; `per_row`: one a row (`[row]`); `per_column`: one a column
/// (`[col]`); `per_group`: one for n neighbouring columns of a row (`[group n]`); `per_tensor`: one
/// for all (`[tensor]`, scalars and constants); `table`: a vector that is read by an index
/// (`[table]`), which no value is by itself; `per_column_group`: one for n neighbouring rows of a
/// column (`[col group n]`).
enum class Broadcast : std::uint8_t {
  none,
  per_row,
  per_column,
  per_group,
  per_tensor,
  table,
  per_column_group
};

/// Whether a space of this kind has groups of some size.
constexpr bool has_groups(Broadcast broadcast) noexcept {
  return broadcast == Broadcast::per_group || broadcast == Broadcast::per_column_group;
}

/// "columns" or "rows".
constexpr std::string_view what_groups_hold(Broadcast broadcast) noexcept {
  return broadcast == Broadcast::per_column_group ? "rows" : "columns";
}

/// Columns, or rows, of one group, at most.
inline constexpr std::uint32_t kMaxGroup = 1u << 20;

/// The space of a value. What has one value a row, say, is the same in all columns of the row.
struct Space {
  Broadcast broadcast = Broadcast::none;
  std::uint32_t group = 0; ///< columns, or rows, a group; 0 in other spaces

  friend bool operator==(const Space&, const Space&) = default;
};

/// The space in which an operation on values of `a` and `b` has its value: the widest one that
/// tells apart what either does. Groups of which neither divides the other give elements, and so do
/// groups of columns with groups of rows.
Space join(Space a, Space b) noexcept;

/// Whether one value of `wide` serves whole values of `narrow`: row for element and group, each for
/// itself, tensor for all.
bool spreads_over(Space wide, Space narrow) noexcept;

/// What a reduction runs over when its operand is of space `operand`: the operand broadcast until
/// it has what is reduced, one term a column or one a row. So the column sum of one value a row has
/// one term a row, and that of one value a group has one term a row in every column.
Space terms_of(Op reduction, Space operand) noexcept;

/// The space of a reduction's result. `group` is that of a group reduction, else 0.
Space reduced(Op reduction, Space operand, std::uint32_t group) noexcept;

/// "element", "row", "col", "group 128", "tensor", "table", "col group 32".
std::string name_of(Space space);
/// "an element", "a row", "a column", "a group of 128 columns", "a tensor", "a group of 32 rows of
/// a column".
std::string per_what(Space space);

} // namespace swage::ir
