// parser_state.hpp -- the recursive-descent parser, shared by its source files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/ast.hpp"
#include "ir/lexer.hpp"

namespace swage::ir {

/// Thrown after a syntax error; caught where parsing can go on.
struct Recover {};

class Parser {
public:
  Parser(std::string_view text, Diagnostics& diagnostics)
      : lexer_(text, diagnostics), diagnostics_(diagnostics) {
    program_.text = text;
    advance();
  }

  Program program() &&; // parser.cpp

private:
  // parser.cpp: tokens
  void advance();
  bool at(Symbol symbol) const noexcept { return token_.symbol == symbol; }
  bool at_declaration() const noexcept {
    return at(Symbol::kw_fn) || at(Symbol::kw_kernel) || at(Symbol::at) ||
           token_.kind == TokenKind::end;
  }
  bool take(Symbol symbol);
  void expect(Symbol symbol, std::string_view after);
  Name expect_name(std::string_view what);
  bool on_new_line() const noexcept;
  std::string found() const;
  /// Reports the token at hand, unless the lexer has; `help` may be empty.
  Diagnostic& unexpected(std::string_view expected, std::string help = {});
  [[noreturn]] void fail(std::string_view expected, std::string help = {});
  void end_statement(std::string_view after);

  // parser.cpp: declarations
  void declaration();
  void function();
  MathMode mode();
  void kernel();
  void gradient(GradDecl decl);
  void generics(KernelDecl& kernel);
  void params(KernelDecl& kernel);
  ParamDecl param();
  TypeName type_name();
  void broadcast(ParamDecl& param);
  void group(ParamDecl& param);
  void check_count(std::size_t count, std::string_view what);
  std::vector<Name> name_list(std::string_view what);
  void skip_to_declaration();
  void skip_param();

  // parse_statement.cpp
  void kernel_body(KernelDecl& kernel);
  void statement(KernelDecl& kernel);
  std::string assignment_hint(std::string_view name) const;
  void skip_statement(KernelDecl& kernel);

  // parse_expression.cpp
  Body body();
  ExprId expression();
  ExprId conditional();
  ExprId binary(Precedence lowest);
  ExprId unary();
  ExprId primary();
  ExprId call(Name name);
  ExprId index(Name name);
  ExprId number();
  ExprId literal(Literal value, Span span);
  ExprId operation(Op op, std::uint32_t caret, std::initializer_list<ExprId> operands, Span span);
  ExprId poison(Span span);
  ExprId add(const Expr& expr);
  void close(Span open, std::string_view expected);
  void report_chain(ExprId left, Token op, ExprId right);

  Lexer lexer_;
  Diagnostics& diagnostics_;
  Program program_;
  Token token_;
  std::uint32_t last_end_ = 0; // of the token before
  int depth_ = 0;
};

} // namespace swage::ir
