// build_c_header.cpp -- the typed header for C beside an image of kernels.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/build_names.hpp"
#include "cli/build_source.hpp"

namespace swage::cli {

namespace {

/// What C compilers need not take in one literal (C99, 5.2.4.1).
constexpr std::size_t kLongestLiteral = 4095;

/// `text` as what a char array begins with: literals of one line each, or numbers where it is too
/// long, of which bytes beyond ASCII are characters: whether `char` has a sign is the compiler's.
std::string initialiser(const std::string& text) {
  if (text.size() > kLongestLiteral) {
    std::string numbers = "{";
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      numbers += i % 16 == 0 ? "\n      " : " ";
      numbers += byte < 0x80 ? fmt::format("{},", byte) : fmt::format("'\\{:03o}',", byte);
    }
    return numbers + " 0}";
  }
  std::string lines = "\n      \"";
  for (const char c : text) {
    if (c == '\n')
      lines += "\\n\"\n      \"";
    else if (c == '"' || c == '\\' || c == '?') // of two '?' C makes other characters
      lines += {'\\', c};
    else if (c < ' ' || c > '~')
      lines += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    else
      lines += c;
  }
  return lines + '"';
}

/// What the functions of a kernel and its type begin with: PREFIX_KERNEL, and an underscore more
/// where another's have such a name.
std::string name_of_kernel(const std::string& kernel, const std::string& prefix,
                           std::set<std::string>& taken) {
  std::string name = prefix + '_' + kernel;
  const auto names = [&] {
    return std::array{name, name + "_create", name + "_destroy", name + "_launch"};
  };
  while (std::ranges::any_of(names(), [&](const auto& one) { return taken.contains(one); }))
    name += '_';
  for (const std::string& one : names())
    taken.insert(one);
  return name;
}

std::string functions_text(const BuiltKernel& built, const std::string& prefix,
                           const std::string& name, const std::string& source) {
  std::string choices, bindings, open, built_for;
  std::size_t count = 0;
  for (const std::vector<Binding>& values : choices_of(built)) {
    const std::string& key = values.front().name;
    std::vector<std::string> texts;
    for (const Binding& value : values)
      texts.push_back(format_bindings({value}));
    built_for += fmt::format("{}{}", built_for.empty() ? "" : "; ", fmt::join(texts, ", "));
    if (values.size() == 1) {
      bindings += fmt::format("    bindings_[{}] = \"{}\";\n", count, texts.front());
    } else {
      const std::string own = parameter_name(key);
      choices += fmt::format(", const char* {}", own);
      open += fmt::format("  char text_{}[{}];\n", count, 128 + key.size());
      bindings += fmt::format("    bindings_[{1}] = swage_{0}_binding_(text_{1}, \"{2}\", {3});\n",
                              prefix, count, key, own);
    }
    ++count;
  }
  std::vector<std::string> parameters, arguments;
  for (const ir::Param& param : built.kernel.params()) {
    const std::string own = parameter_name(param.name);
    parameters.push_back(fmt::format("{}{}",
                                     param.is_tensor()       ? "const DLTensor* "
                                     : is_float(param.dtype) ? "double "
                                                             : "int64_t ",
                                     own));
    arguments.push_back(fmt::format("swage_{}({})",
                                    param.is_tensor()       ? "tensor"
                                    : is_float(param.dtype) ? "real"
                                                            : "integer",
                                    own));
  }
  std::string assignments;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    assignments += fmt::format("  arguments_[{}] = {};\n", i, arguments[i]);
  const auto& math = built.text.math;
  std::string text = built_for.empty() ? "" : fmt::format("/* Built for {}. */\n", built_for);
  text += fmt::format("typedef struct {0} {{\n  swage_kernel* handle;\n}} {0};\n\n", name);
  text += fmt::format(
      "static inline swage_status {0}_create({0}* kernel_, const swage_device* device_{1}) {{\n"
      "  const char* bindings_[{2}] = {{0}};\n{3}"
      "  swage_options options_ = swage_default_options();\n"
      "  (void)*(const volatile char*)&swage_kernels_{4};\n"
      "  kernel_->handle = NULL;\n{5}{{\n{6}  }}\n"
      "  return swage_kernel_create(device_, {7}(), \"{8}\", bindings_, {9}, &options_,\n"
      "                             &kernel_->handle);\n}}\n",
      name, choices, std::max<std::size_t>(count, 1), open, prefix,
      math ? fmt::format("  options_.math = {};\n  ", static_cast<int>(*math)) : "  ", bindings,
      source, built.kernel.name(), count);
  text += fmt::format("static inline void {0}_destroy({0}* kernel_) {{\n"
                      "  swage_kernel_destroy(kernel_->handle);\n  kernel_->handle = NULL;\n}}\n",
                      name);
  text += fmt::format(
      "static inline swage_status {0}_launch(const {0}* kernel_, void* stream_,\n"
      "                                      {1}) {{\n"
      "  swage_arg arguments_[{2}];\n{3}"
      "  return swage_kernel_launch(kernel_->handle, stream_, arguments_, {2});\n}}\n\n",
      name, fmt::join(parameters, ", "), arguments.size(), assignments);
  return text;
}

} // namespace

std::string image_c_header(const std::vector<BuiltKernel>& kernels, const std::string& name) {
  std::string text = fmt::format(
      "/* Made by `swage build`: kernels compiled ahead, for C. Link what stands beside it. A "
      "kernel is\n"
      " * created for a device, with the types that it was built for as text (\"bf16\"), and "
      "launched\n"
      " * with its arguments by their types, in the order of the text. */\n"
      "#ifndef SWAGE_KERNELS_OF_{0}_H\n#define SWAGE_KERNELS_OF_{0}_H\n\n"
      "#include <stddef.h>\n#include <string.h>\n\n#include <swage/swage.h>\n\n"
      "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
      "extern const char swage_kernels_{0}; /* within the image: so linkers keep it */\n\n"
      "/* \"NAME=VALUE\"; without the value, which the library refuses, if it is none or too long. "
      "*/\n"
      "static inline const char* swage_{0}_binding_(char* text, const char* name, const char* "
      "value) {{\n"
      "  strcpy(text, name);\n  strcat(text, \"=\");\n"
      "  if (value && strlen(value) < 127)\n    strcat(text, value);\n"
      "  return text;\n}}\n\n",
      name);
  std::map<std::string, std::string> sources; // text to the function that gives it
  for (const BuiltKernel& kernel : kernels)
    if (const auto [at, fresh] = sources.try_emplace(
            kernel.text.text, fmt::format("swage_{}_source_{}_", name, sources.size()));
        fresh)
      text +=
          fmt::format("static inline const char* {}(void) {{\n  static const char text[] = {};\n"
                      "  return text;\n}}\n\n",
                      at->second, initialiser(kernel.text.text));
  std::set<std::string> taken;
  for (const BuiltKernel& kernel : kernels)
    text += functions_text(kernel, name, name_of_kernel(kernel.kernel.name(), name, taken),
                           sources.at(kernel.text.text));
  return text + "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
}

} // namespace swage::cli
