// tune_shapes.cpp -- the shapes and the budget of `swage tune`, as they are written.
#include "cli/tune_shapes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::cli {

std::vector<Shape> parse_shapes(std::string_view text) {
  constexpr std::size_t kMaxShapes = 64;
  std::vector<std::string> words;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    std::string word(text.substr(start, end - start));
    std::erase(word, ' ');
    words.push_back(std::move(word));
    start = end + 1;
  }
  if (words.size() > kMaxShapes)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("--shapes takes at most {} shapes, found {}", kMaxShapes, words.size()));
  const std::size_t cross = words.back().find('x');
  const std::string rest = cross == std::string::npos ? "" : words.back().substr(cross);
  std::vector<Shape> shapes;
  for (const std::string& word : words) {
    Shape shape = parse_shape(word.find('x') == std::string::npos ? word + rest : word);
    if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end())
      shapes.push_back(std::move(shape));
  }
  return shapes;
}

double parse_duration(std::string_view text, std::string_view option) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const double scale = unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 0;
  if (error != std::errc{} || scale == 0 || !(value > 0) || value * scale > 3600)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} takes a time of up to an hour, as in 500ms or 2s; found '{}'",
                            option, text));
  return value * scale;
}

} // namespace swage::cli
