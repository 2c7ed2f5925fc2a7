// inspect.cpp -- what stands behind a public kernel and a call of it, and launches with a schedule
// of their own.
#include "runtime/launch/inspect.hpp"

#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/launch/launch_steps.hpp"
#include "runtime/launch/step_calls.hpp"

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
  const auto describe_code = [&](const KernelState& of, const Call& of_code) {
    result.code = &of.graph;
    result.specialization = of.specialization_of(of_code);
    result.schedule = of.schedule_of(of_code);
  };
  if (state.has_steps()) {
    const StepCalls steps({state, call, arguments, valid_rows});
    describe_code(steps.leading().kernel, steps.leading().call);
  } else {
    describe_code(state, call);
  }
  result.rows = call.rows;
  result.columns = call.columns;
  result.bytes = bytes_moved(state.signature, call);
  return result;
}

void launch_with(const Kernel& kernel, const codegen::Schedule& schedule, Stream stream,
                 std::span<const Arg> arguments, const Tensor* valid_rows) {
  const KernelState& state = KernelAccess::state(kernel);
  const auto handle = static_cast<cuda::StreamHandle>(stream.handle);
  Call call;
  state.classify(arguments, call, valid_rows);
  if (call.empty)
    return;
  if (state.has_steps())
    return launch_steps(state, call, arguments, valid_rows, handle, &schedule);
  codegen::check_schedule(schedule, state.graph, state.specialization_of(call),
                          state.device->target);
  const cuda::ContextRef context = device::context_for(*state.device, handle);
  state.launch(state.plan_with(schedule, call, context), call, handle);
}

} // namespace swage::launch
