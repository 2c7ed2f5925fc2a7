// bind_expression.cpp -- expressions to values: one loop over the nodes of a body, functions
// inlined.
#include <array>

#include <fmt/format.h>

#include "ir/binder.hpp"

namespace swage::ir {

Diagnostic& Binder::error(const Expr& expr, std::string message) {
  constexpr std::size_t kShown = 3;
  Diagnostic& result = diagnostics_.error(expr.span, std::move(message)).at(expr.caret);
  for (std::size_t i = 0; i < calls_.size() && i < kShown; ++i) {
    const Expr& call = *calls_[calls_.size() - 1 - i];
    result.note(call.span, fmt::format("in '{}', called here", program_.text_of(call.name)));
  }
  return result;
}

void Binder::count_visit(const Expr& expr) {
  if (++visited_ <= kMaxVisited)
    return;
  error(expr, fmt::format("kernel '{}' expands to more than {} operations", kernel_.name.text,
                          kMaxVisited))
      .help("name what functions compute with let instead of calling them again");
  throw Stop{};
}

void Binder::check_size(const Expr& expr) {
  if (builder_->size() <= kMaxNodes)
    return;
  error(expr, fmt::format("kernel '{}' has more than {} operations", kernel_.name.text, kMaxNodes))
      .help("split it into several kernels");
  throw Stop{};
}

Value Binder::evaluate(Body body, std::span<const Value> arguments) {
  const std::size_t base = values_.size();
  for (ExprId id = body.begin; id <= body.root; ++id) {
    const Expr& expr = program_.exprs[id];
    count_visit(expr);
    const Value value = evaluate_one(expr, base, body.begin, arguments);
    values_.push_back(value);
    check_size(expr);
  }
  const Value result = values_.back();
  values_.resize(base);
  return result;
}

Value Binder::evaluate_one(const Expr& expr, std::size_t base, ExprId begin,
                           std::span<const Value> arguments) {
  switch (expr.kind) {
  case ExprKind::poison: return {};
  case ExprKind::literal: return Value::of(expr.literal);
  case ExprKind::name:
    switch (expr.ref) {
    case Ref::param: return params_[expr.target];
    case Ref::let: return lets_[expr.target];
    case Ref::argument: return arguments[expr.target];
    default: return {};
    }
  case ExprKind::op:
  case ExprKind::call:
  case ExprKind::index: break;
  }
  const auto value_of = [&](std::uint32_t i) -> const Value& {
    return values_[base + (program_.args[expr.first_arg + i] - begin)];
  };
  for (std::uint32_t i = 0; i < expr.arg_count; ++i)
    if (value_of(i).kind == Value::Kind::poison)
      return {};
  if (expr.kind == ExprKind::index)
    return lookup(expr, {value_of(0), &program_.exprs[program_.args[expr.first_arg]]});
  if (expr.ref == Ref::function) {
    std::vector<Value> values;
    for (std::uint32_t i = 0; i < expr.arg_count; ++i)
      values.push_back(value_of(i));
    return inline_call(expr, values);
  }
  if (expr.ref == Ref::type)
    return cast(static_cast<DType>(expr.target), value_of(0), expr);
  if (expr.ref == Ref::generic)
    return cast(bound_.generics[expr.target], value_of(0), expr);
  std::array<Operand, 3> operands{};
  for (std::uint32_t i = 0; i < expr.arg_count; ++i)
    operands[i] = {value_of(i), &program_.exprs[program_.args[expr.first_arg + i]]};
  return operate(expr, {operands.data(), expr.arg_count});
}

Value Binder::inline_call(const Expr& expr, std::span<const Value> arguments) {
  if (calls_.size() >= static_cast<std::size_t>(kMaxNesting)) {
    error(expr, fmt::format("functions call each other more than {} levels deep", kMaxNesting))
        .help("compute the inner ones in the kernel with let, and pass the results");
    throw Stop{};
  }
  if (++inlined_ > kMaxInlinedCalls) {
    error(expr, fmt::format("kernel '{}' calls functions more than {} times", kernel_.name.text,
                            kMaxInlinedCalls))
        .help("name what functions compute with let instead of calling them again");
    throw Stop{};
  }
  calls_.push_back(&expr);
  const Value result = evaluate(program_.functions[expr.target].body, arguments);
  calls_.pop_back();
  return result;
}

Value Binder::cast(std::optional<DType> storage, const Value& value, const Expr& expr) {
  if (!storage) // a generic without a binding, which has been reported
    return {};
  return cast_value(*storage, value, expr);
}

Value Binder::cast_value(DType storage, const Value& value, const Expr& expr) {
  const DType type = compute_type(storage);
  switch (value.kind) {
  case Value::Kind::poison: return {};
  case Value::Kind::node: return Value::of(builder_->cast(storage, value.index));
  case Value::Kind::literal: {
    if (value.literal.is_wide && is_integer(storage)) {
      report_wide(expr);
      return {};
    }
    const Literal converted = convert(storage, value.literal);
    return Value::of(is_float(storage) ? builder_->real(type, converted.real)
                                       : builder_->integer(type, converted.integer));
  }
  case Value::Kind::choice: {
    const Choice choice = choices_[value.index];
    const Value then = cast_value(storage, choice.then, expr);
    const Value otherwise = cast_value(storage, choice.otherwise, expr);
    if (then.kind == Value::Kind::poison || otherwise.kind == Value::Kind::poison)
      return {};
    return Value::of(builder_->make(Op::select, {choice.condition, then.index, otherwise.index}));
  }
  }
  return {};
}

} // namespace swage::ir
