// tuner.cpp -- finds the fastest schedule of one kernel for calls of one size.
#include "runtime/tune/tuner.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "codegen/compiler.hpp"
#include "ir/float_environment.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/schedule_choice.hpp"
#include "runtime/measure/roofline.hpp"
#include "runtime/tune/candidates.hpp"
#include "runtime/tune/input.hpp"
#include "runtime/tune/race.hpp"
#include "runtime/tune/sampling.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

/// Searches of one process do not disturb each other's times.
std::mutex& one_at_a_time() {
  static std::mutex* const mutex = new std::mutex;
  return *mutex;
}

thread_local bool tuning = false;

/// This thread works for a search: in the search's context, and what it launches tunes nothing.
class TuningScope {
public:
  explicit TuningScope(cuda::ContextRef context) {
    if (context) {
      context_.emplace(context);
      relaxed_.emplace();
    }
  }
  TuningScope(const TuningScope&) = delete;
  TuningScope& operator=(const TuningScope&) = delete;
  ~TuningScope() { tuning = outer_; }

private:
  const bool outer_ = std::exchange(tuning, true); ///< one scope may lie within another
  std::optional<device::ContextScope> context_;
  std::optional<cuda::RelaxedCapture> relaxed_;
};

/// What memory gives. On a GPU it is measured on a thread of its own while code compiles, which
/// leaves the GPU alone; on the CPU the two would disturb each other, so it waits to be asked for.
std::future<double> measure_roofline(const DeviceState& device, cuda::ContextRef context,
                                     std::int64_t bytes) {
  const auto measure = [&device, context, bytes] {
    const TuningScope scope(context);
    return measure::measured_roofline(device, bytes);
  };
  if (context)
    try {
      return std::async(std::launch::async, measure);
    } catch (const std::system_error&) {
      // No thread to be had: when it is asked for, then.
    }
  return std::async(std::launch::deferred, measure);
}

/// Four times the cache, so that a set is long gone from it when its turn comes again; eight times
/// a GPU's, for each launch of a sample and those before it.
PoolSize pool_size(const DeviceState& device, std::int64_t bytes) {
  const std::int64_t cache = device.is_cuda() ? device.info.cache_bytes : device.limits.cache_bytes;
  const std::int64_t memory = std::max<std::int64_t>(device.info.memory_bytes, 1);
  return {measure::runs_in_cache(device, bytes)
              ? 1
              : std::max((device.is_cuda() ? 8 : 4) * cache, 2 * bytes),
          memory / 8};
}

void check_call(const KernelState& kernel, const launch::Call& call) {
  if (!kernel.schedule_text.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("kernel '{}' was made with the schedule '{}', which launches keep to; "
                            "make it without one to tune it",
                            kernel.name, kernel.schedule_text));
  if (call.empty)
    throw Error(ErrorCode::invalid_argument,
                "a call without elements cannot be tuned; pass at least one element");
}

TuningRecord record_of(const KernelState& kernel, const TuneReport& report) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {report.key,
          kernel.name,
          report.rows,
          report.columns,
          codegen::canonical(report.best),
          codegen::canonical(report.default_schedule),
          report.seconds,
          report.default_seconds,
          report.spread,
          report.bytes,
          report.roofline,
          report.measured,
          std::chrono::duration_cast<std::chrono::seconds>(now).count(),
          std::string(version())};
}

void tell(const KernelState& kernel, const TuneReport& report) {
  base::log(base::LogLevel::info,
            "tuned {} for {} elements on {}: {} takes {:.2f} us ({} {:.2f} us), {} candidates, "
            "{:.0f} ms to compile, {:.0f} ms to measure, {}",
            kernel.name, report.rows * report.columns, kernel.device->info.id,
            codegen::canonical(report.best), 1e6 * report.seconds,
            report.improved ? "the default" : "which is the default,", 1e6 * report.default_seconds,
            report.measured, 1e3 * report.compile_seconds, 1e3 * report.measure_seconds,
            report.stopped);
}

} // namespace

