// ops.hpp -- the operations of the language, read from ops.def.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
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
  place,
  over_row,
  over_group,
  over_col,
  over_col_group
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

/// How tightly an operation binds, as in C: later ones tighter.
enum class Precedence : std::uint8_t {
  ternary,
  logical_or,
  logical_and,
  equality,
  order,
  sum,
  product,
  prefix,
  primary ///< leaves and calls
};

/// When a float result is never below zero, however functions err: if those operands never are.
enum class Sign : std::uint8_t { any, never_negative, if_a, if_all, if_some, if_factors };

/// Ulp of the exact result for the operands as they are; 0.5 is correctly rounded, 0 exact.
struct UlpBound {
  double f32 = 0, f64 = 0;
};
/// Relative error, besides one ulp, of a result that owes half accuracy: `error`, or `far_error`
/// where an operand is beyond `far` in size. 0: there is no cheaper form.
struct HalfBound {
  double error = 0, far_error = 0, far = std::numeric_limits<double>::infinity();
};
/// What float results lie in, with any error.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// How many times the instructions on a GPU.
struct GpuCost {
  int f32 = 1, f64 = 1;
};

/// A set of operands, by bit.
using OperandSet = std::uint8_t;

/// A row of the table: see ops.def for what its columns mean.
struct OpInfo {
  Op op;
  std::string_view id;       ///< "logical_and"
  std::string_view spelling; ///< "&&"
  OpForm form;
  int arity;
  TypeRule rule;
  std::array<std::string_view, 3> derivative;
  Precedence binds = Precedence::primary;
  int cost = 1;
  GpuCost gpu_cost{};
  UlpBound error{};
  HalfBound half{};
  Range range{};
  Sign sign = Sign::any;
  OperandSet fits = 0;
  OperandSet jumps = 0;
  bool ends_domain = false;
  bool commutes = false;
  bool idempotent = false;
  bool gentle = false;
  bool keeps_nan_bits = false;
};

/// The table, indexed by Op.
const OpInfo& info(Op op) noexcept;
inline constexpr int kOpCount = 0
#define SWAGE_OP(...) +1
#include "ir/ops.def"
    ;

/// Whether `op` takes many elements to one value: row_sum and its like.
bool is_reduction(Op op) noexcept;
/// Whether operations of this form reduce groups, whose size is written as a second argument.
bool takes_size(OpForm form) noexcept;
/// Whether it is a reduction that gives one of the elements: row_max and its like.
bool is_extreme(Op op) noexcept;
/// Whether `op` needs more than its element: a reduction, a table, or where the element is.
bool reaches_beyond(Op op) noexcept;
/// == != < <= > >=.
bool is_comparison(Op op) noexcept;
/// Whether the language writes operations of this form as calls.
bool is_call(OpForm form) noexcept;

/// The infix operation written so ("+"), if there is one.
std::optional<Op> infix_from_spelling(std::string_view spelling) noexcept;
/// The function called `name` in the language ("sigmoid"), if there is one.
std::optional<Op> function_from_name(std::string_view name) noexcept;

} // namespace swage::ir
