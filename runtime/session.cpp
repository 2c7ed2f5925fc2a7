// session.cpp -- the values that a call is made of, and launches with a schedule of their own.
#include "runtime/session.hpp"

#include <chrono>
#include <optional>

#include "ir/source.hpp"
#include "runtime/cuda_module.hpp"
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
  if (call.elements() == 0)
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
  if (call.elements() == 0)
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
  if (call.elements() == 0)
    return;
  codegen::check_schedule(schedule, state.graph, state.specialization_of(call),
                          state.device->target);
  state.plan_with(schedule, call, context_for(*state.device, nullptr));
}

FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments) {
  FirstCallTimes times;
  auto start = Clock::now();
  const Kernel kernel = device.kernel(source, name, bindings, options);
  times.parse = seconds_since(start);

  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call);
  if (call.elements() == 0)
    throw Error(ErrorCode::invalid_argument,
                "a call without elements has no first launch to time; pass at least one element");
  const codegen::Specialization specialization = state.specialization_of(call);
  const codegen::Schedule schedule = state.schedule_of(call);
  const cuda::Context context = context_for(*state.device, nullptr);
  std::optional<ContextScope> scope;
  if (context)
    scope.emplace(context);
  LoadTimes load;
  const LaunchPlan plan =
      make_plan(state.graph, specialization, schedule, *state.device,
                load_uncached({state.graph, state.line, specialization, schedule, *state.device},
                              context, load));
  times.lower = load.compile.lower;
  times.optimise = load.compile.optimise;
  times.emit = load.compile.emit;
  times.assemble = load.assemble;
  times.load = load.load;
  start = Clock::now();
  state.launch(plan, call, nullptr);
  times.launch = seconds_since(start);
  device.synchronize();
  return times;
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
