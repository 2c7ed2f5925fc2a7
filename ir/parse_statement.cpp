// parse_statement.cpp -- the body of a kernel.
#include <fmt/format.h>

#include "ir/parser_state.hpp"

namespace swage::ir {

namespace {

struct Habit {
  std::string_view word;
  std::string_view help;
};

// What readers of other languages write first.
constexpr Habit kHabits[] = {
    {"return", "a kernel assigns its outputs by name, as in h = x;"},
    {"if", "there is no control flow: write c ? a : b"},
    {"else", "there is no control flow: write c ? a : b"},
    {"for", "there are no loops: a kernel says what happens to one element"},
    {"while", "there are no loops: a kernel says what happens to one element"},
    {"var", "a value is named with let"},
    {"auto", "a value is named with let"},
    {"float", "a value is named with let, and has the type of its expression"},
    {"double", "a value is named with let, and has the type of its expression"},
    {"int", "a value is named with let, and has the type of its expression"},
};

} // namespace

void Parser::kernel_body(KernelDecl& kernel) {
  const Token open = token_;
  expect(Symbol::left_brace, "the parameters");
  while (!take(Symbol::right_brace)) {
    if (at_declaration()) {
      unexpected(fmt::format("'}}' at the end of kernel '{}'", kernel.name.text))
          .note(open.span, "to close this '{'");
      kernel.incomplete = true;
      return;
    }
    try {
      statement(kernel);
    } catch (const Recover&) {
      kernel.incomplete = true;
      skip_statement(kernel);
    }
  }
}

std::string Parser::assignment_hint(std::string_view name) const {
  for (const Habit& habit : kHabits)
    if (habit.word == name)
      return std::string(habit.help);
  if (at(Symbol::plus) || at(Symbol::minus) || at(Symbol::star) || at(Symbol::slash))
    return fmt::format("a name is assigned once, with '=': {0} = {0} {1} ...", name,
                       spelling_of(token_.symbol));
  return {};
}

void Parser::statement(KernelDecl& kernel) {
  const bool is_let = take(Symbol::kw_let);
  if (is_let && token_.kind != TokenKind::name)
    kernel.names_lost = true;
  const Name name =
      expect_name(is_let ? "a name after 'let'" : "'let', an output to assign, or '}'");
  const auto add = [&] {
    // Known from here on, whatever becomes of its value.
    const ExprId nothing = poison(name.span);
    kernel.statements.push_back({is_let, name, {nothing, nothing}, std::nullopt, false});
  };
  // Both words may be names: two of them in a row are nothing else.
  if (!is_let && name.text == "skip" && token_.kind == TokenKind::name &&
      program_.text_of(token_.span) == "where") {
    advance();
    add();
    kernel.statements.back().is_skip = true;
    kernel.statements.back().value = body();
    return end_statement("the condition of 'skip where'");
  }
  if (is_let)
    add();
  if (is_let && at(Symbol::colon))
    fail(fmt::format("'=' after '{}'", name.text), "a let has the type of its expression");
  kernel.names_lost |= token_.kind == TokenKind::name; // `float z = ...` was to declare z
  if (!at(Symbol::assign))
    fail(fmt::format("'=' after '{}'", name.text), assignment_hint(name.text));
  advance();
  if (!is_let)
    add();
  kernel.statements.back().value = body();
  end_statement(fmt::format("the value of '{}'", name.text));
}

// Past the next ';', or to what ends the kernel. Braces that were opened on the way are skipped
// whole: they belong to control flow that the language does not have.
void Parser::skip_statement(KernelDecl& kernel) {
  depth_ = 0;
  int open = 0;
  while (!at_declaration()) {
    if (open == 0 && (at(Symbol::right_brace) || at(Symbol::kw_let)))
      return;
    kernel.names_lost |= at(Symbol::kw_let);
    open += at(Symbol::left_brace) ? 1 : at(Symbol::right_brace) ? -1 : 0;
    const bool ends = open == 0 && (at(Symbol::semicolon) || at(Symbol::right_brace));
    advance();
    if (ends)
      return;
  }
}

} // namespace swage::ir
