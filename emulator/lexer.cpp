// lexer.cpp -- splits PTX text into tokens.
#include "emulator/lexer.hpp"

#include "emulator/ptx.hpp"

#include <cctype>

namespace swage::emulator {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

class Lexer {
public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (skip_blank(); at_ < text_.size(); skip_blank())
      tokens.push_back(next());
    tokens.push_back({TokenKind::end, text_.substr(text_.size()), line_});
    return tokens;
  }

private:
  bool at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }

  void skip_until(std::string_view stop) {
    while (at_ < text_.size() && !at(stop))
      line_ += text_[at_++] == '\n';
  }

  void skip_blank() {
    for (; at_ < text_.size();) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '\0') {
        line_ += text_[at_++] == '\n';
      } else if (at("//")) {
        skip_until("\n");
      } else if (at("/*")) {
        skip_until("*/");
        at_ = std::min(at_ + 2, text_.size());
      } else {
        return;
      }
    }
  }

  Token take(TokenKind kind, std::size_t length) {
    Token token{kind, text_.substr(at_, length), line_};
    at_ += length;
    return token;
  }

  Token next() {
    if (is_word(text_[at_]))
      return take(TokenKind::word, word_length());
    if (text_[at_] == '"') {
      const std::size_t close = text_.find('"', at_ + 1);
      if (close == std::string_view::npos)
        throw ParseError(line_, "syntax error: a string has no closing quote");
      return take(TokenKind::string, close + 1 - at_);
    }
    if (std::string_view("{}[]()<>,;:@!|+-=*~&").find(text_[at_]) != std::string_view::npos)
      return take(TokenKind::punctuation, 1);
    throw ParseError(line_, std::string("syntax error: unexpected character '") + text_[at_] + "'");
  }

  // A word may hold `::` (L1::no_allocate), and a decimal fraction may hold a signed exponent.
  std::size_t word_length() const {
    const bool number = std::isdigit(static_cast<unsigned char>(text_[at_])) != 0;
    const bool tagged = number && at_ + 1 < text_.size() &&
                        std::isalpha(static_cast<unsigned char>(text_[at_ + 1])) != 0;
    std::size_t end = at_ + 1;
    while (end < text_.size()) {
      const char c = text_[end];
      if (is_word(c))
        ++end;
      else if (!number && text_.substr(end, 2) == "::" && end + 2 < text_.size() &&
               is_word(text_[end + 2]))
        end += 2;
      else if (number && !tagged && (c == '-' || c == '+') &&
               (text_[end - 1] == 'e' || text_[end - 1] == 'E'))
        ++end;
      else
        break;
    }
    return end - at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
};

} // namespace

std::vector<Token> tokenize(std::string_view text) {
  return Lexer(text).run();
}

} // namespace swage::emulator
