// parse_expression.cpp -- expressions, by precedence climbing.
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "ir/parser_state.hpp"

namespace swage::ir {

namespace {

/// The row of the op table that an infix symbol stands for, if it does.
const OpInfo* infix_of(Symbol symbol) noexcept {
  const std::optional<Op> op = infix_from_spelling(spelling_of(symbol));
  return op ? &info(*op) : nullptr;
}

Precedence tighter(Precedence precedence) noexcept {
  return static_cast<Precedence>(static_cast<int>(precedence) + 1);
}

} // namespace

ExprId Parser::add(const Expr& expr) {
  if (program_.exprs.size() >= kMaxExprs) {
    diagnostics_.error(expr.span, fmt::format("the text has more than {} terms", kMaxExprs))
        .help("split it into several texts");
    throw Stop{};
  }
  program_.exprs.push_back(expr);
  return static_cast<ExprId>(program_.exprs.size() - 1);
}

ExprId Parser::poison(Span span) {
  return add({.kind = ExprKind::poison, .span = span, .caret = span.begin});
}

ExprId Parser::literal(Literal value, Span span) {
  return add({.kind = ExprKind::literal, .span = span, .caret = span.begin, .literal = value});
}

ExprId Parser::operation(Op op, std::uint32_t caret, std::initializer_list<ExprId> operands,
                         Span span) {
  const auto first = static_cast<std::uint32_t>(program_.args.size());
  program_.args.insert(program_.args.end(), operands);
  return add({.kind = ExprKind::op,
              .op = op,
              .span = span,
              .caret = caret,
              .first_arg = first,
              .arg_count = static_cast<std::uint32_t>(operands.size())});
}

Body Parser::body() {
  const auto begin = static_cast<ExprId>(program_.exprs.size());
  const ExprId root = expression();
  return {begin, root};
}

ExprId Parser::expression() {
  if (depth_ >= kMaxNesting) {
    diagnostics_.error(token_.span, fmt::format("nesting is deeper than {} levels", kMaxNesting))
        .help("name the inner parts with let");
    throw Recover{};
  }
  ++depth_;
  const ExprId result = conditional();
  --depth_;
  return result;
}

// c ? a : d ? b : e is a chain as else-if is: a loop, however long.
ExprId Parser::conditional() {
  struct Arm {
    ExprId condition;
    ExprId value;
    std::uint32_t caret;
  };
  std::vector<Arm> arms;
  ExprId result = binary(Precedence::logical_or);
  while (at(Symbol::question)) {
    const std::uint32_t caret = token_.span.begin;
    advance();
    const ExprId value = expression();
    expect(Symbol::colon, "the first value of '?:'");
    arms.push_back({result, value, caret});
    result = binary(Precedence::logical_or);
  }
  const std::uint32_t end = program_.exprs[result].span.end;
  for (; !arms.empty(); arms.pop_back()) {
    const Arm& arm = arms.back();
    result = operation(Op::select, arm.caret, {arm.condition, arm.value, result},
                       {program_.exprs[arm.condition].span.begin, end});
  }
  return result;
}

void Parser::report_chain(ExprId left, Token op, ExprId right) {
  const Expr& first = program_.exprs[left];
  const Expr& last = program_.exprs[right];
  const std::string_view a = program_.text_of(first.span);
  const ExprId middle = program_.args[first.first_arg + 1];
  const std::string_view b = program_.text_of(program_.exprs[middle].span);
  const std::string_view c = program_.text_of(last.span);
  Diagnostic& error =
      diagnostics_.error({first.span.begin, last.span.end}, "comparisons do not chain");
  error.at(op.span.begin);
  const bool is_short = a.size() + b.size() + c.size() < 60;
  if (is_short && first.kind == ExprKind::op)
    error.help(fmt::format("write {} && {} {} {}", a, b, spelling_of(op.symbol), c));
  else
    error.help("write a < b && b < c");
}

ExprId Parser::binary(Precedence lowest) {
  ExprId left = unary();
  Precedence compared = Precedence::primary; // of the comparison that made `left`, if one did
  for (;;) {
    const OpInfo* row = infix_of(token_.symbol);
    if (!row || row->binds < lowest)
      return left;
    const Token op = token_;
    advance();
    const ExprId right = binary(tighter(row->binds));
    const Span span{program_.exprs[left].span.begin, program_.exprs[right].span.end};
    if (is_comparison(row->op) && compared == row->binds) {
      if (program_.exprs[left].kind != ExprKind::poison)
        report_chain(left, op, right);
      left = poison(span);
      continue;
    }
    compared = is_comparison(row->op) ? row->binds : Precedence::primary;
    left = operation(row->op, op.span.begin, {left, right}, span);
  }
}

ExprId Parser::unary() {
  struct Prefix {
    Op op;
    std::uint32_t begin;
  };
  std::vector<Prefix> prefixes;
  for (;;) {
    if (at(Symbol::plus))
      fail("a value", "there is no unary plus: leave it out");
    if (!at(Symbol::minus) && !at(Symbol::bang))
      break;
    prefixes.push_back({at(Symbol::minus) ? Op::neg : Op::logical_not, token_.span.begin});
    advance();
  }
  ExprId result = 0;
  if (token_.kind == TokenKind::integer && token_.integer == kTwoTo63 && !prefixes.empty() &&
      prefixes.back().op == Op::neg) {
    // The one integer that is only there with its sign.
    result = literal(Literal::of_integer(std::numeric_limits<std::int64_t>::min()),
                     {prefixes.back().begin, token_.span.end});
    prefixes.pop_back();
    advance();
  } else {
    result = primary();
  }
  for (; !prefixes.empty(); prefixes.pop_back()) {
    const Prefix& prefix = prefixes.back();
    result = operation(prefix.op, prefix.begin, {result},
                       {prefix.begin, program_.exprs[result].span.end});
  }
  return result;
}

ExprId Parser::number() {
  const Token token = token_;
  advance();
  if (token.kind == TokenKind::real)
    return literal({LiteralKind::real, 0, token.real, token.odd, token.is_wide}, token.span);
  if (token.integer == kTwoTo63) // without its sign
    return literal({LiteralKind::real, 0, 0x1p63, 0x1p63, true}, token.span);
  return literal(Literal::of_integer(static_cast<std::int64_t>(token.integer)), token.span);
}

ExprId Parser::primary() {
  const Token token = token_;
  const auto constant = [&](Literal value) {
    advance();
    return literal(value, token.span);
  };
  switch (token.symbol) {
  case Symbol::kw_true: return constant(Literal::of_bool(true));
  case Symbol::kw_false: return constant(Literal::of_bool(false));
  case Symbol::kw_inf: return constant(Literal::of_real(std::numeric_limits<double>::infinity()));
  case Symbol::kw_nan: return constant(Literal::of_real(std::numeric_limits<double>::quiet_NaN()));
  case Symbol::left_paren: {
    advance();
    const ExprId inner = expression();
    close(token.span, "')'");
    program_.exprs[inner].span = {token.span.begin, token_.span.end};
    advance();
    return inner;
  }
  default: break;
  }
  if (token.kind == TokenKind::integer || token.kind == TokenKind::real)
    return number();
  if (token.kind != TokenKind::name)
    fail("a value");
  advance();
  const Name name{program_.text_of(token.span), token.span};
  if (at(Symbol::left_paren))
    return call(name);
  if (at(Symbol::left_bracket))
    return index(name);
  return add(
      {.kind = ExprKind::name, .span = token.span, .caret = token.span.begin, .name = token.span});
}

// The ')' that must stand here.
void Parser::close(Span open, std::string_view expected) {
  if (at(Symbol::right_paren))
    return;
  unexpected(expected).note(open, "to close this '('");
  throw Recover{};
}

ExprId Parser::index(Name name) {
  const Span open = token_.span;
  advance();
  const ExprId argument = expression();
  if (!at(Symbol::right_bracket)) {
    unexpected("']'").note(open, "to close this '['");
    throw Recover{};
  }
  const auto first = static_cast<std::uint32_t>(program_.args.size());
  program_.args.push_back(argument);
  const Span span{name.span.begin, token_.span.end};
  advance();
  return add({.kind = ExprKind::index,
              .span = span,
              .caret = span.begin,
              .name = name.span,
              .first_arg = first,
              .arg_count = 1});
}

ExprId Parser::call(Name name) {
  const Span open = token_.span;
  advance();
  std::vector<ExprId> arguments;
  while (!at(Symbol::right_paren)) {
    arguments.push_back(expression());
    if (!take(Symbol::comma))
      close(open, "',' or ')'");
  }
  const auto first = static_cast<std::uint32_t>(program_.args.size());
  program_.args.insert(program_.args.end(), arguments.begin(), arguments.end());
  const Span span{name.span.begin, token_.span.end};
  advance();
  return add({.kind = ExprKind::call,
              .span = span,
              .caret = span.begin,
              .name = name.span,
              .first_arg = first,
              .arg_count = static_cast<std::uint32_t>(arguments.size())});
}

} // namespace swage::ir