bool is_tuning() noexcept {
  return tuning;
}

Tuner::Tuner(const KernelState& kernel)
    : kernel_(kernel), context_(device::context_for(*kernel.device, nullptr)) {}

TuneReport Tuner::plan(std::span<const Arg> arguments) const {
  launch::Call call;
  kernel_.classify(arguments, call);
  check_call(kernel_, call);
  const DeviceState& device = *kernel_.device;
  const codegen::Specialization specialization = kernel_.specialization_of(call);
  TuneReport report;
  report.key = tuning_key(kernel_, call);
  report.rows = call.rows;
  report.columns = call.columns;
  report.bytes = launch::bytes_moved(kernel_.signature, call);
  report.in_cache = measure::runs_in_cache(device, report.bytes);
  report.default_schedule =
      launch::choose_schedule(kernel_.graph, specialization, call.key, device, "");
  report.best = report.default_schedule;
  for (codegen::Schedule& schedule : candidates({kernel_.graph, specialization, device.target,
                                                 call.elements(), device.info.compute_units},
                                                report.default_schedule))
    report.candidates.push_back({std::move(schedule)});
  return report;
}

void Tuner::measure(std::span<const Arg> arguments, const TunerOptions& options,
                    const CandidateCode& code, TuneReport& report) const {
  const DeviceState& device = *kernel_.device;
  const cuda::OwnedStream stream = context_ ? cuda::make_stream() : cuda::OwnedStream();
  auto start = base::Clock::now();
  ArgumentPool pool(kernel_, arguments, pool_size(device, report.bytes), stream.get());
  report.sets = pool.sets();
  Sampler sampler(kernel_, pool, stream.get());
  report.cached_sets = sampler.cached_sets();
  report.setup_seconds = base::seconds_since(start);

  start = base::Clock::now();
  const double left = kCudaWhole - report.compile_seconds - report.setup_seconds;
  const double usual = device.is_cuda() ? std::clamp(left, kCudaLeast, kCudaBudget) : kHostBudget;
  Race race(report, code, sampler, options, options.budget > 0 ? options.budget : usual);
  race.check_noise(device.is_cuda() ? kCudaNoiseLimit : kHostNoiseLimit);
  race.run();
  race.confirm();
  report.measure_seconds = base::seconds_since(start);
}

TuneReport Tuner::tune(std::span<const Arg> arguments, const TunerOptions& options) {
  const ir::DefaultFloatEnvironment environment;
  if (!codegen::compiler())
    throw Error(
        ErrorCode::unsupported,
        fmt::format("kernel '{}' cannot be tuned: candidates are compiled, and this program "
                    "has the runtime without the compiler; link swage::swage, and build what "
                    "it finds in with 'swage build --schedules'",
                    kernel_.name));
  TuneReport report = plan(arguments);
  launch::Call call;
  kernel_.classify(arguments, call);
  const std::lock_guard alone(one_at_a_time());
  const TuningScope scope(context_);

  const auto start = base::Clock::now();
  if (options.progress)
    options.progress(0, "compiling");
  CandidateCode& code = codes_
                            .try_emplace(report.key.specialization, kernel_,
                                         kernel_.specialization_of(call), context_)
                            .first->second;
  std::future<double> roofline = measure_roofline(*kernel_.device, context_, report.bytes);
  code.compile(report.candidates, kernel_.device->is_cuda() && options.budget == 0
                                      ? kCudaCompile
                                      : CompileQueue::kNoLimit);
  report.roofline = roofline.get();
  report.compile_seconds = base::seconds_since(start);
  measure(arguments, options, code, report);
  report.code = code.function(report.best).digest;
  tell(kernel_, report);

  kernel_.adopt(call, report.best, context_);
  if (options.record)
    tuning_records().add(record_of(kernel_, report));
  return report;
}

} // namespace swage::tune
