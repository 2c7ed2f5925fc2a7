// lexer.cpp -- names, numbers, punctuation; what the language does not have gets a hint.
#include "ir/lexer.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "ir/decimal.hpp"
#include "ir/utf8.hpp"

namespace swage::ir {

namespace {

constexpr std::string_view kSpellings[] = {
    "",
#define SWAGE_KEYWORD(id) #id,
#include "ir/symbols.def"
#define SWAGE_PUNCTUATION(id, spelling) spelling,
#include "ir/symbols.def"
};

constexpr int kFirstPunctuation = 1
#define SWAGE_KEYWORD(id) +1
#include "ir/symbols.def"
    ;

constexpr int kSymbolCount = static_cast<int>(std::size(kSpellings));

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Symbol keyword_from(std::string_view text) noexcept {
  for (int i = 1; i < kFirstPunctuation; ++i)
    if (kSpellings[i] == text)
      return static_cast<Symbol>(i);
  return Symbol::none;
}

std::string hint_for_character(char c) {
  switch (c) {
  case '&': return "logical and is '&&'; there are no bitwise operators";
  case '|': return "logical or is '||'; there are no bitwise operators";
  case '%': return "there is no remainder operator: write a - b * trunc(a / b)";
  case '^': return "there are no bitwise operators; a power is pow(a, b)";
  case '~': return "there are no bitwise operators; logical not is '!'";
  case '#': return "a comment begins with '//'";
  case '"':
  case '\'': return "there are no strings in the language";
  default: return {};
  }
}

} // namespace

std::string_view spelling_of(Symbol symbol) noexcept {
  return kSpellings[static_cast<int>(symbol)];
}

bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name_character(char c) noexcept {
  return is_name_start(c) || is_digit(c);
}

void check_encoding(std::string_view text, Diagnostics& diagnostics) {
  if (text.size() > kMaxSourceBytes) {
    diagnostics.error(kNoPlace, fmt::format("the text has {} bytes, expected at most {}",
                                            text.size(), kMaxSourceBytes));
    throw Stop{};
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length > 0 && byte != 0) {
      at += length;
      continue;
    }
    const auto begin = static_cast<std::uint32_t>(at);
    Diagnostic& error = diagnostics.error(
        {begin, begin + 1}, byte == 0 ? std::string("NUL byte in the text")
                                      : fmt::format("byte 0x{:02x} is not UTF-8", byte));
    error.help("kernel text is UTF-8 without NUL bytes: is this the right file?");
    throw Stop{};
  }
}

Lexer::Lexer(std::string_view text, Diagnostics& diagnostics)
    : text_(text), diagnostics_(&diagnostics) {
  if (text_.starts_with("\xef\xbb\xbf")) // byte order mark
    at_ = 3;
}

char Lexer::peek(std::size_t ahead) const noexcept {
  return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

Token Lexer::make(TokenKind kind, std::uint32_t begin) const noexcept {
  return {.kind = kind, .symbol = Symbol::none, .span = {begin, at_}};
}

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
    } else if (c == '/' && peek(1) == '/') {
      at_ = static_cast<std::uint32_t>(std::min(text_.find_first_of("\r\n", at_), text_.size()));
    } else {
      break;
    }
  }
}

Token Lexer::next() {
  skip_blanks();
  if (at_ >= text_.size())
    return make(TokenKind::end, at_);
  if (is_name_start(peek()))
    return name();
  if (is_digit(peek()) || (peek() == '.' && is_digit(peek(1))))
    return number();
  return punctuation();
}

Token Lexer::name() {
  const std::uint32_t begin = at_;
  while (is_name_character(peek()))
    ++at_;
  Token token = make(TokenKind::name, begin);
  const std::string_view text = text_.substr(begin, at_ - begin);
  if (text.size() > kMaxNameBytes)
    diagnostics_->error(token.span, fmt::format("this name has {} characters, expected at most {}",
                                                text.size(), kMaxNameBytes));
  token.symbol = keyword_from(text);
  if (token.symbol != Symbol::none)
    token.kind = TokenKind::keyword;
  return token;
}

Token Lexer::number() {
  const std::uint32_t begin = at_;
  return peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') ? hexadecimal(begin) : decimal(begin);
}

void Lexer::skip_digits(bool hex) noexcept {
  while (hex ? is_hex_digit(peek()) : is_digit(peek()))
    ++at_;
}

// Moves past an exponent, if one is there: its letter, a sign, digits.
bool Lexer::skip_exponent(char letter) noexcept {
  if ((peek() | 0x20) != letter)
    return false;
  const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
  if (!is_digit(peek(1 + sign)))
    return false;
  at_ += static_cast<std::uint32_t>(1 + sign);
  skip_digits(false);
  return true;
}

