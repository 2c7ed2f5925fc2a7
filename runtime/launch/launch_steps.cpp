// launch_steps.cpp -- launches of kernels that are computed in steps.
#include "runtime/launch/launch_steps.hpp"

#include <array>
#include <exception>
#include <vector>

#include "runtime/device/context_scope.hpp"
#include "runtime/launch/context_guess.hpp"
#include "runtime/launch/reach.hpp"
#include "runtime/launch/step_calls.hpp"
#include "runtime/launch/workspace.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// Of steps that are launched at once; a kernel of more is launched by way of the heap.
constexpr std::size_t kMostAtOnce = 32;
using Plans = std::array<const LaunchPlan*, kMostAtOnce>;

/// Whether all steps have a plan; null for one that stores nothing.
bool find_plans(const WholeCall& whole, cuda::Context context, Plans& plans) {
  const std::size_t steps = whole.kernel.step_kernels.size();
  if (steps > plans.size())
    return false;
  for (std::size_t i = 0; i < steps; ++i) {
    const StepCall step(whole, i);
    plans[i] =
        step.call.empty ? nullptr : step.kernel.plans.find(PlanLookup{step.call.key, context});
    if (!step.call.empty && (!plans[i] || plans[i]->is_stale()))
      return false;
  }
  return true;
}

/// As KernelState::launch does. False where nothing was launched: some step has no plan yet, or the
/// context is another than was thought.
bool launch_at_once(const WholeCall& whole, cuda::StreamHandle stream, std::int64_t bytes) {
  const DeviceState& device = *whole.kernel.device;
  ContextGuess& guess = ContextGuess::of(device);
  Plans plans;
  // Any memory has the alignment of what stands for it, so the calls are of the same kinds.
  if (!find_plans(whole, guess.handle(), plans) || !guess.may_have(stream))
    return false;
  const Workspace workspace(whole.call.workspace, static_cast<std::size_t>(bytes),
                            device.has_memory_pools, stream);
  if (workspace.result() != cuda::Result::success)
    return false;
  WholeCall in_memory = whole;
  in_memory.memory = workspace.data();
  bool launched = false; // what ran must not run again
  for (std::size_t i = 0; i < whole.kernel.step_kernels.size(); ++i) {
    if (!plans[i])
      continue;
    const StepCall step(in_memory, i);
    const cuda::Result result = launch_cuda(*plans[i], step.kernel.signature, step.call, stream);
    if (result != cuda::Result::success && (launched || !cuda::is_about_context(result)))
      cuda::fail("cuLaunchKernelEx", result);
    if (result != cuda::Result::success)
      return false;
    launched = true;
  }
  return true;
}

/// The same on the CPU, whose memory the call has.
bool launch_at_once(const WholeCall& whole) {
  Plans plans;
  if (!find_plans(whole, nullptr, plans))
    return false;
  for (std::size_t i = 0; i < whole.kernel.step_kernels.size(); ++i)
    if (plans[i]) {
      const StepCall step(whole, i);
      launch_host(*plans[i], step.kernel.signature, step.call);
    }
  return true;
}

/// Steps with their plans, so that nothing is launched where one has none.
class PlannedSteps {
public:
  PlannedSteps(const StepCalls& steps, const codegen::Schedule* schedule,
               const cuda::ContextRef& context, cuda::StreamHandle stream)
      : steps_(steps.all()) {
    own_.reserve(steps_.size());
    if (schedule) {
      const StepCall& leading = steps.leading();
      codegen::check_schedule(*schedule, leading.kernel.graph,
                              leading.kernel.specialization_of(leading.call),
                              leading.kernel.device->target);
    }
    for (const auto& step : steps_) {
      const LaunchPlan* plan = nullptr;
      if (!step->call.empty && schedule)
        plan = &own_.emplace_back(
            step->kernel.plan_with(step->schedule_like(*schedule), step->call, context));
      else if (!step->call.empty)
        plan = &step->kernel.plan_of(step->call, step->arguments.span(), context, stream);
      plans_.push_back(plan);
    }
  }

  void launch(cuda::StreamHandle stream) const {
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (plans_[i])
        steps_[i]->kernel.launch(*plans_[i], steps_[i]->call, stream);
  }

private:
  std::span<const std::unique_ptr<const StepCall>> steps_;
  std::vector<LaunchPlan> own_; ///< with a schedule that is not that of launches
  std::vector<const LaunchPlan*> plans_;
};

/// Throws Error(invalid_argument) for memory of the call that kernels cannot reach. Looked at where
/// the first step has no plan yet, as KernelState::plan_of does for a kernel.
void check_reachable(const WholeCall& whole, const StepCalls& steps,
                     const cuda::ContextRef& context) {
  const StepCall& first = *steps.all().front();
  const LaunchPlan* plan = first.kernel.plans.find(PlanLookup{first.call.key, context.handle});
  if (!plan || !plan->is_for(context))
    launch::check_reachable(*whole.kernel.device, context, whole.kernel.signature, whole.call);
}

} // namespace

void launch_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                  const Tensor* valid_rows, cuda::StreamHandle stream,
                  const codegen::Schedule* schedule) {
  const DeviceState& device = *kernel.device;
  const std::int64_t bytes = step_bytes(kernel, call);
  WholeCall whole{kernel, call, arguments, valid_rows, call.workspace};
  if (!device.is_cuda()) {
    const HostWorkspace memory(bytes);
    whole.memory = memory.data();
    if (schedule || !launch_at_once(whole))
      PlannedSteps(StepCalls(whole), schedule, {}, stream).launch(stream);
    return;
  }
  if (!schedule && launch_at_once(whole, stream, bytes)) [[likely]]
    return;
  std::exception_ptr failure; // of a launch: what ran before it must not run again
  device::with_live_context(device, [&] {
    const cuda::ContextRef context = ContextGuess::of(device).find(device, stream);
    const device::ContextScope scope(context);
    const Workspace workspace(call.workspace, static_cast<std::size_t>(bytes),
                              device.has_memory_pools, stream);
    if (workspace.result() != cuda::Result::success)
      cuda::fail("cuMemAllocAsync", workspace.result());
    whole.memory = workspace.data();
    const StepCalls calls(whole);
    check_reachable(whole, calls, context);
    const PlannedSteps planned(calls, schedule, context, stream);
    try {
      planned.launch(stream);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  if (failure)
    std::rethrow_exception(failure);
}

void prepare_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                   const Tensor* valid_rows, bool has_memory) {
  const DeviceState& device = *kernel.device;
  const WholeCall whole{kernel, call, arguments, valid_rows};
  const StepCalls calls(whole);
  const auto plan = [&] {
    const cuda::ContextRef context = device::context_for(device, nullptr);
    if (device.is_cuda() && has_memory)
      check_reachable(whole, calls, context);
    PlannedSteps(calls, nullptr, context, nullptr);
  };
  if (device.is_cuda())
    device::with_live_context(device, plan);
  else
    plan();
}

} // namespace swage::launch
