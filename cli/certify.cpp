// certify.cpp -- `swage certify`: which references a kernel's outputs equal, over which inputs.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/certificate.hpp"
#include "cli/gradient_report.hpp"
#include "cli/sweep.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"
#include "runtime/launch/inspect.hpp"

namespace swage::cli {

namespace {

struct CertifyOptions {
  KernelOptionsText kernel;
  SweepOptions sweep;
  std::string device;
  std::vector<std::string> scalars;
};

/// The same formula in a mode that promises another system's bits.
struct ModeKernel {
  std::optional<Kernel> kernel;
  std::string missing; ///< why there is none
};

ModeKernel kernel_in(ir::MathMode mode, const Device& device, const KernelText& text,
                     ir::MathMode own) {
  if (mode == own)
    return {{}, "the kernel is in this mode itself"};
  if (device.info().kind != DeviceKind::cuda)
    return {{}, "its bits are those of a CUDA device"};
  try {
    return {device.kernel(text.text, text.kernel, text.bindings,
                          {.math = mode, .schedule = {}, .file = text.file}),
            {}};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

/// Results of every output, copied.
std::vector<std::vector<std::byte>> results(const Kernel& kernel, const ir::Kernel& graph,
                                            verify::Operands& operands) {
  operands.run(kernel);
  std::vector<std::vector<std::byte>> copies;
  for (const ir::Store& store : graph.stores()) {
    const auto bytes = operands.result(store.param);
    copies.emplace_back(bytes.begin(), bytes.end());
  }
  return copies;
}

/// The same in the mode's arithmetic; nothing once it turns out that the mode cannot offer an
/// operation, which shows when it is compiled.
std::vector<std::vector<std::byte>> results(ModeKernel& mode, const ir::Kernel& graph,
                                            verify::Operands& operands) {
  if (!mode.kernel)
    return {};
  try {
    return results(*mode.kernel, graph, operands);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported)
      throw;
    mode.missing = error.what();
    mode.kernel.reset();
    return {};
  }
}

void add_evaluator(CertifiedOutput& output, verify::OutputComparison&& found) {
  output.wrong += found.wrong;
  output.admitted += found.admitted;
  output.evaluator.checked += found.checked;
  output.evaluator.equal += found.checked - found.misrounded;
  output.max_ulp = std::max(output.max_ulp, found.max_error);
  if (found.worst && (!output.worst || found.worst->error > output.worst->error))
    output.worst = std::move(found.worst);
}

Report certify(const CertifyOptions& options) {
  const KernelText text = read_kernel(options.kernel);
  const Device device = Device::open(options.device);
  const Kernel kernel = device.kernel(text.text, text.kernel, text.bindings,
                                      {.math = text.math, .schedule = {}, .file = text.file});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const SweptInputs inputs = swept_inputs(graph, options.sweep);
  std::array<ModeKernel, kReferenceModes.size()> modes;
  for (std::size_t m = 0; m < modes.size(); ++m)
    modes[m] = kernel_in(kReferenceModes[m], device, text, graph.math());
  verify::OperandOptions wanted;
  for (const std::string& scalar : options.scalars)
    wanted.scalars.push_back(parse_value(scalar));

  Certificate certificate{.text = text,
                          .device = device.info(),
                          .exhaustive = options.sweep.exhaustive && options.sweep.pairs.empty(),
                          .seed = options.sweep.seed,
                          .inputs = count_of(inputs),
                          .missing = {},
                          .outputs = std::vector<CertifiedOutput>(graph.stores().size()),
                          .gradient = check_declared_gradient(text, graph)};
  sweep_shown(device, graph, inputs, std::move(wanted),
              [&](verify::Operands& operands, const Shape& shape) {
                std::array<std::vector<std::vector<std::byte>>, kReferenceModes.size()> references;
                for (std::size_t m = 0; m < modes.size(); ++m)
                  references[m] = results(modes[m], graph, operands);
                const auto got = results(kernel, graph, operands);
                auto found =
                    verify::compare(graph, operands, shape, {.sample = verify::kMaxSweepLaunch});
                for (std::size_t i = 0; i < found.size(); ++i) {
                  CertifiedOutput& output = certificate.outputs[i];
                  output.param = found[i].param;
                  for (std::size_t m = 0; m < modes.size(); ++m)
                    if (modes[m].kernel)
                      verify::add_bits(output.modes[m], graph.params()[output.param].dtype, got[i],
                                       references[m][i], operands, shape.back());
                  add_evaluator(output, std::move(found[i]));
                }
              });
  for (std::size_t m = 0; m < modes.size(); ++m)
    certificate.missing[m] = modes[m].missing;
  return report_certificate(certificate, graph);
}

} // namespace

Action add_certify(CLI::App& app) {
  const auto options = std::make_shared<CertifyOptions>();
  add_kernel_options(app, options->kernel);
  add_sweep_options(app, options->sweep);
  app.add_option("--device", options->device,
                 "cpu or cuda:N; default the first CUDA device, else cpu")
      ->type_name("ID");
  app.add_option("--arg", options->scalars, "Value of a run-time scalar (default 1)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  return [options] { return certify(*options); };
}

} // namespace swage::cli
