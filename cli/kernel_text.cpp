// kernel_text.cpp -- which kernel a command line means: a catalogue name or a file, with bindings.
#include "cli/kernel_text.hpp"

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/files.hpp"
#include "ir/nearest.hpp"
#include "kernels/catalogue.hpp"
#include "runtime/api/binding_text.hpp"

namespace swage::cli {

namespace {

[[noreturn]] void throw_argument(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

bool names_file(const std::string& what) {
  std::error_code ignored;
  return what.find('/') != what.npos || what.ends_with(".swg") ||
         std::filesystem::is_regular_file(what, ignored);
}

/// "; did you mean 'swiglu'?", or nothing.
std::string hint(std::string_view name, std::span<const std::string> names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string text = ir::did_you_mean(name, views);
  return text.empty() ? "" : "; " + text;
}

void read_text(const std::string& what, KernelText& result) {
  if (names_file(what)) {
    result.file = what;
    result.text = read_file(what, ir::kMaxSourceBytes);
    return;
  }
  const kernels::CatalogueFile* file = kernels::find(what);
  if (file == nullptr) {
    const std::string nearest = hint(what, catalogue_names());
    throw_argument(fmt::format("'{}' is neither a file nor a kernel of the catalogue{}", what,
                               nearest.empty() ? "; 'swage list' shows the catalogue" : nearest));
  }
  result.file = file->name;
  result.text = file->text;
  result.from_catalogue = true;
}

ir::MathMode parse_math(std::string_view name) {
  const std::span<const std::string_view> names = ir::math_mode_names();
  if (const auto found = std::ranges::find(names, name); found != names.end())
    return static_cast<ir::MathMode>(found - names.begin());
  throw_argument(
      fmt::format("'{}' is not a math mode; there are {}", name, fmt::join(names, ", ")));
}

std::vector<std::string> declared_names(const KernelText& text) {
  std::vector<std::string> names;
  for (const ir::KernelDeclaration& kernel : text.declared)
    names.push_back(kernel.name);
  return names;
}

std::string choose_kernel(const KernelOptionsText& options, const KernelText& text) {
  const std::vector<std::string> names = declared_names(text);
  if (names.empty())
    throw Error(ErrorCode::invalid_kernel, fmt::format("{} declares no kernel", text.file));
  const std::string wanted =
      !options.kernel.empty() ? options.kernel : (text.from_catalogue ? options.what : "");
  if (wanted.empty()) {
    if (names.size() > 1)
      throw_argument(fmt::format("{} declares {} kernels; choose one with --kernel: {}", text.file,
                                 names.size(), fmt::join(names, ", ")));
    return names.front();
  }
  if (std::find(names.begin(), names.end(), wanted) == names.end())
    throw_argument(fmt::format("{} declares no kernel '{}'{}; it declares {}", text.file, wanted,
                               hint(wanted, names), fmt::join(names, ", ")));
  return wanted;
}

} // namespace

void add_kernel_options(CLI::App& app, KernelOptionsText& options) {
  app.add_option("kernel", options.what, "A kernel of the catalogue, or a file of kernels")
      ->type_name("NAME|FILE")
      ->required();
  app.add_option("--kernel", options.kernel, "The kernel meant, in a file that declares several")
      ->type_name("NAME");
  app.add_option("-D,--define", options.defines,
                 "Bind a generic type or a constant: -D T=bf16 -D limit=5.0")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("--math", options.math,
                 "accurate, triton, fast or torch, over what the kernel says")
      ->type_name("MODE");
}

const ir::KernelDeclaration& KernelText::declaration() const {
  const auto found = std::find_if(declared.begin(), declared.end(),
                                  [&](const ir::KernelDeclaration& d) { return d.name == kernel; });
  if (found == declared.end())
    throw Error(ErrorCode::internal,
                fmt::format("kernel '{}' was not chosen from its text", kernel));
  return *found;
}

KernelText read_program(const KernelOptionsText& options) {
  KernelText result;
  for (const std::string& define : options.defines)
    result.bindings.push_back(api::parse_binding(define));
  if (!options.math.empty())
    result.math = parse_math(options.math);
  read_text(options.what, result);
  result.declared = ir::list_kernels(result.source());
  return result;
}

KernelText read_kernel(const KernelOptionsText& options) {
  KernelText result = read_program(options);
  result.kernel = choose_kernel(options, result);
  return result;
}

ir::Kernel bind_kernel(const KernelText& text) {
  return ir::load_kernel(text.source(), text.kernel, text.bindings, text.math);
}

std::string format_bindings(const std::vector<Binding>& bindings) {
  std::string text;
  for (const Binding& binding : bindings) {
    if (!text.empty())
      text += ' ';
    text += binding.name + '=';
    if (const DType* type = std::get_if<DType>(&binding.value))
      text += name_of(*type);
    else if (const double* real = std::get_if<double>(&binding.value))
      text += fmt::format("{}", *real);
    else
      text += fmt::format("{}", std::get<std::int64_t>(binding.value));
  }
  return text;
}

std::vector<std::string> catalogue_names() {
  std::vector<std::string> names;
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name}))
      names.push_back(kernel.name);
  return names;
}

} // namespace swage::cli
