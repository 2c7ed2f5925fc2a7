// ops.hpp -- the operations of the language, read from ops.def.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace swage::ir {

enum class Op : std::uint8_t {
#define SWAGE_OP(id, ...) id,
#include "ir/ops.def"
};

enum class OpForm : std::uint8_t {
  leaf,
  infix,
  prefix,
  call,
  ternary,
  over_row,
  over_group,
  over_col
};

/// Which operand types an operation admits and what it gives. Types here are compute types.
enum class TypeRule : std::uint8_t {
  leaf,        ///< typed by its declaration
  cast,        ///< any type to any type
  number,      ///< all operands of one numeric type, which is the result's
  real,        ///< all operands of one float type, which is the result's
  compare,     ///< two operands of one type, bool included; gives bool
  order,       ///< two operands of one numeric type; gives bool
  logic,       ///< bools; gives bool
  select,      ///< bool, then two operands of one type, which is the result's
  test,        ///< a float; gives bool
  reduce,      ///< a number, reduced to one of its type
  reduce_real, ///< a float, reduced to one of its type
};

struct OpInfo {
  Op op;
  std::string_view id;       ///< "logical_and"
  std::string_view spelling; ///< "&&"
  OpForm form;
  int arity;
  TypeRule rule;
  std::array<std::string_view, 3> derivative; ///< see ops.def
};

/// The table, indexed by Op.
const OpInfo& info(Op op) noexcept;
inline constexpr int kOpCount = 0
#define SWAGE_OP(...) +1
#include "ir/ops.def"
    ;

/// Whether `op` takes many elements to one value: row_sum and its like.
bool is_reduction(Op op) noexcept;
/// Whether the language writes operations of this form as calls.
bool is_call(OpForm form) noexcept;

/// The function called `name` in the language ("sigmoid"), if there is one.
std::optional<Op> function_from_name(std::string_view name) noexcept;

} // namespace swage::ir
