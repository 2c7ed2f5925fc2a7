// shape.cpp -- shapes and other values as they are written on the command line.
#include "cli/shape.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "swage/error.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<double> to_real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

struct NameAndText {
  std::string_view name, value;
};

NameAndText split_assignment(std::string_view text, std::string_view example) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is not NAME=VALUE; write it as in {}", text, example));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

} // namespace

Shape parse_shape(std::string_view text) {
  Shape shape;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('x', at), text.size());
    const std::optional<std::int64_t> size = to_integer(text.substr(at, end - at));
    if (!size || *size < 0)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("shape '{}' is not a list of sizes; write it as in 4096x14336", text));
    shape.push_back(*size);
    at = end + 1;
  }
  if (shape.size() > kMaxRank)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("shape '{}' has {} dimensions; at most {} are possible", text,
                            shape.size(), kMaxRank));
  element_count(shape);
  return shape;
}

std::string format_shape(std::span<const std::int64_t> shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::int64_t parse_count(std::string_view text, std::string_view option) {
  const std::optional<std::int64_t> count = to_integer(text);
  if (!count || *count < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' for {} is not a whole number from 1 up", text, option));
  return *count;
}

verify::NamedValue parse_value(std::string_view text) {
  const auto [name, value] = split_assignment(text, "--arg alpha=1.702");
  verify::NamedValue result;
  result.name = name;
  if (value == "true" || value == "false") {
    result.is_integer = true;
    result.integer = value == "true";
    result.real = static_cast<double>(result.integer);
  } else if (const std::optional<std::int64_t> integer = to_integer(value)) {
    result.is_integer = true;
    result.integer = *integer;
    result.real = static_cast<double>(*integer);
  } else if (const std::optional<double> real = to_real(value)) {
    result.real = *real;
  } else {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' in '{}' is not a number", value, text));
  }
  return result;
}

} // namespace swage::cli
