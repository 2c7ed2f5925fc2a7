// excerpt.cpp -- one kernel out of a program text, with what it needs to be read alone.
#include "cli/excerpt.hpp"

#include <algorithm>
#include <vector>

namespace swage::cli {

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string_view without_comment(std::string_view line) {
  return line.substr(0, line.find("//"));
}

bool is_comment(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t");
  return at != line.npos && line.substr(at).starts_with("//");
}

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool mentions(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || !is_name_character(text[at - 1])) &&
        (end == text.size() || !is_name_character(text[end])))
      return true;
  }
  return false;
}

/// A range of lines that holds one declaration.
struct Block {
  std::size_t first = 0, last = 0;
  std::string name; ///< of functions
};

/// The line on which a declaration that begins at `first` ends: where its braces close, or at the
/// first ';' outside of any.
std::size_t end_of_declaration(const std::vector<std::string_view>& lines, std::size_t first) {
  int depth = 0;
  for (std::size_t i = first; i < lines.size(); ++i)
    for (const char c : without_comment(lines[i])) {
      depth += (c == '{') - (c == '}');
      if (depth == 0 && (c == '}' || c == ';'))
        return i;
    }
  return lines.empty() ? 0 : lines.size() - 1;
}

std::size_t first_comment_above(const std::vector<std::string_view>& lines, std::size_t line) {
  while (line > 0 && is_comment(lines[line - 1]))
    --line;
  return line;
}

std::string join(const std::vector<std::string_view>& lines, const Block& block) {
  std::string text;
  for (std::size_t i = block.first; i <= block.last && i < lines.size(); ++i)
    text.append(lines[i]) += '\n';
  return text;
}

std::vector<Block> functions_of(const std::vector<std::string_view>& lines) {
  std::vector<Block> functions;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("fn "))
      continue;
    const std::string_view rest = lines[i].substr(3);
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_character);
    functions.push_back({i, end_of_declaration(lines, i), std::string(rest.begin(), end)});
  }
  return functions;
}

Block kernel_block(const std::vector<std::string_view>& lines,
                   const ir::KernelDeclaration& kernel) {
  const std::size_t line = static_cast<std::size_t>(std::max(kernel.line, 1)) - 1;
  return {first_comment_above(lines, line), end_of_declaration(lines, line), kernel.name};
}

} // namespace

std::string excerpt(std::string_view text, const ir::KernelDeclaration& kernel) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::string result = join(lines, kernel_block(lines, kernel));
  // Functions may call one another in any order: each pass adds those that the text so far
  // mentions, until none is missing.
  std::vector<Block> functions = functions_of(lines);
  std::vector<Block> used;
  std::string seen = result;
  for (bool added = true; added;) {
    added = false;
    for (Block& function : functions)
      if (!function.name.empty() && mentions(seen, function.name)) {
        seen += join(lines, function);
        used.push_back(std::move(function));
        function.name.clear();
        added = true;
      }
  }
  std::sort(used.begin(), used.end(),
            [](const Block& a, const Block& b) { return a.first < b.first; });
  std::string before;
  for (const Block& function : used)
    before += join(lines, {first_comment_above(lines, function.first), function.last, ""});
  return before.empty() ? result : before + '\n' + result;
}

std::string derivation(std::string_view text, const ir::KernelDeclaration& kernel) {
  const std::vector<std::string_view> lines = lines_of(text);
  const std::size_t line = static_cast<std::size_t>(std::max(kernel.line, 1)) - 1;
  std::string declared;
  for (std::size_t i = line; i <= end_of_declaration(lines, line) && i < lines.size(); ++i)
    declared.append(without_comment(lines[i])) += ' ';
  const std::size_t equals = declared.find('=');
  if (equals == declared.npos || declared.find('{') != declared.npos)
    return "";
  const std::size_t first = declared.find_first_not_of(" =", equals);
  const std::size_t end = declared.find(';', equals);
  return first < end && end != declared.npos ? declared.substr(first, end - first) : "";
}

} // namespace swage::cli
