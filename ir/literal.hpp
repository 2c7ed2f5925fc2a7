// literal.hpp -- numbers without a type yet: arithmetic on literals while the text is bound.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "ir/ops.hpp"
#include "swage/dtype.hpp"

namespace swage::ir {

enum class LiteralKind : std::uint8_t { integer, real, boolean };

struct Literal {
  LiteralKind kind = LiteralKind::integer;
  std::int64_t integer = 0; ///< integer and boolean (0 or 1)
  double real = 0;          ///< real
  double odd = 0;           ///< real as written, rounded to odd, for types narrower than f64
  bool is_wide = false;     ///< real, but written as an integer: one that i64 does not hold

  static Literal of_integer(std::int64_t value) { return {LiteralKind::integer, value, 0, 0}; }
  static Literal of_real(double value) { return of_real(value, value); }
  static Literal of_real(double value, double odd) { return {LiteralKind::real, 0, value, odd}; }
  static Literal of_bool(bool value) { return {LiteralKind::boolean, value ? 1 : 0, 0, 0}; }

  /// The value of an integer or real as a double.
  double as_real() const noexcept {
    return kind == LiteralKind::real ? real : static_cast<double>(integer);
  }
};

/// Why literals cannot be combined, and what to write instead.
struct LiteralError {
  std::string message;
  std::string help;
};

/// `op` on literals: integers exactly (overflow, division by zero and inexact division are errors),
/// with a real among the operands or a function of reals in double precision.
std::variant<Literal, LiteralError> fold(Op op, std::span<const Literal> operands);

/// A literal converted by the cast `storage(literal)`: floats round once, float to integer
/// truncates and saturates with NaN giving 0, integers wrap, bool is `!= 0`. The result's kind is
/// that of the type: real for floats, integer for integers.
Literal convert(DType storage, const Literal& literal) noexcept;

/// Smallest and largest value of an integer type or bool.
struct IntegerRange {
  std::int64_t low;
  std::int64_t high;
};
IntegerRange range_of(DType type) noexcept;

/// "7", "2.5", "true".
std::string to_string(const Literal& literal);

} // namespace swage::ir
