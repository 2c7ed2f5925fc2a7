// lexer.hpp -- PTX text as tokens.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace swage::emulator {

enum class TokenKind : unsigned char { word, punctuation, string, end };

struct Token {
  TokenKind kind;
  std::string_view text; ///< into the source
  unsigned line;

  bool is(std::string_view spelling) const { return text == spelling && kind != TokenKind::string; }
};

/// Splits the text; comments vanish. The last token is `end`. Throws ParseError on a character that
/// no token starts with.
std::vector<Token> tokenize(std::string_view text);

} // namespace swage::emulator
