// build_image.cpp -- kernels compiled ahead for every kind of call, as one image.
#include "cli/build_image.hpp"

#include <deque>
#include <map>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "cli/build_layouts.hpp"
#include "cli/layout.hpp"
#include "codegen/compile.hpp"
#include "codegen/host_level.hpp"
#include "codegen/row_geometry.hpp"
#include "codegen/schedule.hpp"
#include "codegen/steps.hpp"
#include "ir/passes.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/embedded/image.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

using codegen::Schedule;
using codegen::Specialization;

/// Calls of 2^40 elements and more are as those.
constexpr int kLastSizeClass = 40;

/// One function to compile.
struct Job {
  const ir::Kernel* kernel;
  const BuildTarget* target;
  Specialization specialization;
  Schedule schedule;
  codegen::Artifact artifact{};
  std::string cubin{};
};

/// A run of size classes with one schedule.
struct Run {
  int first, last;
  Schedule schedule;
};

class Builder {
public:
  explicit Builder(const Assembler& assembler) : assembler_(assembler) {}

  void add_kernel(const ir::Kernel& kernel) {
    kernel_ = &kernel;
    image_.kernels.push_back({keep(kernel.name()), keep(ir::canonical(kernel))});
  }
  std::string_view line() const { return image_.kernels.back().line; }

  /// A kind of call of the last kernel, with tuned schedules by size class.
  void add(const BuildTarget& target, const Specialization& specialization,
           const std::map<int, std::string>& tuned) {
    const auto* host = target.target.kind == codegen::Target::Kind::host ? &target : nullptr;
    bool aliased = false;
    for (const codegen::TensorSpec& tensor : specialization.tensors)
      aliased |= tensor.aliased;
    add(target, specialization, tuned, false);
    // Large calls store past the cache, where nothing written was read.
    if (host && !aliased && !specialization.index64)
      add(target, specialization, tuned, true);
  }

  BuiltImage finish();

private:
  void add(const BuildTarget& target, const Specialization& specialization,
           const std::map<int, std::string>& tuned, bool streaming);
  std::optional<Run> portable(const Run& run, const BuildTarget& target,
                              const Specialization& specialization) const;
  std::vector<Run> runs(const BuildTarget& target, const Specialization& specialization,
                        const std::map<int, std::string>& tuned, bool streaming) const;
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  void compile(Job& job) const;

  const Assembler& assembler_;
  const ir::Kernel* kernel_ = nullptr;
  embedded::Image image_;
  std::deque<std::string> texts_; ///< what the image's views look at
  std::deque<Job> jobs_;          ///< in the order of the image's codes
  std::map<std::tuple<std::size_t, std::string, std::string, std::string>, std::uint32_t> numbers_;
};

std::vector<Run> Builder::runs(const BuildTarget& target, const Specialization& specialization,
                               const std::map<int, std::string>& tuned, bool streaming) const {
  std::vector<Run> result;
  for (int size = 0; size <= kLastSizeClass; ++size) {
    Schedule schedule =
        codegen::default_schedule(*kernel_, specialization, target.target, std::int64_t{1} << size);
    if (auto* host = std::get_if<codegen::HostSchedule>(&schedule))
      host->streaming = streaming;
    if (const std::string* text = nearest(tuned, size))
      schedule = codegen::parse_schedule(*text, schedule, *kernel_);
    codegen::check_schedule(schedule, *kernel_, specialization, target.target);
    if (!result.empty() && result.back().schedule == schedule)
      result.back().last = size;
    else
      result.push_back({size, size, schedule});
  }
  return result;
}

/// A run for GPUs that take the code and have smaller clusters, where `run` has larger ones.
std::optional<Run> Builder::portable(const Run& run, const BuildTarget& target,
                                     const Specialization& specialization) const {
  const auto* cuda = std::get_if<codegen::CudaSchedule>(&run.schedule);
  if (!cuda || !codegen::in_clusters(*kernel_, *cuda) ||
      codegen::row_blocks(*cuda) <= codegen::kPortableCluster)
    return std::nullopt;
  codegen::Target smaller = target.target;
  smaller.cluster = codegen::kPortableCluster;
  return Run{
      run.first, run.last,
      codegen::default_schedule(*kernel_, specialization, smaller, std::int64_t{1} << run.first)};
}

