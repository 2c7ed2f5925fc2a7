// parser.cpp -- declarations, and going on after a syntax error.
#include "ir/parser.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ir/nearest.hpp"
#include "ir/parser_state.hpp"

namespace swage::ir {

Program parse(std::string_view text, Diagnostics& diagnostics) {
  check_encoding(text, diagnostics);
  return Parser(text, diagnostics).program();
}

Program Parser::program() && {
  const auto declared = [this] {
    return program_.functions.size() + program_.kernels.size() + program_.gradients.size();
  };
  while (token_.kind != TokenKind::end) {
    const std::size_t before = declared();
    try {
      declaration();
    } catch (const Recover&) {
      program_.incomplete |= declared() == before;
      skip_to_declaration();
    }
  }
  return std::move(program_);
}

// Tokens

void Parser::advance() {
  last_end_ = token_.span.end;
  token_ = lexer_.next();
}

bool Parser::take(Symbol symbol) {
  if (!at(symbol))
    return false;
  advance();
  return true;
}

bool Parser::on_new_line() const noexcept {
  const std::uint32_t begin = token_.span.begin;
  return program_.text.substr(last_end_, begin - last_end_).find_first_of("\r\n") !=
         std::string_view::npos;
}

std::string Parser::found() const {
  if (token_.kind == TokenKind::end)
    return "the end of the text";
  constexpr std::size_t kShown = 40;
  const std::string_view text = program_.text_of(token_.span);
  const std::string_view kind = token_.kind == TokenKind::keyword ? "keyword " : "";
  return fmt::format("{}'{}{}'", kind, text.substr(0, kShown), text.size() > kShown ? "..." : "");
}

Diagnostic& Parser::unexpected(std::string_view expected, std::string help) {
  if (token_.kind == TokenKind::invalid)
    return diagnostics_.discard();
  // What is missing at the end of a line is missing there, not on the line below.
  const bool after_last = last_end_ > 0 && (on_new_line() || token_.kind == TokenKind::end);
  const Span place = after_last ? Span{last_end_, last_end_ + 1} : token_.span;
  return diagnostics_.error(place, fmt::format("found {}, expected {}", found(), expected))
      .help(std::move(help));
}

void Parser::fail(std::string_view expected, std::string help) {
  unexpected(expected, std::move(help));
  throw Recover{};
}

void Parser::expect(Symbol symbol, std::string_view after) {
  if (!take(symbol))
    fail(fmt::format("'{}' after {}", spelling_of(symbol), after));
}

Name Parser::expect_name(std::string_view what) {
  if (token_.kind != TokenKind::name)
    fail(what, token_.kind == TokenKind::keyword ? "a keyword cannot be a name" : "");
  const Name name{program_.text_of(token_.span), token_.span};
  advance();
  return name;
}

// A ';' that is missing at the end of a line is reported, and what follows is read as if it stood
// there.
void Parser::end_statement(std::string_view after) {
  if (take(Symbol::semicolon))
    return;
  unexpected(fmt::format("';' after {}", after));
  if (!on_new_line() && !at(Symbol::right_brace))
    throw Recover{};
}

void Parser::skip_to_declaration() {
  depth_ = 0;
  while (!at_declaration())
    advance();
}

// Declarations

void Parser::declaration() {
  if (at(Symbol::kw_fn))
    function();
  else if (at(Symbol::kw_kernel) || at(Symbol::at))
    kernel();
  else
    fail("'fn' or 'kernel'");
}

void Parser::function() {
  advance();
  const Name name = expect_name("the name of the function");
  FunctionDecl& function = program_.functions.emplace_back();
  function.name = name;
  // Known from here on, whatever becomes of its parameters and its body.
  const ExprId nothing = poison(function.name.span);
  function.body = {nothing, nothing};
  function.broken = true;
  expect(Symbol::left_paren, "the name of the function");
  function.params = name_list("the name of a parameter");
  function.broken = false;
  expect(Symbol::assign, "the parameters");
  function.body = body();
  end_statement(fmt::format("the body of function '{}'", function.name.text));
}

MathMode Parser::mode() {
  advance();
  const std::span<const std::string_view> names = math_mode_names();
  const std::string_view text = program_.text_of(token_.span);
  const auto found_name = std::ranges::find(names, text);
  if (found_name == names.end())
    fail("a math mode: 'accurate', 'triton', 'fast' or 'torch'", did_you_mean(text, names));
  advance();
  if (!at(Symbol::kw_kernel))
    fail("'kernel' after the math mode");
  return static_cast<MathMode>(found_name - names.begin());
}

void Parser::kernel() {
  KernelDecl kernel;
  kernel.begin = token_.span.begin;
  std::optional<MathMode> math;
  if (at(Symbol::at))
    math = mode();
  kernel.math = math.value_or(MathMode::accurate);
  advance();
  kernel.name = expect_name("the name of the kernel");
  if (take(Symbol::assign))
    return gradient({.name = kernel.name, .begin = kernel.begin, .math = math});
  try {
    generics(kernel);
    params(kernel);
    kernel_body(kernel);
  } catch (const Recover&) {
    kernel.incomplete = kernel.names_lost = true;
    skip_to_declaration();
  }
  kernel.end = last_end_;
  program_.kernels.push_back(std::move(kernel));
}

void Parser::gradient(GradDecl decl) {
  expect(Symbol::kw_grad, "'='");
  decl.forward = expect_name("the name of the forward kernel");
  expect(Symbol::left_paren, "the forward kernel");
  while (!take(Symbol::right_paren)) {
    GradItem item{expect_name("the name of an input or an output of the forward kernel"), {}};
    if (take(Symbol::arrow))
      item.into = expect_name("the name of a tensor after '->'");
    decl.items.push_back(item);
    if (!take(Symbol::comma) && !at(Symbol::right_paren))
      fail(fmt::format("',', '->' or ')' after '{}'", item.what.text));
    check_count(decl.items.size(), "items");
  }
  end_statement("the gradient");
  decl.end = last_end_;
  program_.gradients.push_back(std::move(decl));
}

// After one more of what a declaration may have kMaxParams of.
void Parser::check_count(std::size_t count, std::string_view what) {
  if (count <= kMaxParams)
    return;
  diagnostics_.error({last_end_ - 1, last_end_}, fmt::format("more than {} {}", kMaxParams, what));
  skip_to_declaration();
  throw Recover{};
}

// Up to and with the ')'.
std::vector<Name> Parser::name_list(std::string_view what) {
  std::vector<Name> names;
  while (!take(Symbol::right_paren)) {
    names.push_back(expect_name(what));
    if (!take(Symbol::comma) && !at(Symbol::right_paren))
      fail(fmt::format("',' or ')' after '{}'", names.back().text));
    check_count(names.size(), "parameters");
  }
  return names;
}

void Parser::generics(KernelDecl& kernel) {
  if (!take(Symbol::less))
    return;
  do {
    if (at(Symbol::greater) && !kernel.generics.empty())
      break;
    kernel.generics.push_back(expect_name("the name of a generic type"));
    check_count(kernel.generics.size(), "generic types");
  } while (take(Symbol::comma));
  expect(Symbol::greater, "the generic types");
}

void Parser::params(KernelDecl& kernel) {
  expect(Symbol::left_paren, "the name of the kernel");
  while (!take(Symbol::right_paren)) {
    try {
      kernel.params.push_back(param());
      check_count(kernel.params.size(), "parameters");
      if (!take(Symbol::comma) && !at(Symbol::right_paren))
        fail(fmt::format("',' or ')' after parameter '{}'", kernel.params.back().name.text));
    } catch (const Recover&) {
      kernel.incomplete = kernel.names_lost = true;
      skip_param();
    }
  }
}

// To the next parameter, or to the ')'.
void Parser::skip_param() {
  depth_ = 0;
  int open = 0;
  while (!at_declaration() && !at(Symbol::left_brace) && !at(Symbol::semicolon)) {
    if (open == 0 && (at(Symbol::comma) || at(Symbol::right_paren))) {
      take(Symbol::comma);
      return;
    }
    open += at(Symbol::left_paren) ? 1 : at(Symbol::right_paren) ? -1 : 0;
    advance();
  }
  throw Recover{};
}

ParamDecl Parser::param() {
  ParamDecl param;
  param.is_const = take(Symbol::kw_const);
  param.name = expect_name("a parameter, as in 'gate: in T'");
  expect(Symbol::colon, fmt::format("the name of parameter '{}'", param.name.text));
  const Token direction = token_;
  if (take(Symbol::kw_in))
    param.kind = ParamKind::in;
  else if (take(Symbol::kw_out))
    param.kind = ParamKind::out;
  else if (take(Symbol::kw_inout))
    param.kind = ParamKind::inout;
  if (at(Symbol::kw_const))
    fail("'in', 'out', 'inout' or a type",
         fmt::format("'const' comes first: const {}: TYPE", param.name.text));
  if (param.is_const && param.kind != ParamKind::scalar) {
    diagnostics_
        .error(direction.span,
               fmt::format("'{}' is const and cannot be a tensor too", param.name.text))
        .help(fmt::format("write const {}: TYPE", param.name.text));
    throw Recover{};
  }
  param.type = type_name();
  broadcast(param);
  if (at(Symbol::assign)) {
    if (!param.is_const)
      fail("',' or ')'", "only const parameters have a default");
    advance();
    param.default_value = body();
  }
  return param;
}

TypeName Parser::type_name() {
  TypeName type{.name = expect_name("a type, such as f32 or a generic of the kernel")};
  type.dtype = dtype_from_name(type.name.text);
  return type;
}

void Parser::broadcast(ParamDecl& param) {
  const std::uint32_t begin = token_.span.begin;
  if (!take(Symbol::left_bracket))
    return;
  const std::string_view text = program_.text_of(token_.span);
  if (text == "row")
    param.broadcast = Broadcast::per_row;
  else if (text == "col")
    param.broadcast = Broadcast::per_column;
  else if (text == "tensor")
    param.broadcast = Broadcast::per_tensor;
  else if (text == "group")
    param.broadcast = Broadcast::per_group;
  else if (text == "table")
    param.broadcast = Broadcast::table;
  else
    fail("'row', 'col', 'group', 'tensor' or 'table'",
         "[row] is one value per row, [col] is one value per column, [group 128] is one value per "
         "128 columns of a row, [col group 32] is one value per 32 rows of a column, [tensor] is "
         "one "
         "value for all, [table] is read by an index");
  advance();
  if (param.broadcast == Broadcast::per_column && program_.text_of(token_.span) == "group") {
    param.broadcast = Broadcast::per_column_group;
    advance();
  }
  const bool grouped = has_groups(param.broadcast);
  if (grouped)
    group(param);
  expect(Symbol::right_bracket, grouped ? "the size of the group" : fmt::format("'{}'", text));
  if (param.kind != ParamKind::scalar) {
    if (param.broadcast == Broadcast::table && param.kind != ParamKind::in) {
      diagnostics_
          .error({begin, last_end_},
                 fmt::format("'{}' is a [table] and cannot be written", param.name.text))
          .help("a table is read by an index: declare it `in`");
      param.broadcast = Broadcast::none;
    }
    return;
  }
  diagnostics_
      .error({begin, last_end_},
             fmt::format("'{}' is a scalar, which cannot be broadcast", param.name.text))
      .help("only tensors can be [row], [col], [group n], [col group n], [tensor] or [table]");
  param.broadcast = Broadcast::none;
}

// The size of a group, by number or by name.
void Parser::group(ParamDecl& param) {
  if (token_.kind != TokenKind::integer && token_.kind != TokenKind::name)
    fail(fmt::format("the {} of a group after 'group'", what_groups_hold(param.broadcast)),
         "it is a number or an integer const, as in [group 128] and [col group 32]");
  param.group = {program_.text_of(token_.span), token_.span};
  if (token_.kind == TokenKind::integer) {
    if (token_.integer == 0 || token_.integer > kMaxGroup) {
      diagnostics_.error(token_.span,
                         fmt::format("a group of {} {}, expected 1 to {}", token_.integer,
                                     what_groups_hold(param.broadcast), kMaxGroup));
      throw Recover{};
    }
    param.group_size = static_cast<std::int64_t>(token_.integer);
  }
  advance();
}

} // namespace swage::ir
