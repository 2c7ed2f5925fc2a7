// build_header.cpp -- the typed header beside an image of kernels.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/build_source.hpp"

namespace swage::cli {

namespace {

/// Names of the kernel text that C++ keeps for itself, or the header has, get an underscore, and so
/// do those that end in one: no two become the same, and names of the header that end in one
/// underscore are its own.
std::string name_in_cpp(const std::string& name) {
  static const std::set<std::string_view> kTaken = {
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
      "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return",
      "co_yield", "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit",
      "continue", "decltype", "default", "delete", "detail", "do", "double", "dynamic_cast", "else",
      "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
      "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq",
      "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register",
      "reinterpret_cast", "requires", "return", "short", "signed", "sizeof", "static",
      "static_assert", "static_cast", "std", "struct", "swage", "switch", "template", "this",
      "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned",
      "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
      // Macros of C's headers and of GNU's dialects:
      "NULL", "errno", "i386", "linux", "unix"};
  return kTaken.contains(name) || name.ends_with('_') ? name + '_' : name;
}

std::string_view scalar_type(DType type) {
  return is_float(type) ? "double" : "std::int64_t";
}

std::string value_text(const Binding& binding) {
  if (const DType* type = std::get_if<DType>(&binding.value))
    return fmt::format("swage::{}", name_of(*type));
  if (const double* real = std::get_if<double>(&binding.value))
    return fmt::format("{:a}", *real); // every bit
  return fmt::format("std::int64_t{{{}}}", std::get<std::int64_t>(binding.value));
}

/// A raw string whose end does not occur in the text.
std::string raw_string(const std::string& text) {
  std::string mark = "swg";
  while (text.find(')' + mark + '"') != text.npos)
    mark += '_';
  return "R\"" + mark + '(' + text + ')' + mark + '"';
}

} // namespace

std::string name_in_c(const std::string& name) {
  return name == "restrict" || name == "typeof" ? name + '_' : name_in_cpp(name);
}

std::vector<std::vector<Binding>> choices_of(const BuiltKernel& kernel) {
  std::vector<std::vector<Binding>> choices;
  for (std::size_t i = 0; i < kernel.bindings.front().size(); ++i) {
    std::vector<Binding> values;
    for (const std::vector<Binding>& set : kernel.bindings)
      if (std::ranges::none_of(values, [&](const Binding& b) { return b.value == set[i].value; }))
        values.push_back(set[i]);
    choices.push_back(std::move(values));
  }
  return choices;
}

namespace {

std::string class_text(const BuiltKernel& built, const std::string& source) {
  const std::string name = name_in_cpp(built.kernel.name());
  std::string choices, bindings, built_for;
  for (const std::vector<Binding>& values : choices_of(built)) {
    const std::string& key = values.front().name;
    const bool is_open = values.size() > 1;
    if (is_open)
      choices +=
          fmt::format(", {} {} = {}",
                      std::holds_alternative<DType>(values.front().value)    ? "swage::DType"
                      : std::holds_alternative<double>(values.front().value) ? "double"
                                                                             : "std::int64_t",
                      name_in_cpp(key), value_text(values.front()));
    bindings += fmt::format("{}{{\"{}\", {}}}", bindings.empty() ? "" : ", ", key,
                            is_open ? name_in_cpp(key) : value_text(values.front()));
    std::vector<std::string> texts;
    for (const Binding& value : values)
      texts.push_back(format_bindings({value}));
    built_for += fmt::format("{}{}", built_for.empty() ? "" : "; ", fmt::join(texts, ", "));
  }
  std::vector<std::string> parameters, arguments;
  for (const ir::Param& param : built.kernel.params()) {
    const std::string own = name_in_cpp(param.name);
    parameters.push_back(param.is_tensor() ? "const swage::Tensor& " + own
                                           : fmt::format("{} {}", scalar_type(param.dtype), own));
    arguments.push_back(own);
  }
  std::string text = built_for.empty() ? "" : fmt::format("/// Built for {}.\n", built_for);
  text += fmt::format("class {} {{\npublic:\n", name);
  text += fmt::format(
      "  explicit {}(const swage::Device& device_{}, swage::KernelOptions options_ = "
      "{{}})\n      : kernel_(detail::make(device_, {}, \"{}\", {{{}}}, options_)) {{}}\n",
      name, choices, source, built.kernel.name(), bindings);
  text += fmt::format("  void operator()(swage::Stream stream_, {}) const {{\n"
                      "    kernel_.launch(stream_, {{{}}});\n  }}\n",
                      fmt::join(parameters, ", "), fmt::join(arguments, ", "));
  text += "  const swage::Kernel& handle() const noexcept { return kernel_; }\n\nprivate:\n"
          "  swage::Kernel kernel_;\n};\n\n";
  return text;
}

} // namespace

std::string image_header(const std::vector<BuiltKernel>& kernels, const std::string& name) {
  std::string text = fmt::format(
      "// Made by `swage build`: kernels compiled ahead. Link what stands beside it.\n#pragma "
      "once\n\n"
      "#include <cstdint>\n#include <vector>\n\n#include <swage/swage.hpp>\n\n"
      "extern \"C\" const char swage_kernels_{0}; // within the image: so linkers keep it\n\n"
      "namespace {0} {{\n\n",
      name);
  std::map<std::string, std::string> sources; // text to its name
  for (const BuiltKernel& kernel : kernels)
    if (const auto [at, fresh] =
            sources.try_emplace(kernel.text.text, fmt::format("source_{}_", sources.size()));
        fresh)
      text += fmt::format("inline constexpr const char* {} = {};\n\n", at->second,
                          raw_string(kernel.text.text));
  const auto& math = kernels.front().text.math;
  text += fmt::format(
      "namespace detail {{\n\n"
      "inline swage::Kernel make(const swage::Device& device, const char* source, const char* "
      "name,\n"
      "                          const std::vector<swage::Binding>& bindings,\n"
      "                          swage::KernelOptions& options) {{\n"
      "  static_cast<void>(*static_cast<const volatile char*>(&swage_kernels_{}));\n{}"
      "  return device.kernel(source, name, bindings, options);\n}}\n\n}} // namespace detail\n\n",
      name,
      math ? fmt::format("  options.math = static_cast<swage::MathMode>({});\n",
                         static_cast<int>(*math))
           : "");
  for (const BuiltKernel& kernel : kernels)
    text += class_text(kernel, sources.at(kernel.text.text));
  return text + fmt::format("}} // namespace {}\n", name);
}

} // namespace swage::cli
