// binding_text.cpp -- bindings as people write them: "T=bf16", "limit=5.0".
#include "runtime/api/binding_text.hpp"

#include <charconv>

#include <fmt/format.h>

#include "ir/float_environment.hpp"

namespace swage::api {

namespace {

/// The whole of `text` as a number of type T.
template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

} // namespace

Binding parse_binding(std::string_view text) {
  const ir::DefaultFloatEnvironment environment;
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("binding '{}' is not of the form NAME=VALUE, as in T=bf16 or limit=5.0", text));
  const std::string name(text.substr(0, equals));
  const std::string_view value = text.substr(equals + 1);
  if (const auto type = dtype_from_name(value))
    return {name, *type};
  if (value == "true" || value == "false")
    return {name, std::int64_t{value == "true"}};
  if (const auto integer = number<std::int64_t>(value))
    return {name, *integer};
  if (const auto real = number<double>(value))
    return {name, *real};
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("binding '{}': '{}' is neither a type (f64 f32 f16 bf16 i8 u8 i16 i32 i64 "
                  "bool f8e4m3 f8e5m2 f8e4m3fnuz f8e5m2fnuz e8m0 f4e2m1), a number, true nor false",
                  text, value));
}

} // namespace swage::api
