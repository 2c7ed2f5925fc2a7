// table.hpp -- aligned tables for people, coloured on a terminal only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swage::cli {

enum class Align { left, right };
enum class Tone { plain, good, bad, faint };

struct Cell {
  std::string text;
  Tone tone = Tone::plain;
  Cell(std::string value, Tone cell_tone = Tone::plain) : text(std::move(value)), tone(cell_tone) {}
  Cell(std::string_view value) : text(value) {}
  Cell(const char* value) : text(value) {}
};

/// Rows under named columns. Control characters in cells are shown as '?', so that a name from a
/// file cannot drive the terminal.
class Table {
public:
  struct Column {
    std::string name;
    Align align = Align::left;
  };

  /// Columns without names make a table without a header.
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Missing cells are empty; there may not be more cells than columns.
  void row(std::vector<Cell> cells);
  bool empty() const noexcept { return rows_.empty(); }
  /// Lines that end in '\n', without trailing spaces.
  std::string render(bool color) const;

private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// Whether stdout takes colour: a terminal that is not dumb, and NO_COLOR is unset or empty.
bool stdout_takes_color();

/// `text` with control characters replaced by '?'; newlines too.
std::string printable(std::string_view text);

/// Columns that `text` takes on a terminal: its code points.
std::size_t display_width(std::string_view text) noexcept;

} // namespace swage::cli
