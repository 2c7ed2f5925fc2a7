// parse_support.hpp -- kernel texts to graphs and to error texts, short to write in a test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "ir/kernel.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

inline constexpr Space kElement{};
inline constexpr Space kRow{Broadcast::per_row};
inline constexpr Space kColumn{Broadcast::per_column};
inline constexpr Space kTensor{Broadcast::per_tensor};
constexpr Space group(std::uint32_t n) {
  return {Broadcast::per_group, n};
}

inline Kernel parse_text(std::string_view text, const std::vector<Binding>& bindings = {},
                         std::string_view name = {}) {
  return parse_kernel({text, "k.swg"}, name, bindings);
}

/// The place of parameter `name`.
inline std::size_t index_of(const Kernel& kernel, const std::string& name) {
  for (std::size_t p = 0; p < kernel.params().size(); ++p)
    if (kernel.params()[p].name == name)
      return p;
  FAIL("no parameter " << name);
  return 0;
}

/// The message of the error that `text` must be refused with; "" if it parses.
inline std::string errors_of(std::string_view text, const std::vector<Binding>& bindings = {},
                             std::string_view name = {}) {
  try {
    parse_text(text, bindings, name);
  } catch (const Error& error) {
    return error.code() == ErrorCode::invalid_kernel
               ? error.what()
               : "not invalid_kernel: " + std::string(error.what());
  }
  return {};
}

/// A value as nested calls: "add(load x, f32 1)". For small graphs: recursive.
inline std::string show(const Kernel& kernel, NodeId id) {
  const Node& node = kernel.node(id);
  switch (node.op) {
  case Op::load:
  case Op::scalar: return fmt::format("{} {}", info(node.op).id, kernel.params()[node.param].name);
  case Op::constant:
    return is_float(node.type) ? fmt::format("{} {}", name_of(node.type), node.real())
                               : fmt::format("{} {}", name_of(node.type), node.integer());
  default: break;
  }
  std::string text(node.op == Op::cast ? name_of(node.storage) : info(node.op).id);
  for (int i = 0; i < info(node.op).arity; ++i)
    text += (i ? ", " : "(") + show(kernel, node.args[static_cast<std::size_t>(i)]);
  return text + ")";
}

/// "h = mul(...)", one line a store.
inline std::string show(const Kernel& kernel) {
  std::string text;
  for (const Store& store : kernel.stores())
    text += fmt::format("{}{} = {}", text.empty() ? "" : "\n", kernel.params()[store.param].name,
                        show(kernel, store.node));
  return text;
}

/// The value of `y` in a kernel of f32 x and y, i32 n, i64 m, f64 w, bool p.
inline std::string value_of(std::string_view expression, std::string_view output_type = "f32") {
  return show(parse_text(fmt::format("kernel k(x: in f32, n: in i32, m: in i64, w: in f64, p: in "
                                     "bool, y: out {}) {{ y = {}; }}",
                                     output_type, expression)))
      .substr(4);
}

/// The first line of what that is refused with, from "error: " on; "" if it parses.
inline std::string refusal_of(std::string_view expression, std::string_view output_type = "f32") {
  const std::string text = errors_of(
      fmt::format("kernel k(x: in f32, n: in i32, m: in i64, w: in f64, p: in bool, y: out {}) {{\n"
                  "  y = {};\n}}",
                  output_type, expression));
  const std::size_t begin = text.find("error: ");
  if (begin == text.npos)
    return text;
  return text.substr(begin + 7, text.find('\n', begin) - begin - 7);
}

/// The help of that refusal.
inline std::string help_of(std::string_view expression, std::string_view output_type = "f32") {
  const std::string text = errors_of(
      fmt::format("kernel k(x: in f32, n: in i32, m: in i64, w: in f64, p: in bool, y: out {}) {{\n"
                  "  y = {};\n}}",
                  output_type, expression));
  const std::size_t begin = text.find("help: ");
  return begin == text.npos ? "" : text.substr(begin + 6, text.find('\n', begin) - begin - 6);
}

} // namespace swage::ir::testing
