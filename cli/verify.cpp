// verify.cpp -- `swage verify`: how many ulp a kernel's results are off, over every input where
// that is possible.
#include <algorithm>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/gradient_report.hpp"
#include "cli/sweep.hpp"
#include "cli/verbs.hpp"
#include "cli/verify_report.hpp"
#include "runtime/launch/inspect.hpp"

namespace swage::cli {

namespace {

struct VerifyOptions {
  KernelOptionsText kernel;
  SweepOptions sweep;
  std::string device, schedule, where, against = "evaluator";
  std::vector<std::string> scalars;
  std::size_t show = 3;
  std::optional<double> max_ulp;
};

/// The condition as a kernel of its own, beside the functions of the kernel's text.
ir::Kernel where_kernel(const KernelText& text, const ir::Kernel& kernel,
                        const std::string& where) {
  constexpr const char* name = "swage_verify_where";
  std::string source = text.text + "\nkernel " + name + "(";
  for (const ir::Param& param : kernel.params())
    if (param.kind != ir::ParamKind::out)
      source += fmt::format("{}: {}{}, ", param.name, param.is_tensor() ? "in " : "",
                            name_of(param.dtype));
  source += std::string(name) + "_holds: out bool) {\n  " + name + "_holds = " + where + ";\n}\n";
  return ir::load_kernel({source, text.file + " with --where"}, name, {});
}

Report verify(const VerifyOptions& options) {
  const KernelText text = read_kernel(options.kernel);
  const Device device = Device::open(options.device);
  const Kernel kernel =
      device.kernel(text.text, text.kernel, text.bindings,
                    {.math = text.math, .schedule = options.schedule, .file = text.file});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const SweptInputs inputs = swept_inputs(graph, options.sweep);
  std::optional<ir::Kernel> where;
  if (!options.where.empty())
    where.emplace(where_kernel(text, graph, options.where));
  const verify::CompareOptions comparison = {.sample = verify::kMaxSweepLaunch,
                                             .max_ulp = options.max_ulp,
                                             .where = where ? &*where : nullptr,
                                             .histogram = true};
  if (options.max_ulp && !(*options.max_ulp >= 0))
    throw Error(ErrorCode::invalid_argument, "--max-ulp takes a number from 0 up");

  verify::OperandOptions wanted;
  for (const std::string& scalar : options.scalars)
    wanted.scalars.push_back(parse_value(scalar));
  VerifyResult result{text,
                      device.info(),
                      options.sweep.exhaustive,
                      options.where,
                      count_of(inputs),
                      {},
                      check_declared_gradient(text, graph)};
  sweep_shown(device, graph, inputs, std::move(wanted),
              [&](verify::Operands& operands, const Shape& shape) {
                operands.run(kernel);
                auto found = verify::compare(graph, operands, shape, comparison);
                result.outputs.resize(found.size());
                for (std::size_t i = 0; i < found.size(); ++i)
                  verify::add(result.outputs[i], std::move(found[i]), options.show);
              });
  return report_verify(result, graph);
}

} // namespace

Action add_verify(CLI::App& app) {
  const auto options = std::make_shared<VerifyOptions>();
  add_kernel_options(app, options->kernel);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add_sweep_options(app, options->sweep);
  add("--where", options->where, "EXPR",
      "Count only elements for which EXPR of the inputs is true, as in \"abs(gate) < 88\"");
  add("--against", options->against, "WHAT", "What to compare with: evaluator (default)")
      ->check(CLI::IsMember({"evaluator"}));
  add("--max-ulp", options->max_ulp, "U", "Hard limit on the error of every element, in ulp");
  add("--show", options->show, "N", "Worst inputs to show of each output (default 3)");
  add("--device", options->device, "ID", "cpu or cuda:N; default the first CUDA device, else cpu");
  add("--schedule", options->schedule, "KEYS", "As in \"threads=128 bytes=16\", over the default");
  add("--arg", options->scalars, "NAME=VALUE", "Value of a run-time scalar (default 1)")
      ->allow_extra_args(false);
  return [options] { return verify(*options); };
}

} // namespace swage::cli
