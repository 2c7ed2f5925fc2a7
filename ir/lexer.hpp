// lexer.hpp -- kernel text to tokens, one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ir/diagnostics.hpp"

namespace swage::ir {

enum class TokenKind : std::uint8_t {
  end,
  invalid, ///< its error has been reported
  name,
  keyword,
  integer,
  real,
  punctuation,
};

/// Fixed spellings: keywords and punctuation.
enum class Symbol : std::uint8_t {
  none,
#define SWAGE_KEYWORD(id) kw_##id,
#define SWAGE_PUNCTUATION(id, spelling) id,
#include "ir/symbols.def"
};

struct Token {
  TokenKind kind = TokenKind::end;
  Symbol symbol = Symbol::none;
  Span span;
  std::uint64_t integer = 0;
  double real = 0;
  double odd = 0;       ///< the same rounded to odd; see decimal.hpp
  bool is_wide = false; ///< real, but written as an integer: one that i64 does not hold
};

/// The one integer beyond i64 that i64 holds with a minus.
inline constexpr std::uint64_t kTwoTo63 = std::uint64_t{1} << 63;

/// "fn", "&&"; "" for Symbol::none.
std::string_view spelling_of(Symbol symbol) noexcept;

bool is_name_start(char c) noexcept;
bool is_name_character(char c) noexcept;

/// Reports bytes that are not UTF-8, NUL bytes, and texts that are too long, and throws Stop for
/// them: what follows could not be trusted.
void check_encoding(std::string_view text, Diagnostics& diagnostics);

class Lexer {
public:
  Lexer(std::string_view text, Diagnostics& diagnostics);

  Token next();

private:
  void skip_blanks();
  Token make(TokenKind kind, std::uint32_t begin) const noexcept;
  Token name();
  Token number();
  Token decimal(std::uint32_t begin);
  Token hexadecimal(std::uint32_t begin);
  Token real(std::uint32_t begin, std::string_view digits, bool hex);
  Token wide(std::uint32_t begin, std::string_view digits, bool hex);
  Token punctuation();
  void reject_character();
  char peek(std::size_t ahead = 0) const noexcept;
  void skip_digits(bool hex) noexcept;
  bool skip_exponent(char letter) noexcept;
  bool reject_suffix(std::uint32_t begin);

  std::string_view text_;
  Diagnostics* diagnostics_;
  std::uint32_t at_ = 0;
};

} // namespace swage::ir
