// table.cpp -- aligned tables for people, coloured on a terminal only.
#include "cli/table.hpp"

#include <algorithm>
#include <cstdlib>
#include <unistd.h>

#include "swage/error.hpp"

namespace swage::cli {

namespace {

constexpr std::string_view kGap = "  ";

std::string_view start_of(Tone tone) noexcept {
  switch (tone) {
  case Tone::good: return "\033[32m";
  case Tone::bad: return "\033[31m";
  case Tone::faint: return "\033[2m";
  case Tone::plain: break;
  }
  return "";
}

void append(std::string& line, const Cell& cell, std::size_t width, Align align, bool color) {
  const std::string padding(width - display_width(cell.text), ' ');
  const std::string_view start = color ? start_of(cell.tone) : std::string_view{};
  if (align == Align::right)
    line += padding;
  line += start;
  line += cell.text;
  if (!start.empty())
    line += "\033[0m";
  if (align == Align::left)
    line += padding;
}

} // namespace

std::string printable(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  return result;
}

std::size_t display_width(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool stdout_takes_color() {
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0')
    return false;
  const char* terminal = std::getenv("TERM");
  if (terminal == nullptr || std::string_view(terminal) == "dumb")
    return false;
  return isatty(STDOUT_FILENO) == 1;
}

void Table::row(std::vector<Cell> cells) {
  if (cells.size() > columns_.size())
    throw Error(ErrorCode::internal, "a table row has more cells than the table has columns");
  cells.resize(columns_.size(), Cell(""));
  for (Cell& cell : cells)
    cell.text = printable(cell.text);
  rows_.push_back(std::move(cells));
}

std::string Table::render(bool color) const {
  std::vector<std::vector<Cell>> lines;
  if (std::any_of(columns_.begin(), columns_.end(),
                  [](const Column& c) { return !c.name.empty(); })) {
    std::vector<Cell>& header = lines.emplace_back();
    for (const Column& column : columns_)
      header.emplace_back(column.name, Tone::faint);
  }
  lines.insert(lines.end(), rows_.begin(), rows_.end());

  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const std::vector<Cell>& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], display_width(line[i].text));

  std::string text;
  for (const std::vector<Cell>& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i > 0)
        text += kGap;
      append(text, line[i], widths[i], columns_[i].align, color);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

} // namespace swage::cli
