// verify.cpp -- `swage verify`: how many ulp a kernel's results are off, over every input where
// that is possible.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/test_inputs.hpp"
#include "cli/verbs.hpp"
#include "cli/verify_report.hpp"
#include "runtime/session.hpp"

namespace swage::cli {

namespace {

struct VerifyOptions {
  KernelOptionsText kernel;
  std::string device, schedule, where, against = "evaluator", pairs, samples;
  std::vector<std::string> scalars;
  std::uint64_t seed = 0;
  bool exhaustive = false;
  std::size_t show = 3;
  std::optional<double> max_ulp;
};

/// Elements of one launch: small enough to stay near the cache, large enough to use every core.
constexpr std::int64_t kMaxLaunch = std::int64_t{1} << 21;
constexpr std::int64_t kMinLaunch = std::int64_t{1} << 12;
/// Fewer launches would show fewer of the worst inputs.
constexpr std::int64_t kLaunches = 16;

InputOptions input_options(const VerifyOptions& options) {
  InputOptions result{.exhaustive = options.exhaustive, .seed = options.seed};
  if (!options.samples.empty()) {
    if (options.exhaustive)
      throw Error(
          ErrorCode::invalid_argument,
          "--samples is for random inputs, --exhaustive leaves nothing to chance; give one");
    result.samples = parse_count(options.samples, "--samples");
  }
  if (!options.pairs.empty())
    result.pairs = parse_count(options.pairs, "--pairs");
  return result;
}

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

/// Says how far it is, on a terminal.
class Progress {
public:
  explicit Progress(std::int64_t total) : total_(total), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_)
      std::fputs("\r\033[K", stderr);
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::int64_t done) const {
    if (shown_)
      std::fprintf(stderr, "\r%3.0f %%",
                   100.0 * static_cast<double>(done) / static_cast<double>(total_));
  }

private:
  std::int64_t total_;
  bool shown_;
};

/// Adds what one launch showed to what those before it did.
void add(VerifyOutput& total, OutputComparison&& found, std::size_t show) {
  total.param = found.param;
  total.limit = found.limit;
  total.checked += found.checked;
  total.max_error = std::max(total.max_error, found.max_error);
  total.misrounded += found.misrounded;
  total.admitted += found.admitted;
  total.wrong += found.wrong;
  for (std::size_t i = 0; i < total.admitted_by.size(); ++i)
    total.admitted_by[i] += found.admitted_by[i];
  if (found.worst_admitted &&
      (!total.worst_admitted || found.worst_admitted->error > total.worst_admitted->error))
    total.worst_admitted = std::move(found.worst_admitted);
  total.histogram.merge(found.histogram);
  if (!found.worst)
    return;
  total.worst.push_back({*std::move(found.worst), found.wrong > 0});
  std::stable_sort(total.worst.begin(), total.worst.end(), [](const auto& a, const auto& b) {
    return a.wrong != b.wrong ? a.wrong : a.element.error > b.element.error;
  });
  total.worst.resize(std::min(total.worst.size(), show));
}

/// Launches over inputs [first, first + size of the operands).
void verify_range(const Device& device, const Kernel& kernel, const TestInputs& inputs,
                  std::int64_t first, Operands& operands, const Shape& shape,
                  const CompareOptions& options, std::size_t show, VerifyResult& result) {
  operands.refill(
      [&](std::size_t param, std::span<std::byte> bytes) { inputs.fill(param, first, bytes); });
  operands.upload(true);
  kernel.launch(nullptr, operands.arguments());
  device.synchronize();
  operands.download();
  const ir::Kernel& graph = runtime::ir_kernel(kernel);
  std::vector<OutputComparison> found = compare(graph, operands, shape, options);
  result.outputs.resize(found.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    add(result.outputs[i], std::move(found[i]), show);
}

Report verify(const VerifyOptions& options) {
  const KernelText text = read_kernel(options.kernel);
  const Device device = Device::open(options.device);
  const Kernel kernel =
      device.kernel(text.text, text.kernel, api_bindings(text.bindings),
                    {.math = api_math(text.math), .schedule = options.schedule, .file = text.file});
  const ir::Kernel& graph = runtime::ir_kernel(kernel);
  if (!ir::is_elementwise(graph))
    throw Error(
        ErrorCode::unsupported,
        fmt::format("kernel '{}' uses {}: verify tries elements one by one; hold whole rows "
                    "to the evaluator with swage run --verify",
                    graph.name(), ir::beyond_elements(graph)));
  const TestInputs inputs(graph, input_options(options));
  std::optional<ir::Kernel> where;
  if (!options.where.empty())
    where.emplace(where_kernel(text, graph, options.where));
  const CompareOptions comparison = {.sample = kMaxLaunch,
                                     .max_ulp = options.max_ulp,
                                     .where = where ? &*where : nullptr,
                                     .histogram = true};
  if (options.max_ulp && !(*options.max_ulp >= 0))
    throw Error(ErrorCode::invalid_argument, "--max-ulp takes a number from 0 up");

  OperandOptions wanted;
  for (const std::string& scalar : options.scalars)
    wanted.scalars.push_back(parse_value(scalar));
  VerifyResult result{text, device.info(), options.exhaustive, options.where, inputs.count(), {}};
  const std::int64_t size = std::clamp(inputs.count() / kLaunches, kMinLaunch, kMaxLaunch);
  const Progress progress(inputs.count());
  std::unique_ptr<Operands> operands;
  for (std::int64_t first = 0; first < inputs.count(); first += size) {
    const std::int64_t count = std::min(size, inputs.count() - first);
    if (!operands || wanted.shape[0] != count) {
      wanted.shape = {count};
      operands.reset(); // before its successor takes as much memory again
      operands = std::make_unique<Operands>(device, graph, wanted);
    }
    verify_range(device, kernel, inputs, first, *operands, wanted.shape, comparison, options.show,
                 result);
    progress.at(first + count);
  }
  return report_verify(result, graph);
}

} // namespace

Action add_verify(CLI::App& app) {
  const auto options = std::make_shared<VerifyOptions>();
  add_kernel_options(app, options->kernel);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  app.add_flag("--exhaustive", options->exhaustive,
               "Every input: for kernels that read up to 32 bits an element");
  add("--pairs", options->pairs, "N",
      "With --exhaustive and two inputs: N random values of the second for each of the first");
  add("--samples", options->samples, "N", "Random inputs (default 16777216)");
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
  add("--seed", options->seed, "N", "Seed of random inputs (default 0)");
  return [options] { return verify(*options); };
}

} // namespace swage::cli
