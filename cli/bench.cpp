// bench.cpp -- `swage bench`: a kernel's time by shape, its launches, the stages of its first call.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/bandwidth.hpp"
#include "cli/bench_report.hpp"
#include "cli/timing.hpp"
#include "cli/tune_shapes.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/verify/operands.hpp"

namespace swage::cli {

namespace {

constexpr const char* kDefaultShapes = "1,16,128,1024,8192x4096";

struct BenchOptions {
  KernelOptionsText kernel;
  std::string shapes = kDefaultShapes, device, schedule;
  std::vector<std::string> scalars;
  std::uint64_t seed = 0;
  int repeat = 11;
  bool quick = false;
};

verify::OperandOptions operand_options(const BenchOptions& options, const Shape& shape) {
  verify::OperandOptions wanted{.shape = shape, .seed = options.seed};
  for (const std::string& scalar : options.scalars)
    wanted.scalars.push_back(parse_value(scalar));
  return wanted;
}

std::vector<Shape> bench_shapes(const BenchOptions& options) {
  std::vector<Shape> shapes = parse_shapes(options.shapes);
  for (const Shape& shape : shapes)
    if (element_count(shape) == 0)
      throw Error(ErrorCode::invalid_argument, "shape " + format_shape(shape) +
                                                   " has no elements to time; give --shapes of at "
                                                   "least one element");
  return shapes;
}

/// Argument sets to take in turn, so that what one launch leaves in the cache is gone before the
/// next one asks for it: together twice the cache, within bounds of count and memory.
int sets_for(const DeviceInfo& info, std::int64_t bytes) {
  constexpr std::int64_t most_sets = 64, most_bytes = std::int64_t{1} << 30;
  const std::int64_t wanted = 2 * info.cache_bytes / bytes + 1;
  return static_cast<int>(
      std::clamp<std::int64_t>(std::min(wanted, most_bytes / bytes), 1, most_sets));
}

BenchShape time_shape(const Device& device, const Kernel& kernel, const BenchOptions& options,
                      const Shape& shape) {
  verify::OperandOptions wanted = operand_options(options, shape);
  std::vector<std::unique_ptr<verify::Operands>> sets;
  const auto add_set = [&] {
    sets.push_back(std::make_unique<verify::Operands>(device, launch::ir_kernel(kernel), wanted));
    sets.back()->upload(false);
    ++wanted.seed;
  };
  add_set();
  const launch::CallDescription plan = launch::describe(kernel, sets[0]->arguments());
  BenchShape result{.shape = shape, .elements = plan.elements(), .bytes = plan.bytes};
  // On the CPU an in-place kernel gets its values back before each launch, see time_run.
  const bool alone = device.info().kind == DeviceKind::cpu && sets[0]->in_place();
  result.sets = alone ? 1 : sets_for(device.info(), std::max<std::int64_t>(plan.bytes, 1));
  while (static_cast<int>(sets.size()) < result.sets)
    add_set();
  result.in_cache = plan.bytes * result.sets <= device.info().cache_bytes;
  if (alone) {
    kernel.prepare(sets[0]->arguments());
    result.time = time_run(device, kernel, *sets[0], options.repeat);
    return result;
  }
  std::vector<std::vector<Arg>> arguments;
  for (const std::unique_ptr<verify::Operands>& set : sets)
    arguments.emplace_back(set->arguments().begin(), set->arguments().end());
  result.time = measure::time_launches(kernel, arguments, {.rounds = options.repeat});
  return result;
}

Report bench(const BenchOptions& options) {
  const std::vector<Shape> shapes = bench_shapes(options);
  const KernelText text = read_kernel(options.kernel);
  const KernelOptions kernel_options{
      .math = text.math, .schedule = options.schedule, .file = text.file};
  const std::vector<Binding>& bindings = text.bindings;
  const Device device = Device::open(options.device);
  const Kernel kernel = device.kernel(text.text, text.kernel, bindings, kernel_options);
  const ir::Kernel& graph = launch::ir_kernel(kernel);

  BenchResult result{.text = text, .device = device.info()};
  result.small =
      *std::min_element(shapes.begin(), shapes.end(), [](const Shape& a, const Shape& b) {
        return element_count(a) < element_count(b);
      });
  {
    verify::Operands operands(device, graph, operand_options(options, result.small));
    operands.upload(false);
    // Before anything else compiles: what the first compilation of a process sets up is part of it.
    result.first_call = measure::time_first_call(device, text.text, text.kernel, bindings,
                                                 kernel_options, operands.arguments());
    result.warm_call = measure::time_warm_call(device, text.text, text.kernel, bindings,
                                               kernel_options, operands.arguments());
    result.overhead = measure::time_launch_overhead(kernel, operands.arguments());
  }
  if (!options.quick)
    result.bandwidth = measure_bandwidth(device);
  for (const Shape& shape : shapes)
    result.shapes.push_back(time_shape(device, kernel, options, shape));
  return report_bench(result, graph);
}

} // namespace

Action add_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  add_kernel_options(app, options->kernel);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--shapes", options->shapes, "LIST",
      "Shapes to time (default 1,16,128,1024,8192x4096: five of 4096 columns)");
  add("--device", options->device, "ID", "cpu or cuda:N; default the first CUDA device, else cpu");
  add("--schedule", options->schedule, "KEYS", "As in \"threads=128 bytes=16\", over the default");
  add("--arg", options->scalars, "NAME=VALUE", "Value of a run-time scalar (default 1)")
      ->allow_extra_args(false);
  add("--seed", options->seed, "N", "Seed of random inputs (default 0)");
  add("--repeat", options->repeat, "N", "Rounds to time of each shape (default 11)")
      ->check(CLI::Range(1, 10000));
  app.add_flag("--quick", options->quick, "Do not measure the memory's bandwidth");
  return [options] { return bench(*options); };
}

} // namespace swage::cli
