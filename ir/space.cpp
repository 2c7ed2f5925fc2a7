// space.cpp -- how spaces combine.
#include "ir/space.hpp"

#include <fmt/format.h>

namespace swage::ir {

namespace {

constexpr Space kElement{};
constexpr Space kRow{Broadcast::per_row};
constexpr Space kColumn{Broadcast::per_column};
constexpr Space kTensor{Broadcast::per_tensor};

} // namespace

Space join(Space a, Space b) noexcept {
  if (a == b || b == kTensor)
    return a;
  if (a == kTensor)
    return b;
  // What groups of columns are parts of is one a row, what groups of rows are, one a column.
  const auto is_part_of = [](Space group, Space whole) {
    return (group.broadcast == Broadcast::per_group && whole == kRow) ||
           (group.broadcast == Broadcast::per_column_group && whole == kColumn);
  };
  if (is_part_of(a, b))
    return a;
  if (is_part_of(b, a))
    return b;
  if (a.broadcast == b.broadcast && has_groups(a.broadcast)) {
    if (b.group % a.group == 0)
      return a;
    if (a.group % b.group == 0)
      return b;
  }
  return kElement;
}

bool spreads_over(Space wide, Space narrow) noexcept {
  return join(wide, narrow) == narrow;
}

Space terms_of(Op reduction, Space operand) noexcept {
  const bool has_rows = operand != kColumn && operand != kTensor;
  const bool has_columns = operand != kRow && operand != kTensor;
  switch (info(reduction).form) {
  case OpForm::over_row: return has_rows ? kElement : kColumn;
  case OpForm::over_col: return has_columns ? kElement : kRow;
  default: return kElement;
  }
}

Space reduced(Op reduction, Space operand, std::uint32_t group) noexcept {
  const bool all = terms_of(reduction, operand) == kElement;
  switch (info(reduction).form) {
  case OpForm::over_row: return all ? kRow : kTensor;
  case OpForm::over_col: return all ? kColumn : kTensor;
  case OpForm::over_col_group: return {Broadcast::per_column_group, group};
  default: return {Broadcast::per_group, group};
  }
}

std::string name_of(Space space) {
  switch (space.broadcast) {
  case Broadcast::none: return "element";
  case Broadcast::per_row: return "row";
  case Broadcast::per_column: return "col";
  case Broadcast::per_group: return fmt::format("group {}", space.group);
  case Broadcast::per_tensor: return "tensor";
  case Broadcast::table: return "table";
  case Broadcast::per_column_group: return fmt::format("col group {}", space.group);
  }
  return {};
}

std::string per_what(Space space) {
  switch (space.broadcast) {
  case Broadcast::none: return "an element";
  case Broadcast::per_row: return "a row";
  case Broadcast::per_column: return "a column";
  case Broadcast::per_group: return fmt::format("a group of {} columns", space.group);
  case Broadcast::per_tensor: return "a tensor";
  case Broadcast::table: return "an index";
  case Broadcast::per_column_group:
    return fmt::format("a group of {} rows of a column", space.group);
  }
  return {};
}

} // namespace swage::ir
