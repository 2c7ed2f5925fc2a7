// inspect.cpp -- what stands behind a public kernel and a call of it, and launches with a schedule
// of their own.
#include "runtime/launch/inspect.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include <stdlib.h>

#include "ir/source.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/cuda/module.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/functions/function_cache.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/store/disk_cache.hpp"
#include "swage/error.hpp"

namespace swage::launch {

const ir::Kernel& ir_kernel(const Kernel& kernel) {
  return KernelAccess::state(kernel).graph;
}

const codegen::Target& target(const Device& device) {
  return DeviceAccess::state(device)->target;
}

CallDescription describe(const Kernel& kernel, std::span<const Arg> arguments) {
  const KernelState& state = KernelAccess::state(kernel);
  Call call;
  state.classify(arguments, call);
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
  const LaunchPlan plan =
      state.plan_with(schedule, call, device::context_for(*state.device, handle));
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
  state.plan_with(schedule, call, device::context_for(*state.device, nullptr));
}

} // namespace swage::launch
