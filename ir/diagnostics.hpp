// diagnostics.hpp -- what is wrong with a kernel text: a list of data, and its rendering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/source.hpp"

namespace swage::ir {

/// Bytes [begin, end) of a source text.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// The place of a diagnostic that is about the whole text or about the call.
inline constexpr Span kNoPlace{~0u, ~0u};

/// A second place that explains the first: "first declared here".
struct Note {
  Span span;
  std::string message;
};

struct Diagnostic {
  Span span;
  std::uint32_t caret = 0; ///< the byte that line and column name; within span
  std::string message;
  std::vector<Note> notes;
  std::vector<std::string> helps;

  Diagnostic& at(std::uint32_t byte) {
    caret = byte;
    return *this;
  }
  Diagnostic& note(Span place, std::string text) {
    notes.push_back({place, std::move(text)});
    return *this;
  }
  Diagnostic& help(std::string text) {
    if (!text.empty())
      helps.push_back(std::move(text));
    return *this;
  }
};

/// Thrown where going on is pointless: a limit is passed (its error has been added) or the list is
/// full. Never leaves `ir`.
struct Stop {};

/// The errors found so far, at most kMaxErrors. One place has one error of one wording: a function
/// inlined twice does not report twice.
class Diagnostics {
public:
  /// Adds an error, caret at the start of `span`. The reference is good until the next call. Throws
  /// Stop if the list is full, which bounds the work on texts that are wrong everywhere.
  Diagnostic& error(Span span, std::string message);

  /// A diagnostic that is thrown away, for what follows from an error already reported.
  Diagnostic& discard();

  bool empty() const noexcept { return list_.empty(); }
  /// Whether there was more than the list holds.
  bool truncated() const noexcept { return truncated_; }
  /// In the order of the text; those without a place first.
  std::vector<Diagnostic> sorted() const;

private:
  std::vector<Diagnostic> list_;
  Diagnostic discarded_;
  bool truncated_ = false;
};

/// `file:line:column: error: message`, the line, a caret below, notes and help. Lines and columns
/// count from 1, columns in code points. Long lines are shown around the caret.
std::string render(const SourceText& source, const Diagnostic& diagnostic);

/// All of them, a line break between, none at the end.
std::string render(const SourceText& source, const Diagnostics& diagnostics);

/// Throws Error(invalid_kernel) with everything rendered, if there is anything.
void throw_if_any(const SourceText& source, const Diagnostics& diagnostics);

/// Whether a line ends with byte `at`: LF, CR LF, or CR alone.
bool ends_line(std::string_view text, std::size_t at) noexcept;

/// The first byte of the line of byte `offset`.
std::size_t begin_of_line(std::string_view text, std::size_t offset) noexcept;

/// Line (from 1) of byte `offset`.
int line_of(std::string_view text, std::size_t offset) noexcept;

} // namespace swage::ir
