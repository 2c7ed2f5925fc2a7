// run.cpp -- `swage run`: a kernel on a device, timed and verified.
#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/input_tensors.hpp"
#include "cli/output_files.hpp"
#include "cli/run_report.hpp"
#include "cli/timing.hpp"
#include "cli/typing.hpp"
#include "cli/verbs.hpp"

namespace swage::cli {

namespace {

struct RunOptions {
  KernelOptionsText kernel;
  std::string shape, device, schedule;
  std::vector<std::string> inputs, outputs, scalars;
  std::uint64_t seed = 0;
  bool specials = false, verify = false;
  int repeat = 11;
  std::string sample;
  std::optional<double> max_ulp;
};

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (int i = 0; i < kDTypeCount; ++i)
    types.push_back(static_cast<DType>(i));
  return types;
}

/// The same where tensors of U8 may hold codes. Throws where these fit several types, which -D has
/// to tell apart.
bool infer_codes(KernelText& text, const InputTensors& input) {
  std::map<std::string, DType> types; // of the first choice that fits
  const auto fits = [&](const ir::Kernel& kernel) {
    return types_match(kernel, input, TensorTypes::codes_too);
  };
  const auto differs = [&](const ir::Kernel& kernel) {
    if (!fits(kernel))
      return false;
    for (const ir::Param& param : kernel.params())
      if (param.is_tensor() && param.is_read() &&
          types.emplace(param.name, param.dtype).first->second != param.dtype)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{} is U8, which may be codes of several types; bind the kernel's "
                                "types with -D, as in -D S=e8m0",
                                input.describe(param.name)));
    return false;
  };
  infer_generics(text, all_types(), differs);
  return !types.empty() && infer_generics(text, all_types(), fits);
}

/// Generics that -D leaves open follow the types of the input's tensors. Where no choice fits all
/// of them, one that fits any or none lets the error name a tensor that does not.
void infer_from_input(KernelText& text, const InputTensors& input) {
  if (unbound_generics(text).empty())
    return;
  const auto all = [&](const ir::Kernel& kernel) {
    return types_match(kernel, input, TensorTypes::as_said);
  };
  const auto any = [&](const ir::Kernel& kernel) {
    return std::any_of(kernel.params().begin(), kernel.params().end(), [&](const ir::Param& param) {
      const SafetensorsEntry* entry = param.is_tensor() ? input.find(param.name) : nullptr;
      return param.is_read() && entry != nullptr && entry->dtype == param.dtype;
    });
  };
  const auto whatever = [](const ir::Kernel&) { return true; };
  infer_generics(text, all_types(), all) || infer_codes(text, input) ||
      infer_generics(text, all_types(), any) || infer_generics(text, all_types(), whatever);
}

Shape choose_shape(const RunOptions& options, const ir::Kernel& kernel, const InputTensors& input) {
  if (!options.shape.empty())
    return parse_shape(options.shape);
  if (!input.empty())
    return shape_of_input(kernel, input);
  throw Error(ErrorCode::invalid_argument,
              "there is neither a --shape nor an --input to take it from; "
              "give one, as in --shape 4096x14336");
}

verify::CompareOptions compare_options(const RunOptions& options) {
  verify::CompareOptions result;
  result.max_ulp = options.max_ulp;
  if (options.max_ulp && !(*options.max_ulp >= 0))
    throw Error(ErrorCode::invalid_argument, "--max-ulp takes a number from 0 up");
  if (options.sample == "all")
    result.sample = std::numeric_limits<std::int64_t>::max();
  else if (!options.sample.empty())
    result.sample = parse_count(options.sample, "--sample");
  return result;
}

Report run(const RunOptions& options) {
  KernelText text = read_kernel(options.kernel);
  const InputTensors input(options.inputs);
  if (!input.empty())
    infer_from_input(text, input);
  const verify::CompareOptions comparison = compare_options(options);

  const Device device = Device::open(options.device);
  const Kernel kernel =
      device.kernel(text.text, text.kernel, text.bindings,
                    {.math = text.math, .schedule = options.schedule, .file = text.file});
  const ir::Kernel& graph = launch::ir_kernel(kernel);

  input.check_names(graph);
  const OutputFiles outputs(options.outputs, graph);
  verify::OperandOptions wanted{.shape = choose_shape(options, graph, input),
                                .seed = options.seed,
                                .specials = options.specials};
  if (!input.empty())
    wanted.input = [&](const ir::Param& param, const Shape& shape) {
      return input.entry(param, shape);
    };
  for (const std::string& scalar : options.scalars)
    wanted.scalars.push_back(parse_value(scalar));
  verify::Operands operands(device, graph, wanted);

  RunResult result{text, device.info(), wanted.shape,
                   launch::describe(kernel, operands.arguments())};
  operands.upload(options.verify);
  result.first_call = prepare_timed(kernel, operands);
  kernel.launch(nullptr, operands.arguments());
  device.synchronize();
  operands.download();
  if (options.verify)
    result.outputs = verify::compare(graph, operands, wanted.shape, comparison);
  outputs.write(operands);
  result.output_files = outputs.paths();
  if (result.plan.elements() > 0 && options.repeat > 0)
    result.time = time_run(device, kernel, operands, options.repeat);
  return report_run(result, graph, operands);
}

} // namespace

Action add_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  add_kernel_options(app, options->kernel);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--shape", options->shape, "SIZES", "Shape of the tensors, as in 4096x14336");
  add("--device", options->device, "ID", "cpu or cuda:N; default the first CUDA device, else cpu");
  add("--schedule", options->schedule, "KEYS", "As in \"threads=128 bytes=16\", over the default");
  add("--arg", options->scalars, "NAME=VALUE", "Value of a run-time scalar (default 1)")
      ->allow_extra_args(false);
  add("--input", options->inputs, "FILE|NAME=FILE:TENSOR",
      "Take inputs from safetensors files or their index: by their own names, or one by one")
      ->allow_extra_args(false);
  add("--output", options->outputs, "FILE|NAME=FILE:TENSOR",
      "Write outputs to safetensors files: all of them, or one by one")
      ->allow_extra_args(false);
  add("--seed", options->seed, "N", "Seed of random inputs (default 0)");
  app.add_flag("--specials", options->specials,
               "Mix zeros, infinities, NaN, subnormals and bounds into random inputs");
  add("--repeat", options->repeat, "N", "Rounds to time (default 11; 0 times nothing)");
  app.add_flag("--verify", options->verify, "Compare every element with the reference evaluator");
  add("--sample", options->sample, "N|all", "Elements to verify at most (default 16777216)");
  add("--max-ulp", options->max_ulp, "U", "Hard limit on the error of every element, in ulp");
  return [options] { return run(*options); };
}

} // namespace swage::cli
