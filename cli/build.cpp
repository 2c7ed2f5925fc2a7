// build.cpp -- `swage build`: kernels compiled ahead, to link into a program.
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/build_image.hpp"
#include "cli/build_names.hpp"
#include "cli/build_source.hpp"
#include "cli/files.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "codegen/calling_convention.hpp"
#include "codegen/image_object.hpp"

namespace swage::cli {

namespace {

struct BuildOptions {
  std::vector<std::string> kernels, archs = {"host"}, defines, only;
  std::string math, layouts = "usual", schedules, assembler = "auto", output;
  bool source = false;
};

/// "T=f32,bf16" to T=f32 and T=bf16.
std::vector<std::string> values_of(const std::string& define) {
  const std::size_t equals = std::min(define.find('='), define.size());
  std::vector<std::string> values;
  for (std::size_t at = equals; at < define.size();) {
    const std::size_t end = std::min(define.find(',', at + 1), define.size());
    values.push_back(define.substr(0, equals) + '=' + define.substr(at + 1, end - at - 1));
    at = end;
  }
  return values.empty() ? std::vector{define} : values;
}

bool declares(const ir::KernelDeclaration& kernel, std::string_view name) {
  return std::ranges::find(kernel.generics, name) != kernel.generics.end() ||
         std::ranges::any_of(kernel.constants, [&](const auto& c) { return c.name == name; });
}

/// Every choice of one value a define, of those that `kernel` declares.
std::vector<std::vector<std::string>> define_sets(const BuildOptions& options,
                                                  const ir::KernelDeclaration& kernel) {
  std::vector<std::vector<std::string>> sets(1);
  for (const std::string& define : options.defines) {
    if (!declares(kernel, define.substr(0, define.find('='))))
      continue;
    std::vector<std::vector<std::string>> longer;
    for (const std::vector<std::string>& set : sets)
      for (const std::string& value : values_of(define)) {
        longer.push_back(set);
        longer.back().push_back(value);
      }
    sets = std::move(longer);
  }
  return sets;
}

/// The kernels that are meant, each with its bindings; `graphs` receives them bound.
class Inputs {
public:
  explicit Inputs(const BuildOptions& options) : options_(options) {
    for (const std::string& what : options.kernels)
      add(what);
    for (const std::string& define : options.defines)
      if (std::ranges::none_of(seen_, [&](const auto& kernel) {
            return declares(kernel, define.substr(0, define.find('=')));
          }))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("-D {}: none of the kernels has such a type or constant", define));
    for (const std::string& name : options.only)
      if (std::ranges::none_of(built, [&](const auto& b) { return b.text.kernel == name; }))
        throw Error(ErrorCode::invalid_argument, fmt::format("there is no kernel '{}'", name));
  }

  std::vector<BuiltKernel> built;
  std::vector<ir::Kernel> graphs;

private:
  void add(const std::string& what) {
    KernelOptionsText text;
    text.what = what;
    const KernelText program = read_program(text);
    for (const ir::KernelDeclaration& declared : program.declared) {
      const bool is_meant =
          program.from_catalogue
              ? declared.name == what
              : options_.only.empty() ||
                    std::ranges::find(options_.only, declared.name) != options_.only.end();
      if (is_meant)
        add(what, declared);
    }
  }

  void add(const std::string& what, const ir::KernelDeclaration& declared) {
    for (const BuiltKernel& other : built)
      if (other.text.kernel == declared.name)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("two kernels are named '{}'; build them apart", declared.name));
    seen_.push_back(declared);
    KernelOptionsText text;
    text.what = what;
    text.kernel = declared.name;
    text.math = options_.math;
    std::vector<std::vector<Binding>> sets;
    KernelText first;
    for (const std::vector<std::string>& set : define_sets(options_, declared)) {
      text.defines = set;
      KernelText bound = read_kernel(text);
      graphs.push_back(bind_kernel(bound));
      sets.push_back(bound.bindings);
      if (sets.size() == 1)
        first = std::move(bound);
    }
    const ir::Kernel& kernel = graphs[graphs.size() - sets.size()];
    built.push_back({std::move(first), std::move(sets), kernel});
  }

  const BuildOptions& options_;
  std::vector<ir::KernelDeclaration> seen_;
};

