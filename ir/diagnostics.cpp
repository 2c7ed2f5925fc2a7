// diagnostics.cpp -- collecting errors and drawing them under their source lines.
#include "ir/diagnostics.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ir/utf8.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

constexpr std::size_t kWindow = 100;     // columns of a source line that are shown
constexpr std::size_t kBeforeCaret = 60; // of these before the caret, if the line is longer
constexpr std::string_view kTab = "    ";

struct Line {
  std::size_t begin = 0;
  std::size_t end = 0; // without the line break
};

Line line_around(std::string_view text, std::size_t offset) noexcept {
  offset = std::min(offset, text.size());
  Line line;
  line.begin = begin_of_line(text, offset);
  line.end = std::min(text.find_first_of("\r\n", line.begin), text.size());
  return line;
}

std::size_t next_character(std::string_view text, std::size_t at) noexcept {
  return at + std::max<std::size_t>(1, utf8_length(text, at));
}

std::size_t columns(std::string_view text, std::size_t begin, std::size_t end) noexcept {
  std::size_t count = 0;
  for (std::size_t at = begin; at < end; at = next_character(text, at))
    ++count;
  return count;
}

// Where to begin so that the caret is in view.
std::size_t window_begin(std::string_view text, Line line, std::size_t caret) noexcept {
  std::size_t at = line.begin;
  for (std::size_t n = 0; n < kWindow && at < line.end; ++n)
    at = next_character(text, at);
  if (at >= line.end)
    return line.begin;
  at = caret;
  for (std::size_t n = 0; n < kBeforeCaret && at > line.begin;) {
    --at;
    n += (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
  }
  return at;
}

// The source line and the line of marks below it, tabs widened, both cut to the window.
void append_excerpt(std::string& out, std::string_view text, Span span, std::size_t caret) {
  const Line line = line_around(text, caret);
  caret = std::clamp(caret, line.begin, line.end);
  std::size_t at = window_begin(text, line, caret);
  std::string shown = at > line.begin ? "..." : "";
  std::string marks(shown.size(), ' ');
  const auto mark_of = [&](std::size_t byte) {
    return byte == caret ? '^' : byte >= span.begin && byte < span.end ? '~' : ' ';
  };
  for (std::size_t n = 0; n < kWindow && at < line.end; ++n) {
    const std::size_t length = utf8_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    const char mark = mark_of(at);
    if (byte == '\t') {
      shown += kTab;
      marks += mark;
      marks.append(kTab.size() - 1, mark == '^' ? ' ' : mark);
    } else {
      const bool printable = length > 0 && byte >= 0x20 && byte != 0x7f;
      shown += printable ? text.substr(at, length) : std::string_view("?");
      marks += mark;
    }
    at = next_character(text, at);
  }
  if (at < line.end)
    shown += "...";
  else if (caret == line.end)
    marks += '^';
  marks.erase(marks.find_last_not_of(' ') + 1);
  const int number = line_of(text, line.begin);
  const std::size_t width = std::max<std::size_t>(3, fmt::formatted_size("{}", number));
  out += fmt::format("{:>{}} | {}\n{:>{}} | {}\n", number, width, shown, "", width, marks);
}

void append_place(std::string& out, const SourceText& source, Span span, std::size_t caret,
                  std::string_view kind, std::string_view message) {
  if (span == kNoPlace) {
    out += fmt::format("{}: {}: {}\n", source.file, kind, message);
    return;
  }
  const Line line = line_around(source.text, caret);
  const std::size_t column = 1 + columns(source.text, line.begin, std::min(caret, line.end));
  out += fmt::format("{}:{}:{}: {}: {}\n", source.file, line_of(source.text, line.begin), column,
                     kind, message);
  append_excerpt(out, source.text, span, caret);
}

} // namespace

bool ends_line(std::string_view text, std::size_t at) noexcept {
  return text[at] == '\n' || (text[at] == '\r' && (at + 1 == text.size() || text[at + 1] != '\n'));
}

std::size_t begin_of_line(std::string_view text, std::size_t offset) noexcept {
  std::size_t begin = std::min(offset, text.size());
  while (begin > 0 && !ends_line(text, begin - 1))
    --begin;
  return begin;
}

int line_of(std::string_view text, std::size_t offset) noexcept {
  int line = 1;
  for (std::size_t at = 0; at < std::min(offset, text.size()); ++at)
    line += ends_line(text, at);
  return line;
}

Diagnostic& Diagnostics::error(Span span, std::string message) {
  const bool known = std::any_of(list_.begin(), list_.end(), [&](const Diagnostic& other) {
    return other.span == span && other.message == message;
  });
  if (known)
    return discard();
  if (list_.size() >= kMaxErrors) {
    truncated_ = true;
    throw Stop{};
  }
  return list_.emplace_back(Diagnostic{span, span.begin, std::move(message), {}, {}});
}

Diagnostic& Diagnostics::discard() {
  discarded_ = {};
  return discarded_;
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = list_;
  std::stable_sort(result.begin(), result.end(), [](const Diagnostic& a, const Diagnostic& b) {
    // kNoPlace is the largest offset; one more wraps it to the front.
    return a.caret + 1 < b.caret + 1;
  });
  return result;
}

std::string render(const SourceText& source, const Diagnostic& diagnostic) {
  std::string out;
  append_place(out, source, diagnostic.span, diagnostic.caret, "error", diagnostic.message);
  for (const std::string& help : diagnostic.helps)
    out += fmt::format("    = help: {}\n", help);
  for (const Note& note : diagnostic.notes)
    append_place(out, source, note.span, note.span.begin, "note", note.message);
  out.pop_back();
  return out;
}

std::string render(const SourceText& source, const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics.sorted())
    out += (out.empty() ? "" : "\n") + render(source, diagnostic);
  if (diagnostics.truncated())
    out += fmt::format("\n{}: more than {} errors: correct these first", source.file, kMaxErrors);
  return out;
}

void throw_if_any(const SourceText& source, const Diagnostics& diagnostics) {
  if (!diagnostics.empty())
    throw Error(ErrorCode::invalid_kernel, render(source, diagnostics));
}

} // namespace swage::ir
