// literal.cpp -- folding and converting untyped literals.
#include "ir/literal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include <fmt/format.h>

#include "ir/arithmetic.hpp"
#include "ir/number.hpp"

namespace swage::ir {

namespace {

using Folded = std::variant<Literal, LiteralError>;

LiteralError overflow() {
  return {"integer literals overflow i64 here", "write a float, as in 1.0"};
}

Folded divide(std::int64_t a, std::int64_t b) {
  if (b == 0)
    return LiteralError{"division of integer literals by zero", "write 1.0 / 0 to get inf"};
  if (a == std::numeric_limits<std::int64_t>::min() && b == -1)
    return overflow();
  if (a % b != 0)
    return LiteralError{fmt::format("{} / {} is not a whole number", a, b),
                        fmt::format("for the fraction write {}.0 / {}", a, b)};
  return Literal::of_integer(a / b);
}

// Literals have no width to wrap to: what could overflow is checked here, before the op table's own
// arithmetic.
std::optional<Folded> fold_checked(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  bool overflowed = false;
  switch (op) {
  case Op::add: overflowed = __builtin_add_overflow(a, b, &r); break;
  case Op::sub: overflowed = __builtin_sub_overflow(a, b, &r); break;
  case Op::mul: overflowed = __builtin_mul_overflow(a, b, &r); break;
  case Op::neg: overflowed = __builtin_sub_overflow(std::int64_t{0}, a, &r); break;
  case Op::abs: overflowed = __builtin_sub_overflow(std::int64_t{0}, a, &r) && a < 0; break;
  case Op::div: return divide(a, b);
  default: return std::nullopt;
  }
  if (overflowed)
    return overflow();
  return Literal::of_integer(op == Op::abs && a >= 0 ? a : r);
}

// What a column of the op table gave, as a literal.
template <typename Value>
Literal literal_of(Value value) {
  if constexpr (std::is_same_v<Value, bool>)
    return Literal::of_bool(value);
  else if constexpr (std::is_floating_point_v<Value>)
    return Literal::of_real(value);
  else if constexpr (std::is_integral_v<Value>)
    return Literal::of_integer(value);
  else
    return {};
}

Folded fold_booleans(Op op, std::span<const Literal> operands) {
  const bool a = operands[0].integer != 0;
  const bool b = operands.back().integer != 0;
  switch (op) {
  case Op::logical_and: return Literal::of_bool(a && b);
  case Op::logical_or: return Literal::of_bool(a || b);
  case Op::logical_not: return Literal::of_bool(!a);
  case Op::eq: return Literal::of_bool(a == b);
  case Op::ne: return Literal::of_bool(a != b);
  default:
    return LiteralError{fmt::format("'{}' needs a number, found a bool", info(op).spelling), {}};
  }
}

Folded fold_numbers(Op op, std::span<const Literal> operands) {
  const bool real = info(op).rule == TypeRule::real || info(op).rule == TypeRule::test ||
                    std::any_of(operands.begin(), operands.end(),
                                [](const Literal& x) { return x.kind == LiteralKind::real; });
  const auto at = [&](std::size_t i) { return i < operands.size() ? operands[i] : Literal{}; };
  const Literal a = at(0), b = at(1), c = at(2);
  if (op == Op::neg && a.kind == LiteralKind::real)
    return Literal{LiteralKind::real, 0, -a.real, -a.odd, a.is_wide};
  if (real)
    return eval::with_real<double>(
        op, [&](auto f) { return literal_of(f(a.as_real(), b.as_real(), c.as_real())); });
  if (const auto folded = fold_checked(op, a.integer, b.integer))
    return *folded;
  return eval::with_integer(op,
                            [&](auto f) { return literal_of(f(a.integer, b.integer, c.integer)); });
}

} // namespace

Folded fold(Op op, std::span<const Literal> operands) {
  if (op == Op::select) {
    if (operands[0].kind != LiteralKind::boolean)
      return LiteralError{"the condition is a number, expected a bool", "compare it, as in x != 0"};
    if ((operands[1].kind == LiteralKind::boolean) != (operands[2].kind == LiteralKind::boolean))
      return LiteralError{"the arms of '?:' are a bool and a number, expected one type", {}};
    return operands[operands[0].integer != 0 ? 1 : 2];
  }
  const auto is_bool = [](const Literal& x) { return x.kind == LiteralKind::boolean; };
  const auto bools = std::count_if(operands.begin(), operands.end(), is_bool);
  const std::string_view spelling = info(op).spelling;
  if (bools != 0 && bools != static_cast<std::ptrdiff_t>(operands.size()))
    return LiteralError{fmt::format("'{}' mixes a bool and a number", spelling), {}};
  if (bools != 0)
    return fold_booleans(op, operands);
  if (info(op).rule == TypeRule::logic)
    return LiteralError{fmt::format("'{}' needs a bool, found a number", spelling),
                        "compare it, as in x != 0"};
  return fold_numbers(op, operands);
}

IntegerRange range_of(DType type) noexcept {
  switch (type) {
  case DType::boolean: return {0, 1};
  case DType::u8: return {0, 255};
  case DType::i8: return {-128, 127};
  case DType::i16: return {-32768, 32767};
  case DType::i32:
    return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  default:
    return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
  }
}

Literal convert(DType storage, const Literal& literal) noexcept {
  const bool real = literal.kind == LiteralKind::real;
  if (storage == DType::boolean)
    return Literal::of_bool(real ? literal.real != 0 : literal.integer != 0);
  if (is_float(storage)) {
    const double written = storage == DType::f64 ? literal.real : literal.odd;
    const long double value =
        real ? static_cast<long double>(written) : static_cast<long double>(literal.integer);
    return Literal::of_real(static_cast<double>(round_to(storage, value)));
  }
  if (real)
    return Literal::of_integer(eval::saturate(storage, literal.real));
  return Literal::of_integer(eval::wrap(storage, literal.integer));
}

std::string to_string(const Literal& literal) {
  switch (literal.kind) {
  case LiteralKind::boolean: return literal.integer != 0 ? "true" : "false";
  case LiteralKind::integer: return fmt::format("{}", literal.integer);
  case LiteralKind::real: return fmt::format("{}", literal.real);
  }
  return {};
}

} // namespace swage::ir