std::string machine_code(const BuiltImage& image, const Assembler& assembler,
                         const std::vector<BuildTarget>& targets) {
  if (std::ranges::none_of(targets, [](const BuildTarget& target) {
        return target.target.kind == codegen::Target::Kind::cuda;
      }))
    return "";
  return image.with_machine_code > 0
             ? fmt::format("; PTX, and machine code by {}", assembler.name())
             : "; PTX alone, which the driver assembles when a kernel is first launched";
}

Report build(const BuildOptions& options) {
  const std::string name = output_identifier(options.output);
  const Assembler assembler(options.assembler);
  const std::vector<BuildTarget> targets = build_targets(options.archs);
  const codegen::HostLevel& level =
      options.source ? codegen::native_levels().front() : object_level(targets);
  const Inputs inputs(options);
  if (inputs.built.empty())
    throw Error(ErrorCode::invalid_argument, "there is no kernel to build");
  BuildRecords records =
      options.schedules.empty() ? BuildRecords() : BuildRecords(options.schedules);
  const BuiltImage image = build_image(inputs.graphs, targets, options.layouts, records, assembler);

  const std::string code = options.output + (options.source ? ".c" : ".o");
  const std::string header = options.output + ".hpp";
  write_file(code, [&](FileWriter& file) {
    file.write(options.source ? image_source(image.bytes, name)
                              : codegen::image_object(image.bytes, "swage_kernels_" + name, level));
  });
  const std::string c_header = options.output + ".h";
  write_file(header, [&](FileWriter& file) { file.write(image_header(inputs.built, name)); });
  write_file(c_header, [&](FileWriter& file) { file.write(image_c_header(inputs.built, name)); });

  std::vector<std::string> target_names;
  for (const BuildTarget& target : targets)
    target_names.push_back(target.name);
  Report report;
  report.text =
      fmt::format("wrote {}, {} and {}: {} kernels, {} kinds of call, {} functions, {}, for {}{}\n",
                  code, header, c_header, inputs.graphs.size(), image.variants, image.codes,
                  format_bytes(static_cast<std::int64_t>(image.bytes.size())),
                  fmt::join(target_names, ", "), machine_code(image, assembler, targets));
  if (records.size() > 0)
    report.text += fmt::format("used {} of {} tuning records\n", records.used(), records.size());
  report.object = dump_json({{"output", code},
                             {"header", header},
                             {"c_header", c_header},
                             {"kernels", inputs.graphs.size()},
                             {"variants", image.variants},
                             {"functions", image.codes},
                             {"with_machine_code", image.with_machine_code},
                             {"bytes", image.bytes.size()},
                             {"records_used", records.used()},
                             {"calling_convention", codegen::kCallingConvention},
                             {"targets", target_names}});
  return report;
}

} // namespace

Action add_build(CLI::App& app) {
  const auto options = std::make_shared<BuildOptions>();
  app.add_option("kernels", options->kernels, "Kernels of the catalogue, and files of kernels")
      ->type_name("NAME|FILE...")
      ->required();
  app.add_option("--kernel", options->only, "This kernel of a file alone; may be repeated")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option(
         "-D,--define", options->defines,
         "Bind a type or constant, as in -D T=bf16; several values as in -D T=f32,bf16 build "
         "each")
      ->type_name("NAME=VALUES")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--math", options->math, "accurate, triton, fast or torch")->type_name("MODE");
  app.add_option("--arch", options->archs,
                 "sm_75 to sm_121, x86-64-v2, -v3 or -v4, aarch64, or host for every level of this "
                 "machine's architecture (the default); separated by commas")
      ->type_name("ARCHS")
      ->delimiter(',');
  app.add_option("--layouts", options->layouts,
                 "Kinds of call, each in the words of --layout of 'swage compile', separated by "
                 "semicolons; usual (the default) serves every call without valid_rows")
      ->type_name("LAYOUTS");
  app.add_option("--schedules", options->schedules, "Tuning records whose schedules to use")
      ->type_name("FILE");
  app.add_option(
         "--assembler", options->assembler,
         "Who makes machine code of PTX: auto (the default), ptxas, driver, none, or the path "
         "of a ptxas")
      ->type_name("WHO");
  app.add_flag("--source", options->source, "Write C source in place of an object");
  app.add_option("-o,--output", options->output,
                 "Path without its end: PREFIX.o, PREFIX.hpp and PREFIX.h")
      ->type_name("PREFIX")
      ->required();
  return [options] { return build(*options); };
}

} // namespace swage::cli