void Builder::add(const BuildTarget& target, const Specialization& specialization,
                  const std::map<int, std::string>& tuned, bool streaming) {
  const std::size_t kernel = image_.kernels.size() - 1;
  const std::string_view text = keep(codegen::canonical(specialization, *kernel_));
  std::vector<Run> all;
  for (const Run& run : runs(target, specialization, tuned, streaming)) {
    all.push_back(run); // of two that serve the first is taken
    if (auto smaller = portable(run, target, specialization))
      all.push_back(*std::move(smaller));
  }
  for (const Run& run : all) {
    const auto [found, fresh] = numbers_.try_emplace(
        {kernel, target.name, std::string(text), codegen::code_line(run.schedule)},
        static_cast<std::uint32_t>(jobs_.size()));
    if (fresh)
      jobs_.push_back({kernel_, &target, specialization, run.schedule});
    image_.variants.push_back(
        {static_cast<std::uint32_t>(kernel), found->second, static_cast<std::uint8_t>(run.first),
         static_cast<std::uint8_t>(run.last), text, keep(codegen::canonical(run.schedule))});
  }
}

void Builder::compile(Job& job) const {
  job.artifact =
      codegen::compile(*job.kernel, job.specialization, job.schedule, job.target->target);
  if (job.target->target.kind == codegen::Target::Kind::cuda)
    job.cubin = assembler_.assemble(job.artifact.payload, job.target->target);
}

BuiltImage Builder::finish() {
  base::parallel_ranges(static_cast<std::int64_t>(jobs_.size()), 1,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i)
                            compile(jobs_[static_cast<std::size_t>(i)]);
                        });
  BuiltImage built;
  // Different kinds of call often come to the same code.
  std::map<std::tuple<std::string_view, std::string_view>, std::uint32_t> same;
  std::vector<std::uint32_t> places;
  for (const Job& job : jobs_) {
    const auto [found, fresh] = same.try_emplace({job.target->name, job.artifact.payload},
                                                 static_cast<std::uint32_t>(image_.codes.size()));
    places.push_back(found->second);
    if (!fresh)
      continue;
    const bool is_cuda = job.target->target.kind == codegen::Target::Kind::cuda;
    const std::string_view payload = job.artifact.payload;
    image_.codes.push_back({job.target->name, job.artifact.entry,
                            job.artifact.waits_for_dependencies, job.artifact.has_totals,
                            job.artifact.stores_single_row, is_cuda ? payload : std::string_view(),
                            job.cubin, is_cuda ? std::string_view() : payload});
    built.with_machine_code += !job.cubin.empty();
  }
  for (embedded::ImageVariant& variant : image_.variants)
    variant.code = places[variant.code];
  built.variants = image_.variants.size();
  built.codes = image_.codes.size();
  built.bytes = embedded::encode(image_);
  return built;
}

} // namespace

std::vector<BuildTarget> build_targets(const std::vector<std::string>& names) {
  std::vector<BuildTarget> targets;
  const auto add = [&](std::string_view name) {
    for (const BuildTarget& target : targets)
      if (target.name == name)
        return;
    targets.push_back({std::string(name), codegen::target_from_name(name)});
  };
  for (const std::string& name : names) {
    if (name == "host")
      for (const codegen::HostLevel& level : codegen::native_levels())
        add(level.name);
    else
      add(name);
  }
  return targets;
}

const codegen::HostLevel& object_level(const std::vector<BuildTarget>& targets) {
  const codegen::HostLevel* chosen = nullptr;
  for (const BuildTarget& target : targets)
    if (const codegen::HostLevel* level = codegen::find_host_level(target.name)) {
      if (chosen && chosen->triple != level->triple)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("one object file is not for both {} and {}: build them apart, or "
                                "with --source, which the compiler of either takes",
                                chosen->name, level->name));
      if (!chosen)
        chosen = level;
    }
  return chosen ? *chosen : codegen::native_levels().front();
}

BuiltImage build_image(const std::vector<ir::Kernel>& kernels,
                       const std::vector<BuildTarget>& targets, const std::string& layouts,
                       BuildRecords& records, const Assembler& assembler) {
  Builder builder(assembler);
  std::deque<codegen::Steps> kept; // the builder looks at their kernels
  const auto add = [&](const ir::Kernel& kernel, const std::string& layouts_of_kernel) {
    builder.add_kernel(kernel);
    for (const BuildTarget& target : targets) {
      for (const BuildRecords::Tuned& tuned :
           records.of(kernel, std::string(builder.line()), target.target))
        builder.add(target, tuned.specialization, tuned.schedules);
      for (const Specialization& made : listed_layouts(layouts_of_kernel, kernel, target.target))
        builder.add(target, made, {});
    }
  };
  for (const ir::Kernel& kernel : kernels) {
    const codegen::Steps& steps = kept.emplace_back(codegen::make_steps(kernel));
    for (const codegen::Step& step : steps.steps)
      add(step.kernel, layout_of_step(layouts, step));
    if (steps.steps.empty())
      add(kernel, layouts);
  }
  return builder.finish();
}

} // namespace swage::cli
