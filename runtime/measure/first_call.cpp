// first_call.cpp -- what the stages of a first call take, cold and from a disk cache.
#include "runtime/measure/first_call.hpp"

#include <memory>

#include "runtime/base/clock.hpp"
#include "runtime/base/temporary_directory.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/functions/load.hpp"
#include "runtime/launch/step_calls.hpp"
#include "runtime/launch/workspace.hpp"
#include "runtime/store/disk_cache.hpp"
#include "swage/error.hpp"

namespace swage::measure {

namespace {

/// A kernel and one call of it, as a first launch finds them, with the kernel's context current. A
/// kernel that is computed in steps has a launch for each.
class FirstCall {
public:
  FirstCall(const Device& device, std::string_view source, std::string_view name,
            const std::vector<Binding>& bindings, const KernelOptions& options,
            std::span<const Arg> arguments)
      : start_(base::Clock::now()), kernel_(device.kernel(source, name, bindings, options)),
        parse_(base::seconds_since(start_)), state_(KernelAccess::state(kernel_)) {
    auto call = std::make_unique<launch::Call>();
    state_.classify(arguments, *call);
    if (call->empty)
      throw Error(ErrorCode::invalid_argument,
                  "a call without elements has no first launch to time; pass at least one element");
    context_ = device::context_for(*state_.device, nullptr);
    if (context_)
      scope_.emplace(context_);
    if (!state_.has_steps()) {
      add(state_, std::move(call));
      return;
    }
    const launch::StepCalls steps({state_, *call, arguments, nullptr, step_memory(*call)});
    for (const auto& step : steps.all())
      add(step->kernel, std::make_unique<launch::Call>(step->call));
  }

  double parse() const { return parse_; } ///< seconds that making the kernel took
  const cuda::ContextRef& context() const { return context_; }

  std::size_t launches() const { return launches_.size(); }
  functions::CompileRequest request(std::size_t number) const {
    const Launch& each = launches_[number];
    return {each.kernel.graph, each.kernel.line, each.specialization, each.schedule,
            *state_.device};
  }
  /// Seconds of the launches alone; waits for them afterwards.
  double launch(const Device& device,
                std::span<const std::shared_ptr<const device::LoadedFunction>> functions) const {
    std::vector<launch::LaunchPlan> plans;
    for (std::size_t i = 0; i < launches(); ++i)
      plans.push_back(launch::make_plan(launches_[i].kernel.graph, launches_[i].specialization,
                                        launches_[i].schedule, *state_.device, functions[i]));
    const auto start = base::Clock::now();
    for (std::size_t i = 0; i < launches(); ++i)
      launches_[i].kernel.launch(plans[i], *launches_[i].call, nullptr);
    const double seconds = base::seconds_since(start);
    device.synchronize();
    return seconds;
  }

private:
  struct Launch {
    const KernelState& kernel;
    std::unique_ptr<launch::Call> call;
    codegen::Specialization specialization;
    codegen::Schedule schedule;
  };

  void add(const KernelState& kernel, std::unique_ptr<launch::Call> call) {
    codegen::Specialization specialization = kernel.specialization_of(*call);
    codegen::Schedule schedule = kernel.schedule_of(*call);
    launches_.push_back({kernel, std::move(call), std::move(specialization), schedule});
  }

  void* step_memory(const launch::Call& call) {
    const std::int64_t bytes = launch::step_bytes(state_, call);
    if (!context_)
      return host_memory_.emplace(bytes).data();
    memory_ = cuda::allocate(static_cast<std::size_t>(bytes));
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(memory_.get()));
  }

  const base::Clock::time_point start_;
  const Kernel kernel_;
  const double parse_;
  const KernelState& state_;
  cuda::ContextRef context_;
  std::optional<device::ContextScope> scope_;
  cuda::OwnedMemory memory_; ///< of steps
  std::optional<launch::HostWorkspace> host_memory_;
  std::vector<Launch> launches_;
};

using Functions = std::vector<std::shared_ptr<const device::LoadedFunction>>;

} // namespace

FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments) {
  const FirstCall call(device, source, name, bindings, options, arguments);
  FirstCallTimes times{.parse = call.parse()};
  Functions functions;
  for (std::size_t i = 0; i < call.launches(); ++i) {
    functions::LoadTimes load;
    functions.push_back(functions::load_uncached(call.request(i), call.context(), &load));
    times.lower += load.compile.lower;
    times.optimise += load.compile.optimise;
    times.emit += load.compile.emit;
    times.assemble += load.assemble;
    times.load += load.load;
  }
  times.launch = call.launch(device, functions);
  return times;
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
    store::DiskCache cache(settings, silent);
    for (std::size_t i = 0; i < call.launches(); ++i)
      cache.publish(functions::native_entry(call.request(i)));
  }
  const FirstCall call(device, source, name, bindings, options, arguments);
  WarmCallTimes times{.parse = call.parse()};
  Functions functions;
  auto start = base::Clock::now();
  store::DiskCache cache(settings, silent);
  for (std::size_t i = 0; i < call.launches(); ++i) {
    const functions::CompileRequest request = call.request(i);
    const auto entry =
        cache.find(functions::native_key(functions::cache_key(request), request.device));
    if (!entry)
      return std::nullopt;
    times.read += base::seconds_since(start);
    start = base::Clock::now();
    functions.push_back(functions::load_entry(request.device, *entry, call.context()));
    times.load += base::seconds_since(start);
    start = base::Clock::now();
  }
  times.launch = call.launch(device, functions);
  return times;
}

} // namespace swage::measure
