// compile.cpp -- `swage compile`: a kernel in one of the forms it takes on its way to machine code.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/files.hpp"
#include "cli/kernel_text.hpp"
#include "cli/layout.hpp"
#include "cli/parameters.hpp"
#include "cli/verbs.hpp"
#include "codegen/compile.hpp"
#include "codegen/steps.hpp"
#include "ir/passes.hpp"
#include "runtime/device/assemble.hpp"

namespace swage::cli {

namespace {

struct CompileOptions {
  KernelOptionsText kernel;
  std::string emit, arch, schedule, layout, output;
  int step = 0; ///< of a kernel that is computed in steps; 0: all
};

/// Elements that the default schedule is chosen for: a size that memory, not the cache, holds.
constexpr std::int64_t kElements = std::int64_t{1} << 26;

constexpr const char* kForms = "source, ir, llvm, llvm-raw, ptx, cubin or asm";

/// The target of --arch; without it the host, or the first CUDA device for ptx and cubin.
codegen::Target choose_target(const CompileOptions& options) {
  if (!options.arch.empty())
    return codegen::target_from_name(options.arch);
  if (options.emit != "ptx" && options.emit != "cubin")
    return codegen::host_target();
  for (const Device& device : Device::all())
    if (device.info().kind == DeviceKind::cuda)
      return codegen::target_from_name(device.info().target);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("there is no CUDA device to make {} for{}", options.emit,
                          options.emit == "ptx" ? "; name one with --arch, as in --arch sm_90"
                                                : "; its driver is what makes it"));
}

codegen::Emit parse_form(std::string_view form, const codegen::Target& target) {
  const bool cuda = target.kind == codegen::Target::Kind::cuda;
  if (form == "llvm")
    return codegen::Emit::llvm_optimised;
  if (form == "llvm-raw")
    return codegen::Emit::llvm;
  if (((form == "ptx" || form == "cubin") && cuda) || (form == "asm" && !cuda))
    return codegen::Emit::assembly;
  if (form == "ptx" || form == "cubin")
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the host has no {}; use --emit asm, or an --arch such as sm_90", form));
  if (form == "asm")
    throw Error(ErrorCode::invalid_argument,
                fmt::format("sm_{} has no asm; use --emit ptx, or --arch host", target.sm));
  throw Error(ErrorCode::invalid_argument,
              fmt::format("'{}' is not a form to emit; there are {}", form, kForms));
}

/// The first CUDA device that runs machine code of this architecture.
Device device_of(const codegen::Target& target) {
  const std::string wanted = fmt::format("sm_{}", target.sm);
  std::vector<std::string> found;
  for (const Device& device : Device::all()) {
    if (device.info().kind != DeviceKind::cuda)
      continue;
    if (device.info().target == wanted)
      return device;
    found.push_back(fmt::format("{} ({})", device.info().id, device.info().target));
  }
  throw Error(
      ErrorCode::no_device,
      fmt::format("there is no {0} device whose driver could make a cubin; found {1}; use "
                  "the --arch of a device, or --emit ptx",
                  wanted,
                  found.empty() ? "no CUDA device" : fmt::format("{}", fmt::join(found, ", "))));
}

/// A cubin is bytes for a program, so it goes to a file that has a name.
void check_output(const CompileOptions& options) {
  if (options.emit == "cubin" && (options.output.empty() || options.output == "-"))
    throw Error(ErrorCode::invalid_argument,
                "a cubin is binary and is not printed; name a file with -o, as in -o kernel.cubin");
}

/// A compiled form with the values that decided it.
struct Emitted {
  std::string text;
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
};

/// `is_bound`: the kernel has the schedule asked for, or none.
Emitted emit_compiled(const CompileOptions& options, const ir::Kernel& kernel,
                      const std::string& layout, bool is_bound) {
  const codegen::Target target = choose_target(options);
  const codegen::Emit form = parse_form(options.emit, target);
  const codegen::Specialization specialization = parse_layout(layout, kernel);
  codegen::Schedule schedule = codegen::default_schedule(kernel, specialization, target, kElements);
  if (!options.schedule.empty())
    try {
      const codegen::Schedule asked = codegen::parse_schedule(options.schedule, schedule, kernel);
      codegen::check_schedule(asked, kernel, specialization, target);
      schedule = asked;
    } catch (const Error& error) {
      if (is_bound || error.code() != ErrorCode::invalid_argument)
        throw;
    }
  codegen::check_schedule(schedule, kernel, specialization, target);
  std::string text = codegen::emit_text(kernel, specialization, schedule, target, form);
  if (options.emit == "cubin")
    text = device::assemble(device_of(target), text);
  return {std::move(text),
          {{"target", codegen::canonical(target)},
           {"specialization", codegen::canonical(specialization, kernel)},
           {"schedule", codegen::canonical(schedule)}}};
}

/// Of a kernel that is computed in steps: one of them, or one after the other.
Emitted emit_steps(const CompileOptions& options, const codegen::Steps& all_steps) {
  const std::vector<codegen::Step>& steps = all_steps.steps;
  const auto emit_step = [&](const codegen::Step& step) {
    Emitted emitted = options.emit == "ir" ? Emitted{ir::print(step.kernel)}
                                           : emit_compiled(options, step.kernel,
                                                           layout_of_step(options.layout, step),
                                                           &step == &steps[all_steps.leading()]);
    emitted.object["kernel"] = step.kernel.name();
    return emitted;
  };
  if (options.step > 0)
    return emit_step(steps[static_cast<std::size_t>(options.step) - 1]);
  if (options.emit == "cubin")
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the kernel is computed in {} steps, each a cubin; name one, as in "
                            "--step 1",
                            steps.size()));
  Emitted all;
  for (const codegen::Step& step : steps) {
    Emitted each = emit_step(step);
    all.text += each.text + (each.text.ends_with('\n') ? "" : "\n");
    all.object["steps"].push_back(std::move(each.object));
  }
  return all;
}

