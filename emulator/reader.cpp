// reader.cpp -- PTX text token by token, with the literals that stand in it.
#include "emulator/reader.hpp"

#include <bit>
#include <charconv>

namespace swage::emulator {

const Token& Reader::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size())
    ++at_;
  return token;
}

bool Reader::accept(std::string_view text) {
  if (!peek().is(text))
    return false;
  next();
  return true;
}

void Reader::expect(std::string_view text) {
  if (!accept(text))
    fail("syntax error: expected '" + std::string(text) + "' near '" + near() + "'");
}

std::string Reader::near() const {
  return peek().kind == TokenKind::end ? "end of file" : std::string(peek().text);
}

void Reader::fail(const std::string& message) const {
  throw ParseError(peek().line, message);
}

std::string Reader::word(const char* what) {
  if (peek().kind != TokenKind::word)
    fail(std::string("syntax error: expected ") + what + " near '" + near() + "'");
  return std::string(next().text);
}

void Reader::skip_line() {
  for (const unsigned line = peek().line; peek().kind != TokenKind::end && peek().line == line;)
    next();
}

void Reader::skip_statement() {
  while (peek().kind != TokenKind::end && !accept(";"))
    next();
}

void Reader::skip_braces() {
  expect("{");
  for (int depth = 1; depth != 0;) {
    if (peek().kind == TokenKind::end)
      fail("syntax error: missing '}'");
    const Token& token = next();
    depth += token.is("{") ? 1 : token.is("}") ? -1 : 0;
  }
}

std::uint64_t Reader::digits(std::string_view text, int base) const {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size())
    fail("syntax error: '" + std::string(text) + "' is not a number");
  return value;
}

Literal Reader::literal() {
  const bool minus = accept("-");
  const std::string_view text = peek().text;
  if (peek().kind != TokenKind::word || !is_number(text))
    fail("syntax error: expected a number near '" + near() + "'");
  Literal value = unsigned_literal(text);
  next();
  if (minus)
    value.bits = value.kind == OperandKind::integer  ? 0 - value.bits
                 : value.kind == OperandKind::real32 ? value.bits ^ 0x80000000U
                                                     : value.bits ^ (1ULL << 63);
  return value;
}

Literal Reader::unsigned_literal(std::string_view text) const {
  const char tag = text.size() > 1 ? text[1] : '\0';
  if (text[0] == '0' && (tag == 'f' || tag == 'F') && text.size() == 10)
    return {OperandKind::real32, digits(text.substr(2), 16)};
  if (text[0] == '0' && (tag == 'd' || tag == 'D') && text.size() == 18)
    return {OperandKind::real64, digits(text.substr(2), 16)};
  const bool hex = text[0] == '0' && (tag == 'x' || tag == 'X');
  if (!hex && text.find_first_of(".eE") != std::string_view::npos)
    return {OperandKind::real64, decimal_fraction(text)};
  if (text.back() == 'U')
    text.remove_suffix(1);
  if (hex)
    return {OperandKind::integer, digits(text.substr(2), 16)};
  if (text[0] == '0' && (tag == 'b' || tag == 'B'))
    return {OperandKind::integer, digits(text.substr(2), 2)};
  return {OperandKind::integer, digits(text, text[0] == '0' && text.size() > 1 ? 8 : 10)};
}

std::uint64_t Reader::decimal_fraction(std::string_view text) const {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail("syntax error: '" + std::string(text) + "' is not a number");
  return std::bit_cast<std::uint64_t>(value);
}

std::size_t Reader::size_literal() {
  const Literal value = literal();
  if (value.kind != OperandKind::integer)
    fail("syntax error: expected an integer");
  return value.bits;
}

} // namespace swage::emulator