// A number that runs into letters, as in 1.0f: an error, with all of it as one token.
bool Lexer::reject_suffix(std::uint32_t begin) {
  if (!is_name_character(peek()) && peek() != '.')
    return false;
  const std::uint32_t suffix = at_;
  while (is_name_character(peek()) || peek() == '.')
    ++at_;
  diagnostics_
      ->error({begin, at_}, fmt::format("'{}' is not a number", text_.substr(begin, at_ - begin)))
      .at(suffix)
      .help("numbers have no suffix: they take the type of what they are combined with");
  return true;
}

Token Lexer::decimal(std::uint32_t begin) {
  skip_digits(false);
  bool real_number = false;
  if (peek() == '.') {
    real_number = true;
    ++at_;
    skip_digits(false);
  }
  real_number |= skip_exponent('e');
  if (reject_suffix(begin))
    return make(TokenKind::invalid, begin);
  const std::string_view digits = text_.substr(begin, at_ - begin);
  if (real_number)
    return real(begin, digits, false);
  Token token = make(TokenKind::integer, begin);
  const auto end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, token.integer).ec == std::errc{} &&
                 token.integer <= kTwoTo63
             ? token
             : wide(begin, digits, false);
}

Token Lexer::hexadecimal(std::uint32_t begin) {
  at_ += 2;
  skip_digits(true);
  bool real_number = false;
  bool has_exponent = true;
  if (peek() == '.') {
    real_number = true;
    ++at_;
    skip_digits(true);
  }
  if (real_number || (peek() | 0x20) == 'p') {
    real_number = true;
    has_exponent = skip_exponent('p');
  }
  if (reject_suffix(begin))
    return make(TokenKind::invalid, begin);
  const std::string_view digits = text_.substr(begin + 2, at_ - begin - 2);
  Token token = make(TokenKind::integer, begin);
  if (digits.empty() || digits == "." || !has_exponent) {
    diagnostics_
        ->error(token.span, fmt::format("'{}' is not a number", text_.substr(begin, at_ - begin)))
        .help("hexadecimal numbers are written 0xff, hexadecimal floats 0x1.8p3, with exponent");
    token.kind = TokenKind::invalid;
    return token;
  }
  if (real_number)
    return real(begin, digits, true);
  const auto end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, token.integer, 16).ec == std::errc{} &&
                 token.integer <= kTwoTo63
             ? token
             : wide(begin, digits, true);
}

// An integer that i64 does not hold serves where it meets a float.
Token Lexer::wide(std::uint32_t begin, std::string_view digits, bool hex) {
  Token token = real(begin, digits, hex);
  token.is_wide = true;
  return token;
}

Token Lexer::real(std::uint32_t begin, std::string_view digits, bool hex) {
  Token token = make(TokenKind::real, begin);
  const auto format = hex ? std::chars_format::hex : std::chars_format::general;
  const auto end = digits.data() + digits.size();
  const auto [rest, code] = std::from_chars(digits.data(), end, token.real, format);
  if (code == std::errc{} && rest == end) {
    token.odd = hex ? round_hex_to_odd(digits, token.real) : round_to_odd(digits, token.real);
    return token;
  }
  diagnostics_->error(token.span, "number is out of the range of f64")
      .help("infinity is written inf, and what is too small for f64 is 0.0");
  token.kind = TokenKind::invalid;
  return token;
}

Token Lexer::punctuation() {
  const std::uint32_t begin = at_;
  const std::string_view rest = text_.substr(at_);
  for (int i = kFirstPunctuation; i < kSymbolCount; ++i)
    if (rest.starts_with(kSpellings[i])) {
      at_ += static_cast<std::uint32_t>(kSpellings[i].size());
      Token token = make(TokenKind::punctuation, begin);
      token.symbol = static_cast<Symbol>(i);
      return token;
    }
  reject_character();
  return make(TokenKind::invalid, begin);
}

void Lexer::reject_character() {
  const std::uint32_t begin = at_;
  const std::size_t length = std::max<std::size_t>(1, utf8_length(text_, at_));
  const auto byte = static_cast<unsigned char>(text_[at_]);
  at_ += static_cast<std::uint32_t>(length);
  const bool printable = byte > 0x20 && byte != 0x7f;
  const std::string shown =
      printable ? fmt::format("'{}'", text_.substr(begin, length)) : fmt::format("0x{:02x}", byte);
  Diagnostic& error =
      diagnostics_->error({begin, at_}, fmt::format("unexpected character {}", shown));
  if (byte >= 0x80)
    error.help("outside comments the text is ASCII: names are letters, digits and '_'");
  else
    error.help(hint_for_character(static_cast<char>(byte)));
}

} // namespace swage::ir
