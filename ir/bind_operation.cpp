// bind_operation.cpp -- operations on values: literals fold or adapt, types must agree.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "ir/binder.hpp"

namespace swage::ir {

namespace {

bool is_untyped(const Value& value) {
  return value.kind != Value::Kind::node;
}

// How the language writes an operation in messages.
std::string shown(Op op) {
  return fmt::format("'{}'", info(op).spelling);
}

std::string_view with_article(DType type) {
  return type == DType::boolean ? "a bool" : name_of(type);
}

} // namespace

std::string Binder::text_of(const Expr& expr) const {
  constexpr std::size_t kShown = 32;
  const std::string_view text = program_.text_of(expr.span);
  if (text.size() > kShown || text.find('\n') != text.npos || text.find("//") != text.npos)
    return "...";
  return std::string(text);
}

std::string Binder::cast_text(DType type, const Expr& expr) const {
  const std::string text = text_of(expr);
  const bool enclosed =
      text.starts_with('(') && expr.kind != ExprKind::call && expr.kind != ExprKind::index;
  return enclosed ? fmt::format("{}{}", name_of(type), text)
                  : fmt::format("{}({})", name_of(type), text);
}

bool Binder::holds_real(const Value& value) const {
  if (value.kind == Value::Kind::choice)
    return holds_real(choices_[value.index].then) || holds_real(choices_[value.index].otherwise);
  return value.kind == Value::Kind::literal && value.literal.kind == LiteralKind::real;
}

bool Binder::holds_bool(const Value& value) const {
  if (value.kind == Value::Kind::choice)
    return holds_bool(choices_[value.index].then);
  return value.kind == Value::Kind::literal && value.literal.kind == LiteralKind::boolean;
}

std::uint32_t Binder::leaves(const Value& value) const {
  return value.kind == Value::Kind::choice ? choices_[value.index].leaves : 1;
}

// "f32", "a float literal".
std::string Binder::kind_of(const Value& value) const {
  if (value.kind == Value::Kind::node)
    return std::string(name_of(type_of(value.index)));
  if (holds_bool(value))
    return "bool";
  return holds_real(value) ? "a float literal" : "an integer literal";
}

Value Binder::operate(const Expr& expr, std::span<const Operand> operands) {
  if (is_reduction(expr.op))
    return reduce(expr, operands);
  if (expr.op == Op::col_index)
    return Value::of(builder_->col_index());
  const auto is_literal = [](const Operand& x) { return x.value.kind == Value::Kind::literal; };
  const auto untyped = [](const Operand& x) { return is_untyped(x.value); };
  if (std::all_of(operands.begin(), operands.end(), is_literal))
    return fold_literals(expr, operands);
  const bool selects = expr.op == Op::select;
  if (selects && !check_condition(operands[0]))
    return {};
  const std::span<const Operand> group = selects ? operands.subspan(1) : operands;
  if (selects && std::all_of(group.begin(), group.end(), untyped))
    return choose(expr, operands);
  const auto type = common_type(expr, group);
  if (!type || !check_rule(expr, group, *type))
    return {};
  std::array<NodeId, 3> nodes{};
  std::size_t count = 0;
  if (selects)
    nodes[count++] = *adapt(operands[0].value, DType::boolean, DType::boolean, *operands[0].expr);
  for (const Operand& operand : group) {
    const auto node = adapt(operand.value, *type, *type, *operand.expr);
    if (!node)
      return {};
    nodes[count++] = *node;
  }
  return Value::of(builder_->make(expr.op, std::span(nodes.data(), count)));
}

// A value of a [table], which one index a row may name.
Value Binder::lookup(const Expr& expr, const Operand& index) {
  const ParamDecl& table = kernel_.params[expr.target];
  if (!dtype_of(table.type))
    return {}; // reported
  const auto refuse = [&](std::string message, std::string help) -> Value {
    error(*index.expr, std::move(message))
        .help(std::move(help))
        .note(table.name.span, "declared here");
    return {};
  };
  std::optional<NodeId> id;
  if (index.value.kind == Value::Kind::node)
    id = index.value.index;
  else if (!holds_real(index.value) && !holds_bool(index.value))
    id = adapt(index.value, DType::i64, DType::i64, *index.expr);
  else
    return refuse(fmt::format("'{}' has {} as its index, expected an integer", table.name.text,
                              kind_of(index.value)),
                  "");
  if (!id)
    return {};
  if (!is_integer(type_of(*id)))
    return refuse(fmt::format("'{}' has {} {} as its index, expected an integer", table.name.text,
                              type_of(*id) == DType::boolean ? "a" : "an", kind_of(index.value)),
                  fmt::format("convert it, as in {}[i32(...)]", table.name.text));
  const Space found = builder_->node(*id).space;
  if (!spreads_over(found, {Broadcast::per_row}))
    return refuse(
        fmt::format("'{}' has one index {}, expected one a row", table.name.text, per_what(found)),
        "a table gives one value a row: its index is [row], or one for all");
  return Value::of(builder_->lookup(indices_[expr.target], *id));
}

// One operand, and the size of a group.
Value Binder::reduce(const Expr& expr, std::span<const Operand> operands) {
  const Operand& operand = operands[0];
  if (is_untyped(operand.value)) {
    error(*operand.expr, fmt::format("{} of a literal, which has no type", shown(expr.op)))
        .help("give it one, as in f32(1)");
    return {};
  }
  std::uint32_t group = 0;
  if (takes_size(info(expr.op).form)) {
    const auto size = group_size(expr, operands[1]);
    if (!size)
      return {};
    group = *size;
  }
  if (!check_rule(expr, operands.first(1), type_of(operand.value.index)))
    return {};
  return Value::of(builder_->make(expr.op, std::array{operand.value.index}, group));
}

// An integer that is known now.
std::optional<std::int64_t> Binder::integer_of(const Value& value) const {
  if (value.kind == Value::Kind::literal && value.literal.kind == LiteralKind::integer)
    return value.literal.integer;
  if (value.kind != Value::Kind::node)
    return std::nullopt;
  const Node& node = builder_->node(value.index);
  return node.op == Op::constant && is_integer(node.type) ? std::optional(node.integer())
                                                          : std::nullopt;
}

std::optional<std::uint32_t> Binder::group_size(const Expr& expr, const Operand& operand) {
  const auto size = integer_of(operand.value);
  if (size && *size >= 1 && *size <= kMaxGroup)
    return static_cast<std::uint32_t>(*size);
  const bool of_rows = info(expr.op).form == OpForm::over_col_group;
  const std::string_view what = of_rows ? "rows" : "columns";
  if (size)
    error(*operand.expr, fmt::format("{} over a group of {} {}, expected 1 to {}", shown(expr.op),
                                     *size, what, kMaxGroup));
  else
    error(*operand.expr, fmt::format("{} takes the {} of a group second, found {}", shown(expr.op),
                                     what, kind_of(operand.value)))
        .help(fmt::format("it is a number or an integer const, as in {}",
                          of_rows ? "col_group_max(x, 32)" : "group_max(x, 128)"));
  return std::nullopt;
}

Value Binder::fold_literals(const Expr& expr, std::span<const Operand> operands) {
  std::array<Literal, 3> literals{};
  for (std::size_t i = 0; i < operands.size(); ++i)
    literals[i] = operands[i].value.literal;
  const auto folded = fold(expr.op, std::span(literals.data(), operands.size()));
  if (const auto* failed = std::get_if<LiteralError>(&folded)) {
    error(expr, failed->message).help(failed->help);
    return {};
  }
  return Value::of(std::get<Literal>(folded));
}

// c ? 1 : 0 has no type until it meets one.
Value Binder::choose(const Expr& expr, std::span<const Operand> operands) {
  const Value& then = operands[1].value;
  const Value& otherwise = operands[2].value;
  if (holds_bool(then) != holds_bool(otherwise)) {
    report_mix(expr, operands[1], operands[2]);
    return {};
  }
  const std::uint32_t size = leaves(then) + leaves(otherwise);
  if (size > kMaxChoiceLeaves) {
    error(expr, fmt::format("a choice between more than {} literals", kMaxChoiceLeaves))
        .help("give one of them a type, as in f32(1)");
    return {};
  }
  const NodeId condition =
      *adapt(operands[0].value, DType::boolean, DType::boolean, *operands[0].expr);
  if (holds_bool(then)) {
    // bool adapts to nothing else, so there is nothing to wait for.
    const auto a = adapt(then, DType::boolean, DType::boolean, *operands[1].expr);
    const auto b = adapt(otherwise, DType::boolean, DType::boolean, *operands[2].expr);
    return Value::of(builder_->make(Op::select, {condition, *a, *b}));
  }
  choices_.push_back({condition, then, otherwise, size});
  return {Value::Kind::choice, static_cast<std::uint32_t>(choices_.size() - 1), {}};
}

bool Binder::check_condition(const Operand& operand) {
  const std::string kind = kind_of(operand.value);
  if (kind == "bool")
    return true;
  error(*operand.expr, fmt::format("the condition is {}, expected bool", kind))
      .help(fmt::format("compare it, as in {} != 0", text_of(*operand.expr)));
  return false;
}

// The type that the typed operands share; the others can adapt to it.
std::optional<DType> Binder::common_type(const Expr& expr, std::span<const Operand> operands) {
  const Operand* typed = nullptr;
  for (const Operand& operand : operands) {
    if (is_untyped(operand.value))
      continue;
    if (typed && type_of(typed->value.index) != type_of(operand.value.index)) {
      report_mix(expr, *typed, operand);
      return std::nullopt;
    }
    typed = typed ? typed : &operand;
  }
  if (!typed) {
    error(expr, fmt::format("{} has no operand with a type, only choices between literals",
                            shown(expr.op)))
        .help("give one of them a type, as in f32(1)");
    return std::nullopt;
  }
  const DType type = type_of(typed->value.index);
  for (const Operand& operand : operands) {
    if (!is_untyped(operand.value))
      continue;
    const bool fits = holds_bool(operand.value)   ? type == DType::boolean
                      : holds_real(operand.value) ? is_float(type)
                                                  : type != DType::boolean;
    if (!fits) {
      report_mix(expr, *typed, operand);
      return std::nullopt;
    }
  }
  return type;
}

void Binder::report_mix(const Expr& expr, const Operand& a, const Operand& b) {
  Diagnostic& result = error(
      expr, fmt::format("{} mixes {} and {}", shown(expr.op), kind_of(a.value), kind_of(b.value)));
  const auto rank = [&](const Operand& x) {
    if (is_untyped(x.value))
      return holds_bool(x.value) ? 0 : holds_real(x.value) ? 3 : 1;
    switch (type_of(x.value.index)) {
    case DType::boolean: return 0;
    case DType::i32: return 1;
    case DType::i64: return 2;
    case DType::f32: return 3;
    default: return 4;
    }
  };
  // The one of lower rank is cast to the type of the other, which loses least.
  const Operand& low = rank(a) < rank(b) ? a : b;
  const Operand& high = rank(a) < rank(b) ? b : a;
  const DType target = is_untyped(high.value) ? DType::f32 : type_of(high.value.index);
  if (holds_bool(low.value) || (is_untyped(high.value) && holds_bool(high.value)))
    return;
  result.help(fmt::format("cast one of them, as in {}", cast_text(target, *low.expr)));
}

bool Binder::check_rule(const Expr& expr, std::span<const Operand> operands, DType type) {
  std::string_view expected;
  std::string help;
  const Expr& first = *operands[0].expr;
  switch (info(expr.op).rule) {
  case TypeRule::number:
  case TypeRule::order:
  case TypeRule::reduce:
    if (type == DType::boolean)
      expected = "numbers";
    help = expr.op == Op::neg ? "logical not is '!'" : "a number from a bool is f32(b) or i32(b)";
    break;
  case TypeRule::real:
  case TypeRule::test:
  case TypeRule::reduce_real:
    if (!is_float(type))
      expected = "a float";
    help = fmt::format("convert first, as in {}", cast_text(DType::f32, first));
    break;
  case TypeRule::logic:
    if (type != DType::boolean)
      expected = "bool";
    help = fmt::format("compare, as in {} != 0", text_of(first));
    break;
  default: break;
  }
  if (expected.empty())
    return true;
  error(expr, fmt::format("{} takes {}, found {}", shown(expr.op), expected, with_article(type)))
      .help(std::move(help));
  return false;
}

std::optional<NodeId> Binder::adapt(const Value& value, DType type, DType storage,
                                    const Expr& expr) {
  switch (value.kind) {
  case Value::Kind::poison: return std::nullopt;
  case Value::Kind::node: return value.index;
  case Value::Kind::literal: return adapt_literal(value.literal, type, storage, expr);
  case Value::Kind::choice: break;
  }
  const Choice choice = choices_[value.index];
  const auto then = adapt(choice.then, type, storage, expr);
  const auto otherwise = adapt(choice.otherwise, type, storage, expr);
  if (!then || !otherwise)
    return std::nullopt;
  return builder_->make(Op::select, {choice.condition, *then, *otherwise});
}

void Binder::report_wide(const Expr& expr) {
  error(expr, "integer is too large for i64")
      .help("i64 ends at 9223372036854775807; beyond it integers serve where they meet a float");
}

std::optional<NodeId> Binder::adapt_literal(const Literal& literal, DType type, DType storage,
                                            const Expr& expr) {
  const bool real = literal.kind == LiteralKind::real;
  const bool boolean = literal.kind == LiteralKind::boolean;
  if (boolean != (type == DType::boolean)) {
    error(expr, boolean ? fmt::format("found a bool, expected {}", name_of(storage))
                        : "found a number, expected bool")
        .help(boolean ? fmt::format("cast it, as in {}({})", name_of(storage), to_string(literal))
                      : "write true or false, or compare");
    return std::nullopt;
  }
  if (is_float(type)) {
    // From the integer in one rounding, not by way of double.
    const double value = type != DType::f32 ? literal.as_real()
                         : real             ? literal.odd
                                : static_cast<double>(static_cast<float>(literal.integer));
    if (type == DType::f32 && std::isfinite(value) && std::isinf(static_cast<float>(value))) {
      error(expr, fmt::format("{} is out of the range of f32, which ends at 3.4028235e38",
                              to_string(literal)))
          .help("infinity is written inf");
      return std::nullopt;
    }
    return builder_->real(type, value);
  }
  if (literal.is_wide) {
    report_wide(expr);
    return std::nullopt;
  }
  if (real) {
    error(expr, fmt::format("found float {}, expected an integer for {}", to_string(literal),
                            name_of(storage)))
        .help(fmt::format("truncate it with {}({}), or write a whole number", name_of(storage),
                          to_string(literal)));
    return std::nullopt;
  }
  const IntegerRange range = range_of(storage);
  if (literal.integer < range.low || literal.integer > range.high) {
    error(expr, fmt::format("{} is out of the range of {}, {} to {}", literal.integer,
                            name_of(storage), range.low, range.high))
        .help(fmt::format("to wrap it write {}({})", name_of(storage), literal.integer));
    return std::nullopt;
  }
  return builder_->integer(type, literal.integer);
}

} // namespace swage::ir
