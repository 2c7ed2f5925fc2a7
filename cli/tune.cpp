// tune.cpp -- `swage tune`: the fastest schedule of a kernel, found by measurement.
#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/files.hpp"
#include "cli/kernel_text.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"
#include "cli/tune_report.hpp"
#include "cli/tune_shapes.hpp"
#include "cli/verbs.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/launch/step_calls.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "runtime/verify/operands.hpp"

namespace swage::cli {

namespace {

struct TuneOptionsText {
  KernelOptionsText kernel;
  std::string shape, shapes, device, budget, html, export_to, import_from;
  bool verbose = false, force = false, dry_run = false;
};

std::vector<Shape> shapes_of(const TuneOptionsText& options) {
  if (!options.shape.empty())
    return {parse_shape(options.shape)};
  if (!options.shapes.empty())
    return parse_shapes(options.shapes);
  throw Error(ErrorCode::invalid_argument,
              "there is neither a --shape nor --shapes; give one, as in --shape 4096x14336 or "
              "--shapes 1,16,128,2048x14336");
}

/// Arguments of a contiguous call of `shape`. Tuning looks at addresses and never follows them, so
/// these lead nowhere: each far from the others, and from launch::planned_memory, and aligned as
/// allocations are.
struct PlainCall {
  std::vector<Tensor> tensors;
  std::vector<Arg> arguments;

