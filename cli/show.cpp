// show.cpp -- `swage show`: a kernel's source, and what it is bound and simplified to.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/excerpt.hpp"
#include "cli/kernel_text.hpp"
#include "cli/parameters.hpp"
#include "cli/table.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"
#include "ir/differentiate.hpp"
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

/// The derived gradient with respect to every input that has one, as text that can be pasted and
/// edited; empty where the kernel has none.
std::string gradient_text(const ir::Kernel& kernel) {
  ir::GradRequest request{.name = kernel.name() + "_grad", .items = {}};
  for (const ir::Param& param : kernel.params())
    if (param.kind == ir::ParamKind::in && is_float(param.dtype) &&
        param.broadcast == ir::Broadcast::none)
      request.items.push_back({param.name, {}});
  try {
    return ir::print(ir::contract(ir::simplify(ir::differentiate(kernel, request))));
  } catch (const ir::GradError&) {
    return {};
  }
}

Report show(const KernelOptionsText& options) {
  KernelText text = read_kernel(options);
  bind_for_show(text);
  const ir::Kernel kernel = bind_kernel(text);
  const std::string bound = ir::print(kernel);
  // A gradient of a gradient is there for the asking; it is not what a reader wants to see first.
  const std::string gradient = text.declaration().gradient_of.empty() ? gradient_text(kernel) : "";
  const std::string bindings = format_bindings(text.bindings);

  const bool color = stdout_takes_color();
  const std::string source = excerpt(text.text, text.declaration());
  std::string shown = heading(text.file, color) + source;
  shown += '\n' + heading(bindings.empty() ? "simplified" : "simplified with " + bindings, color) +
           bound;
  if (!shown.ends_with('\n'))
    shown += '\n';
  if (!gradient.empty())
    shown += '\n' + heading("derived gradient", color) + gradient;
  if (!shown.ends_with('\n'))
    shown += '\n';
  return {0, shown,
          dump_json({{"file", text.file},
                     {"kernel", text.kernel},
                     {"comment", text.declaration().comment},
                     {"source", source},
                     {"bindings", bindings},
                     {"parameters", parameters_json(kernel)},
                     {"operations", operation_count(kernel)},
                     {"bound", bound},
                     {"gradient", gradient}})};
}

} // namespace

Action add_show(CLI::App& app) {
  const auto options = std::make_shared<KernelOptionsText>();
  add_kernel_options(app, *options);
  return [options] { return show(*options); };
}

} // namespace swage::cli
