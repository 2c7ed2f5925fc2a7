// tensor_place.cpp -- `w=FILE:TENSOR`: the tensor of a file that stands for a parameter.
#include "cli/tensor_place.hpp"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "ir/lexer.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

bool is_file(std::string_view path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/// The name before an '=', if `text` begins with one as parameters have.
std::string_view leading_name(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos || equals == 0 || !ir::is_name_start(text[0]))
    return {};
  for (const char c : text.substr(0, equals))
    if (!ir::is_name_character(c))
      return {};
  return text.substr(0, equals);
}

TensorPlace checked(std::string_view text, TensorPlace place, bool colon) {
  if (place.file.empty() || (colon && place.tensor.empty()))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' has an empty {}, expected FILE or NAME=FILE:TENSOR", text,
                            place.file.empty() ? "file name" : "tensor name"));
  return place;
}

/// FILE:TENSOR, parted at `colon`; no tensor where that is npos.
TensorPlace parted(std::string_view text, std::string_view param, std::string_view rest,
                   std::size_t colon) {
  TensorPlace place{std::string(param), std::string(rest.substr(0, colon)), {}};
  if (colon != rest.npos)
    place.tensor = rest.substr(colon + 1);
  return checked(text, std::move(place), colon != rest.npos);
}

std::optional<std::int64_t> number(std::string_view digits) {
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && rest == end && value >= 0 ? std::optional(value) : std::nullopt;
}

} // namespace

TensorPlace parse_input_place(std::string_view text) {
  const std::string_view param = is_file(text) ? std::string_view() : leading_name(text);
  if (param.empty())
    return checked(text, {{}, std::string(text), {}}, false);
  const std::string_view rest = text.substr(param.size() + 1);
  if (is_file(rest))
    return parted(text, param, rest, rest.npos);
  for (std::size_t colon = rest.find(':'); colon != rest.npos; colon = rest.find(':', colon + 1))
    if (is_file(rest.substr(0, colon)))
      return parted(text, param, rest, colon);
  return parted(text, param, rest, rest.rfind(':')); // reading it says what is wrong
}

TensorPlace parse_output_place(std::string_view text) {
  const std::string_view param = leading_name(text);
  if (param.empty())
    return checked(text, {{}, std::string(text), {}}, false);
  const std::string_view rest = text.substr(param.size() + 1);
  return parted(text, param, rest, rest.rfind(':'));
}

std::optional<RowRange> parse_row_range(std::string_view text) {
  const std::size_t open = text.rfind('[');
  if (open == text.npos || open == 0 || !text.ends_with(']'))
    return std::nullopt;
  const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  const std::size_t colon = inside.find(':');
  const auto begin = number(inside.substr(0, colon));
  const auto end = colon == inside.npos ? std::nullopt : number(inside.substr(colon + 1));
  if (!begin || (colon != inside.npos && !end))
    return std::nullopt;
  return RowRange{std::string(text.substr(0, open)), *begin, end};
}

} // namespace swage::cli
