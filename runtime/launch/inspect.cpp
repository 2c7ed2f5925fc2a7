// inspect.cpp -- what stands behind a public kernel and a call of it, and launches with a schedule
// of their own.
#include "runtime/launch/inspect.hpp"

#include <optional>

#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"

namespace swage::launch {

const ir::Kernel& ir_kernel(const Kernel& kernel) {
  return KernelAccess::state(kernel).graph;
}

const codegen::Target& target(const Device& device) {
  return DeviceAccess::state(device)->target;
}

CallDescription describe(const Kernel& kernel, std::span<const Arg> arguments,
                         const Tensor* valid_rows) {
  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call, valid_rows);
  CallDescription result;
  if (call.empty)
    return result;
  result.specialization = state.specialization_of(call);
  result.schedule = state.schedule_of(call);
  result.rows = call.rows;
  result.columns = call.columns;
  result.bytes = bytes_moved(state.signature, call);
  return result;
}

namespace {

/// A call and its plan with `schedule`; no plan for a call without elements.
struct ScheduledCall {
  Call call;
  std::optional<LaunchPlan> plan;

  ScheduledCall(const KernelState& state, const codegen::Schedule& schedule,
                std::span<const Arg> arguments, const Tensor* valid_rows,
                cuda::StreamHandle stream) {
    state.classify(arguments, call, valid_rows);
    if (call.empty)
      return;
    codegen::check_schedule(schedule, state.graph, state.specialization_of(call),
                            state.device->target);
    plan = state.plan_with(schedule, call, device::context_for(*state.device, stream));
  }
};

} // namespace

void launch_with(const Kernel& kernel, const codegen::Schedule& schedule, Stream stream,
                 std::span<const Arg> arguments, const Tensor* valid_rows) {
  const KernelState& state = KernelAccess::state(kernel);
  const auto handle = static_cast<cuda::StreamHandle>(stream.handle);
  const ScheduledCall scheduled(state, schedule, arguments, valid_rows, handle);
  if (scheduled.plan)
    state.launch(*scheduled.plan, scheduled.call, handle);
}

} // namespace swage::launch