  PlainCall(const ir::Kernel& kernel, const Shape& shape) {
    constexpr std::uint64_t kApart = std::uint64_t{1} << 52;
    tensors.reserve(kernel.params().size());
    for (const ir::Param& param : kernel.params()) {
      if (!param.is_tensor()) {
        arguments.emplace_back(std::int64_t{1});
        continue;
      }
      auto* nowhere = reinterpret_cast<void*>(kApart * (tensors.size() + 1));
      tensors.emplace_back(nowhere, param.dtype, verify::parameter_shape(param, shape));
      arguments.emplace_back(tensors.back());
    }
  }
};

TuneRun tune_all(const TuneOptionsText& options) {
  const std::vector<Shape> shapes = shapes_of(options);
  tune::TunerOptions wanted;
  wanted.force = options.force;
  if (!options.budget.empty())
    wanted.budget = parse_duration(options.budget, "--budget");

  TuneRun run;
  run.text = read_kernel(options.kernel);
  const Device device = Device::open(options.device);
  const Kernel kernel =
      device.kernel(run.text.text, run.text.kernel, run.text.bindings,
                    {.math = run.text.math, .schedule = {}, .file = run.text.file});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  run.kernel = graph.name();
  run.math = ir::name_of(graph.math());
  run.device = device.info();
  run.measured = !options.dry_run;
  run.records = options.dry_run ? "" : tune::tuning_records().path();

  const auto start = std::chrono::steady_clock::now();
  const KernelState& state = KernelAccess::state(kernel);
  std::vector<tune::Tuner> tuners;
  if (!state.has_steps())
    tuners.emplace_back(state);
  for (const auto& step : state.step_kernels)
    tuners.emplace_back(*step);
  ProgressBar bar(run.measured);
  for (const Shape& shape : shapes) {
    const PlainCall plain(graph, shape);
    const auto tune_one = [&](tune::Tuner& tuner, std::span<const Arg> arguments,
                              const std::string& step) {
      const auto done = static_cast<double>(run.shapes.size());
      wanted.progress = [&](double share, std::string_view what) {
        bar.show((done + share) / static_cast<double>(shapes.size() * tuners.size()),
                 fmt::format("{} {}", format_shape(shape), what));
      };
      run.shapes.push_back(
          {shape, step, options.dry_run ? tuner.plan(arguments) : tuner.tune(arguments, wanted)});
    };
    if (!state.has_steps()) {
      tune_one(tuners[0], plain.arguments, "");
      continue;
    }
    launch::Call call;
    state.classify(plain.arguments, call);
    const launch::StepCalls steps({state, call, plain.arguments, nullptr});
    for (std::size_t i = 0; i < tuners.size(); ++i)
      tune_one(tuners[i], steps.all()[i]->arguments.span(), steps.all()[i]->kernel.name);
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

Report tune(const TuneOptionsText& options) {
  const TuneRun run = tune_all(options);
  std::string text = tune_text(run, options.verbose, stdout_takes_color());
  if (!options.html.empty()) {
    const std::string page = tune_html(run);
    write_file(options.html, [&](FileWriter& file) { file.write(page); });
    text += "report: " + printable(options.html) + '\n';
  }
  return {0, std::move(text), dump_json(tune_json(run))};
}

Report export_records(const std::string& path) {
  const std::vector<tune::TuningRecord> records = tune::tuning_records().all();
  write_file(path, [&](FileWriter& file) {
    for (const tune::TuningRecord& record : records)
      file.write(tune::to_line(record) + '\n');
  });
  return {0, fmt::format("wrote {} tuning records to {}\n", records.size(), printable(path)),
          dump_json({{"file", path}, {"records", records.size()}})};
}

Report import_records(const std::string& path) {
  constexpr std::size_t kLimit = std::size_t{64} << 20;
  if (tune::tuning_records().path().empty())
    throw Error(ErrorCode::io, "there is no directory for tuning records; set SWAGE_TUNING_DIR");
  const std::string text = read_file(path, kLimit);
  int taken = 0, number = 0;
  std::vector<std::string> bad;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = std::string_view(text).substr(start, end - start);
    start = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    try {
      tune::tuning_records().add(tune::record_from_line(line));
      ++taken;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::io)
        throw;
      bad.push_back(fmt::format("{}:{} is no tuning record: {}", path, number, error.what()));
    }
  }
  std::string said = fmt::format("took {} tuning records from {} into {}\n", taken, printable(path),
                                 printable(tune::tuning_records().path()));
  for (const std::string& line : bad)
    said += printable(line) + '\n';
  return {bad.empty() ? 0 : 1, std::move(said),
          dump_json({{"file", path}, {"records", taken}, {"refused", bad}})};
}

Report run_verb(const TuneOptionsText& options) {
  if (!options.export_to.empty())
    return export_records(options.export_to);
  if (!options.import_from.empty())
    return import_records(options.import_from);
  if (options.kernel.what.empty())
    throw Error(ErrorCode::invalid_argument,
                "there is no kernel to tune; name one, as in swage tune swiglu -D T=bf16 --shape "
                "4096x14336");
  return tune(options);
}

} // namespace

Action add_tune(CLI::App& app) {
  const auto options = std::make_shared<TuneOptionsText>();
  add_kernel_options(app, options->kernel);
  for (CLI::Option* option : app.get_options())
    option->required(false); // not with --export and --import
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  CLI::Option* shape = add("--shape", options->shape, "SIZES", "Shape, as in 4096x14336");
  add("--shapes", options->shapes, "LIST",
      "Several shapes: 1,16,128x14336 is three of 14336 columns")
      ->excludes(shape);
  add("--device", options->device, "ID", "cpu or cuda:N; default the first CUDA device, else cpu");
  add("--budget", options->budget, "TIME",
      "To spend on measuring each shape (default 400ms on CUDA, 2s on the CPU)");
  add("--report", options->html, "FILE", "Write a page of HTML: roofline, heat maps, records");
  app.add_flag("--verbose", options->verbose, "Show every candidate, and why it dropped out");
  app.add_flag("--force", options->force, "Measure however busy the device is");
  app.add_flag("--dry-run", options->dry_run, "Show what would be measured");
  CLI::Option* out =
      add("--export", options->export_to, "FILE", "Write the tuning records that hold to a file");
  add("--import", options->import_from, "FILE", "Take the tuning records of a file")->excludes(out);
  return [options] { return run_verb(*options); };
}

} // namespace swage::cli
