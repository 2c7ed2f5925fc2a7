// check.cpp -- `swage check`: every kernel of a text, and the types it can be bound to.
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/advice.hpp"
#include "cli/kernel_text.hpp"
#include "cli/parameters.hpp"
#include "cli/table.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"

namespace swage::cli {

namespace {

struct Checked {
  std::vector<std::string> types; ///< that the unbound generics may take
  ir::Kernel kernel;              ///< bound to the first of them
  std::vector<std::string> notes; ///< on it and on those bound to the others, each once
};

/// Constants without a default are checked with the value 1.
void bind_constants(KernelText& text) {
  for (const ir::KernelDeclaration::Constant& constant : text.declaration().constants) {
    const bool bound = std::any_of(text.bindings.begin(), text.bindings.end(),
                                   [&](const Binding& b) { return b.name == constant.name; });
    if (bound || constant.has_default)
      continue;
    text.bindings.push_back({constant.name, std::int64_t{1}});
  }
}

/// Leaves to the kernel the bindings that name something of it.
void keep_own_bindings(KernelText& text) {
  const ir::KernelDeclaration& kernel = text.declaration();
  std::erase_if(text.bindings, [&](const Binding& binding) {
    const auto& generics = kernel.generics;
    return std::find(generics.begin(), generics.end(), binding.name) == generics.end() &&
           std::none_of(kernel.constants.begin(), kernel.constants.end(),
                        [&](const auto& constant) { return constant.name == binding.name; });
  });
}

/// Binds the kernel in every way that its types allow. If there is none, throws what is wrong with
/// the usual choice, f32.
Checked check_kernel(KernelText text) {
  bind_constants(text);
  std::vector<std::string> types, notes;
  const auto note = [&](const ir::Kernel& kernel) {
    for (std::string& sentence : advice(kernel))
      if (std::find(notes.begin(), notes.end(), sentence) == notes.end())
        notes.push_back(std::move(sentence));
  };
  if (unbound_generics(text).empty()) {
    ir::Kernel kernel = bind_kernel(text);
    note(kernel);
    return {{}, std::move(kernel), std::move(notes)};
  }
  std::optional<ir::Kernel> first;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType type = static_cast<DType>(i);
    try {
      ir::Kernel kernel = bind_kernel(bound_to(text, type));
      types.emplace_back(name_of(type));
      note(kernel);
      if (!first)
        first = std::move(kernel);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_kernel)
        throw;
    }
  }
  if (!first)
    first = bind_kernel(bound_to(text, DType::f32));
  return {std::move(types), std::move(*first), std::move(notes)};
}

/// A binding that no kernel of the text knows is a slip, as it is for one kernel.
void check_bindings_are_used(const KernelText& program, std::vector<std::string> used) {
  for (const Binding& binding : program.bindings)
    if (std::find(used.begin(), used.end(), binding.name) == used.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("no kernel of {} has a generic or a constant '{}'", program.file,
                              binding.name));
}

Report check(const KernelOptionsText& options) {
  const KernelText program = options.kernel.empty() ? read_program(options) : read_kernel(options);
  Table table({{"kernel"}, {"parameters"}, {"types"}, {"operations", Align::right}});
  nlohmann::ordered_json kernels = nlohmann::ordered_json::array();
  std::vector<std::string> used;
  std::string notes;
  for (const ir::KernelDeclaration& declared : program.declared) {
    if (!options.kernel.empty() && declared.name != program.kernel)
      continue;
    KernelText text = program;
    text.kernel = declared.name;
    keep_own_bindings(text);
    for (const Binding& binding : text.bindings)
      used.push_back(binding.name);
    const Checked checked = check_kernel(text);
    const std::string types =
        checked.types.empty() ? "bound" : fmt::format("{}", fmt::join(checked.types, " "));
    table.row({declared.name, parameter_names(checked.kernel), types,
               std::to_string(operation_count(checked.kernel))});
    kernels.push_back({{"name", declared.name},
                       {"generics", declared.generics},
                       {"types", checked.types},
                       {"parameters", parameters_json(checked.kernel)},
                       {"operations", operation_count(checked.kernel)}});
    for (const std::string& note : checked.notes) {
      notes +=
          fmt::format("{}:{}: note: {} {}\n", program.file, declared.line, declared.name, note);
      kernels.back()["notes"].push_back(note);
    }
  }
  check_bindings_are_used(program, used);
  if (program.declared.empty())
    throw Error(ErrorCode::invalid_kernel, fmt::format("{} declares no kernel", program.file));
  return {0, table.render(stdout_takes_color()) + notes,
          dump_json({{"file", program.file}, {"kernels", kernels}})};
}

} // namespace

Action add_check(CLI::App& app) {
  const auto options = std::make_shared<KernelOptionsText>();
  add_kernel_options(app, *options);
  return [options] { return check(*options); };
}

} // namespace swage::cli
