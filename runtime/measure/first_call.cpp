// first_call.cpp -- what the stages of a first call take, cold and from a disk cache.
#include "runtime/measure/first_call.hpp"

#include <memory>

#include "runtime/base/clock.hpp"
#include "runtime/base/temporary_directory.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/functions/load.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/store/disk_cache.hpp"
#include "swage/error.hpp"

namespace swage::measure {

namespace {

/// A kernel and one call of it, as a first launch finds them, with the kernel's context current.
class FirstCall {
public:
  FirstCall(const Device& device, std::string_view source, std::string_view name,
            const std::vector<Binding>& bindings, const KernelOptions& options,
            std::span<const Arg> arguments)
      : start_(base::Clock::now()), kernel_(device.kernel(source, name, bindings, options)),
        parse_(base::seconds_since(start_)), state_(KernelAccess::state(kernel_)) {
    state_.classify(arguments, call_);
    if (call_.empty)
      throw Error(ErrorCode::invalid_argument,
                  "a call without elements has no first launch to time; pass at least one element");
    specialization_ = state_.specialization_of(call_);
    schedule_ = state_.schedule_of(call_);
    context_ = device::context_for(*state_.device, nullptr);
    if (context_)
      scope_.emplace(context_);
  }

  double parse() const { return parse_; } ///< seconds that making the kernel took
  const cuda::ContextRef& context() const { return context_; }

  functions::CompileRequest request() const {
    return {state_.graph, state_.line, specialization_, schedule_, *state_.device};
  }
  /// Seconds of the launch alone; waits for it afterwards.
  double launch(const Device& device,
                std::shared_ptr<const device::LoadedFunction> function) const {
    const launch::LaunchPlan plan = launch::make_plan(state_.graph, specialization_, schedule_,
                                                      *state_.device, std::move(function));
    const auto start = base::Clock::now();
    state_.launch(plan, call_, nullptr);
    const double seconds = base::seconds_since(start);
    device.synchronize();
    return seconds;
  }

private:
  const base::Clock::time_point start_;
  const Kernel kernel_;
  const double parse_;
  const KernelState& state_;
  cuda::ContextRef context_;
  launch::Call call_;
  codegen::Specialization specialization_;
  codegen::Schedule schedule_;
  std::optional<device::ContextScope> scope_;
};

} // namespace

FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments) {
  const FirstCall call(device, source, name, bindings, options, arguments);
  functions::LoadTimes load;
  auto function = functions::load_uncached(call.request(), call.context(), &load);
  return {.parse = call.parse(),
          .lower = load.compile.lower,
          .optimise = load.compile.optimise,
          .emit = load.compile.emit,
          .assemble = load.assemble,
          .load = load.load,
          .launch = call.launch(device, std::move(function))};
}

std::optional<WarmCallTimes> time_warm_call(const Device& device, std::string_view source,
                                            std::string_view name,
                                            const std::vector<Binding>& bindings,
                                            const KernelOptions& options,
                                            std::span<const Arg> arguments) {
  const base::TemporaryDirectory directory;
  if (directory.path().empty())
    return std::nullopt;
  store::CacheSettings settings;
  settings.directory = directory.path() + "/cache";
  const auto silent = [](std::string_view) {};
  {
    const FirstCall call(device, source, name, bindings, options, arguments);
    store::DiskCache(settings, silent).publish(functions::native_entry(call.request()));
  }
  const FirstCall call(device, source, name, bindings, options, arguments);
  const functions::CompileRequest request = call.request();
  auto start = base::Clock::now();
  const auto entry =
      store::DiskCache(settings, silent)
          .find(functions::native_key(functions::cache_key(request), request.device));
  if (!entry)
    return std::nullopt;
  const double read = base::seconds_since(start);
  start = base::Clock::now();
  auto function = functions::load_entry(request.device, *entry, call.context());
  const double load = base::seconds_since(start);
  return WarmCallTimes{call.parse(), read, load, call.launch(device, std::move(function))};
}

} // namespace swage::measure
