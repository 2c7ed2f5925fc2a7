// session.cpp -- the values that a call is made of, and launches with a schedule of their own.
#include "runtime/session.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include <stdlib.h>

#include "ir/source.hpp"
#include "runtime/cache/disk_cache.hpp"
#include "runtime/cuda/module.hpp"
#include "runtime/function_cache.hpp"
#include "runtime/kernel.hpp"
#include "swage/error.hpp"

namespace swage::runtime {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

} // namespace

std::int64_t bytes_moved(const Signature& signature, const Call& call) {
  std::int64_t bytes = 0;
  for (const std::uint8_t param : signature.tensors) {
    const ParamInfo& info = signature.params[param];
    const std::int64_t elements = info.broadcast == ir::Broadcast::per_row      ? call.rows
                                  : info.broadcast == ir::Broadcast::per_column ? call.columns
                                  : info.broadcast == ir::Broadcast::per_tensor ? 1
                                  : info.group > 0 ? call.elements() / info.group
                                                   : call.elements();
    bytes += elements * size_of(info.dtype) * (int{info.is_read} + int{info.is_written});
  }
  return bytes;
}

const ir::Kernel& ir_kernel(const Kernel& kernel) {
  return KernelAccess::state(kernel).graph;
}

const codegen::Target& target(const Device& device) {
  return DeviceAccess::state(device)->target;
}

CallPlan plan(const Kernel& kernel, std::span<const Arg> arguments) {
  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call);
  CallPlan result;
  if (call.empty)
    return result;
  result.specialization = state.specialization_of(call);
  result.schedule = state.schedule_of(call);
  result.rows = call.rows;
  result.columns = call.columns;
  result.bytes = bytes_moved(state.signature, call);
  return result;
}

void launch_with(const Kernel& kernel, const codegen::Schedule& schedule, Stream stream,
                 std::span<const Arg> arguments) {
  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call);
  if (call.empty)
    return;
  codegen::check_schedule(schedule, state.graph, state.specialization_of(call),
                          state.device->target);
  const auto handle = static_cast<cuda::StreamHandle>(stream.handle);
  const LaunchPlan plan = state.plan_with(schedule, call, context_for(*state.device, handle));
  state.launch(plan, call, handle);
}

void prepare_with(const Kernel& kernel, const codegen::Schedule& schedule,
                  std::span<const Arg> arguments) {
  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call);
  if (call.empty)
    return;
  codegen::check_schedule(schedule, state.graph, state.specialization_of(call),
                          state.device->target);
  state.plan_with(schedule, call, context_for(*state.device, nullptr));
}

namespace {

/// A kernel and one call of it, as a first launch finds them, with the kernel's context current.
class FirstCall {
public:
  FirstCall(const Device& device, std::string_view source, std::string_view name,
            const std::vector<Binding>& bindings, const KernelOptions& options,
            std::span<const Arg> arguments)
      : start_(Clock::now()), kernel_(device.kernel(source, name, bindings, options)),
        parse_(seconds_since(start_)), state_(KernelAccess::state(kernel_)) {
    state_.classify(arguments, call_);
    if (call_.empty)
      throw Error(ErrorCode::invalid_argument,
                  "a call without elements has no first launch to time; pass at least one element");
    specialization_ = state_.specialization_of(call_);
    schedule_ = state_.schedule_of(call_);
    context_ = context_for(*state_.device, nullptr);
    if (context_)
      scope_.emplace(context_);
  }

  double parse() const { return parse_; } ///< seconds that making the kernel took
  const cuda::ContextRef& context() const { return context_; }

  CompileRequest request() const {
    return {state_.graph, state_.line, specialization_, schedule_, *state_.device};
  }
  /// Seconds of the launch alone; waits for it afterwards.
  double launch(const Device& device, std::shared_ptr<const LoadedFunction> function) const {
    const LaunchPlan plan =
        make_plan(state_.graph, specialization_, schedule_, *state_.device, std::move(function));
    const auto start = Clock::now();
    state_.launch(plan, call_, nullptr);
    const double seconds = seconds_since(start);
    device.synchronize();
    return seconds;
  }

private:
  const Clock::time_point start_;
  const Kernel kernel_;
  const double parse_;
  const KernelState& state_;
  cuda::ContextRef context_;
  Call call_;
  codegen::Specialization specialization_;
  codegen::Schedule schedule_;
  std::optional<ContextScope> scope_;
};

/// A directory of its own, removed with all in it. Empty where none can be made.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    std::error_code error;
    path_ = (std::filesystem::temp_directory_path(error) / "swage-XXXXXX").string();
    if (error || ::mkdtemp(path_.data()) == nullptr)
      path_.clear();
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty())
      std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

} // namespace

FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments) {
  const FirstCall call(device, source, name, bindings, options, arguments);
  LoadTimes load;
  auto function = load_uncached(call.request(), call.context(), &load);
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
  const TemporaryDirectory directory;
  if (directory.path().empty())
    return std::nullopt;
  CacheSettings settings;
  settings.directory = directory.path() + "/cache";
  const auto silent = [](std::string_view) {};
  {
    const FirstCall call(device, source, name, bindings, options, arguments);
    DiskCache(settings, silent).publish(native_entry(call.request()));
  }
  const FirstCall call(device, source, name, bindings, options, arguments);
  const CompileRequest request = call.request();
  auto start = Clock::now();
  const auto entry =
      DiskCache(settings, silent).find(native_key(cache_key(request), request.device));
  if (!entry)
    return std::nullopt;
  const double read = seconds_since(start);
  start = Clock::now();
  auto function = load_entry(request.device, *entry, call.context());
  const double load = seconds_since(start);
  return WarmCallTimes{call.parse(), read, load, call.launch(device, std::move(function))};
}

std::string assemble(const Device& device, const std::string& ptx) {
  const DeviceState& state = *DeviceAccess::state(device);
  if (!state.is_cuda())
    throw Error(ErrorCode::invalid_argument,
                "the CPU has no driver that assembles PTX; pass a CUDA device");
  const ContextScope scope(state);
  return cuda::assemble(ptx);
}

} // namespace swage::runtime