Emitted emit(const CompileOptions& options) {
  const KernelText text = read_kernel(options.kernel);
  nlohmann::ordered_json object = {
      {"kernel", text.kernel}, {"file", text.file}, {"bindings", format_bindings(text.bindings)}};
  Emitted result;
  if (options.emit == "source") {
    if (options.step != 0)
      throw Error(ErrorCode::invalid_argument,
                  "--step is for what is compiled, and for --emit ir; a source has none");
    result.text = text.text;
  } else {
    const ir::Kernel kernel = bind_kernel(text);
    const codegen::Steps steps = codegen::make_steps(kernel);
    const auto count = static_cast<int>(steps.steps.size());
    if (options.step != 0 && (options.step < 0 || options.step > count))
      throw Error(ErrorCode::invalid_argument,
                  count == 0 ? fmt::format("--step {}: kernel '{}' is computed in one launch",
                                           options.step, kernel.name())
                             : fmt::format("--step {}: kernel '{}' is computed in {} steps",
                                           options.step, kernel.name(), count));
    if (count > 0 && (options.emit != "ir" || options.step > 0))
      result = emit_steps(options, steps);
    else if (options.emit == "ir")
      result.text = ir::print(kernel);
    else
      result = emit_compiled(options, kernel, options.layout, true);
    object["operations"] = operation_count(kernel);
  }
  if (options.emit != "cubin" && !result.text.ends_with('\n'))
    result.text += '\n';
  object["form"] = options.emit;
  object.update(result.object);
  return {std::move(result.text), std::move(object)};
}

Report compile(CompileOptions options) {
  if (options.emit.empty())
    options.emit = options.arch.empty() || options.arch == "host" ? "asm" : "ptx";
  check_output(options);
  Emitted emitted = emit(options);
  Report report;
  if (options.output.empty() || options.output == "-") {
    emitted.object["text"] = emitted.text;
    report.text = std::move(emitted.text);
  } else {
    write_file(options.output, [&](FileWriter& file) { file.write(emitted.text); });
    emitted.object["output"] = options.output;
  }
  report.object = dump_json(emitted.object);
  return report;
}

} // namespace

Action add_compile(CLI::App& app) {
  const auto options = std::make_shared<CompileOptions>();
  add_kernel_options(app, options->kernel);
  app.add_option("--emit", options->emit,
                 std::string(kForms) + "; default ptx or asm, as --arch has it")
      ->type_name("FORM");
  app.add_option("--arch", options->arch,
                 "sm_75 to sm_121, x86-64-v2, -v3 or -v4, aarch64, or host (the default)")
      ->type_name("ARCH");
  app.add_option("--schedule", options->schedule,
                 "As in \"threads=128 bytes=16\", over the default")
      ->type_name("KEYS");
  app.add_option("--layout", options->layout,
                 "flat (default), rows, strided, align=N, index64, exact, aliased, columns=N, "
                 "columns<=N, transposed=OUTPUT, valid_rows=COUNTS")
      ->type_name("WORDS");
  app.add_option("--step", options->step,
                 "Of a kernel that is computed in several steps, this one alone, from 1 on")
      ->type_name("N");
  app.add_option("-o,--output", options->output, "Write to a file")->type_name("FILE");
  return [options] { return compile(*options); };
}

} // namespace swage::cli
