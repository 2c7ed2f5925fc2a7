// show.cpp -- `swage show`: a kernel's source, and what it is bound and simplified to.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/kernel_text.hpp"
#include "cli/signature.hpp"
#include "cli/table.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"
#include "ir/passes.hpp"

namespace swage::cli {

namespace {

std::string heading(std::string_view text, bool color) {
  return (color ? "\033[2m" : "") + std::string("// ") + std::string(text) +
         (color ? "\033[0m" : "") + "\n";
}

/// Unbound generics are shown as f32, or as the first type that checks.
void bind_for_show(KernelText& text) {
  if (unbound_generics(text).empty())
    return;
  std::vector<DType> types = {DType::f32};
  for (int i = 0; i < kDTypeCount; ++i)
    types.push_back(static_cast<DType>(i));
  if (!infer_generics(text, types, [](const ir::Kernel&) { return true; }))
    text = bound_to(std::move(text), DType::f32);
}

Report show(const KernelOptionsText& options) {
  KernelText text = read_kernel(options);
  bind_for_show(text);
  const ir::Kernel kernel = bind_kernel(text);
  const std::string bound = ir::print(kernel);
  const std::string bindings = format_bindings(text.bindings);

  const bool color = stdout_takes_color();
  std::string shown = heading(text.file, color) + text.text;
  if (!shown.ends_with('\n'))
    shown += '\n';
  shown += '\n' + heading(bindings.empty() ? "simplified" : "simplified with " + bindings, color) +
           bound;
  if (!shown.ends_with('\n'))
    shown += '\n';
  return {0, shown,
          dump_json({{"file", text.file},
                     {"kernel", text.kernel},
                     {"comment", text.declaration().comment},
                     {"source", text.text},
                     {"bindings", bindings},
                     {"parameters", parameters_json(kernel)},
                     {"operations", operation_count(kernel)},
                     {"bound", bound}})};
}

} // namespace

Action add_show(CLI::App& app) {
  const auto options = std::make_shared<KernelOptionsText>();
  add_kernel_options(app, *options);
  return [options] { return show(*options); };
}

} // namespace swage::cli
