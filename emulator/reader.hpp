// reader.hpp -- PTX text token by token, with the literals that stand in it.
#pragma once

#include "emulator/lexer.hpp"
#include "emulator/ptx.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swage::emulator {

inline bool is_number(std::string_view word) {
  return !word.empty() && word[0] >= '0' && word[0] <= '9';
}

struct Literal {
  OperandKind kind; ///< integer, real32 or real64
  std::uint64_t bits;
};

/// Where a parser is in its text. What does not fit throws ParseError with the line.
class Reader {
public:
  explicit Reader(std::string_view text) : tokens_(tokenize(text)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& next();
  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string word(const char* what);
  Literal literal();
  std::size_t size_literal();
  std::uint64_t digits(std::string_view text, int base) const;

  void skip_line();
  void skip_statement();
  void skip_braces();

  /// The token that comes, for messages.
  std::string near() const;
  [[noreturn]] void fail(const std::string& message) const;

private:
  Literal unsigned_literal(std::string_view text) const;
  std::uint64_t decimal_fraction(std::string_view text) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

} // namespace swage::emulator
