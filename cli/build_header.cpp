// build_header.cpp -- the typed header beside an image of kernels.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/build_names.hpp"
#include "cli/build_source.hpp"

namespace swage::cli {

namespace {

std::string_view scalar_type(DType type) {
  return is_float(type) ? "double" : "std::int64_t";
}

std::string real_text(double value) {
  if (std::isnan(value))
    return "std::numeric_limits<double>::quiet_NaN()";
  if (std::isinf(value))
    return fmt::format("{}std::numeric_limits<double>::infinity()", value < 0 ? "-" : "");
  return fmt::format("{:a}", value); // every bit
}

std::string value_text(const Binding& binding, bool is_real) {
  if (const DType* type = std::get_if<DType>(&binding.value))
    return fmt::format("swage::{}", name_of(*type));
  if (const double* real = std::get_if<double>(&binding.value))
    return real_text(*real);
  const auto integer = std::get<std::int64_t>(binding.value);
  if (is_real)
    return real_text(static_cast<double>(integer));
  if (integer == std::numeric_limits<std::int64_t>::min()) // whose digits are no number in C++
    return "std::numeric_limits<std::int64_t>::min()";
  return fmt::format("std::int64_t{{{}}}", integer);
}

/// Whether a constant takes any real number: the first values that it is built for may be integers.
bool is_real(const BuiltKernel& built, const std::vector<Binding>& values) {
  const auto& constants = built.text.declaration().constants;
  return std::ranges::any_of(
             values,
             [](const Binding& value) { return std::holds_alternative<double>(value.value); }) ||
         std::ranges::any_of(constants, [&](const auto& constant) {
           return constant.name == values.front().name && constant.generic.empty() &&
                  is_float(constant.dtype);
         });
}

/// A raw string whose end does not occur in the text.
std::string raw_string(const std::string& text) {
  std::string mark = "swg";
  while (text.find(')' + mark + '"') != text.npos)
    mark += '_';
  return "R\"" + mark + '(' + text + ')' + mark + '"';
}

} // namespace

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
  const std::string name = class_name(built.kernel.name());
  const auto named = [&](const std::string& text) { // and shadows no class
    const std::string own = parameter_name(text);
    return own == name ? own + '_' : own;
  };
  std::string choices, bindings, built_for;
  for (const std::vector<Binding>& values : choices_of(built)) {
    const std::string& key = values.front().name;
    const bool is_open = values.size() > 1, real = is_real(built, values);
    const std::string first = value_text(values.front(), real);
    if (is_open)
      choices += fmt::format(", {} {} = {}",
                             std::holds_alternative<DType>(values.front().value) ? "swage::DType"
                             : real                                              ? "double"
                                                                                 : "std::int64_t",
                             named(key), first);
    bindings += fmt::format("{}{{\"{}\", {}}}", bindings.empty() ? "" : ", ", key,
                            is_open ? named(key) : first);
    std::vector<std::string> texts;
    for (const Binding& value : values)
      texts.push_back(format_bindings({value}));
    built_for += fmt::format("{}{}", built_for.empty() ? "" : "; ", fmt::join(texts, ", "));
  }
  std::vector<std::string> parameters, arguments;
  for (const ir::Param& param : built.kernel.params()) {
    const std::string own = named(param.name);
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
      "#include <cstdint>\n#include <limits>\n#include <vector>\n\n#include <swage/swage.hpp>\n\n"
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
