// step_calls.cpp -- a call of a kernel that is computed in steps, as the calls of these.
#include "runtime/launch/step_calls.hpp"

#include <algorithm>
#include <exception>

#include "runtime/device/context_scope.hpp"
#include "runtime/launch/planned_call.hpp"
#include "runtime/launch/reach.hpp"
#include "runtime/launch/workspace.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// Of one row: `stride` apart, or all the same.
Tensor row_of(void* data, DType type, std::int64_t columns, std::int64_t stride) {
  return {data, type, {1, columns}, {0, stride}};
}

} // namespace

StepCalls::StepCalls(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                     const Tensor* valid_rows, void* memory)
    : kernel_(kernel), call_(call), arguments_(arguments),
      memory_(static_cast<std::byte*>(memory ? memory : planned_memory())) {
  const std::vector<codegen::Step>& steps = kernel.steps.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::vector<Arg> of_step;
    for (const codegen::StepSource& source : steps[i].sources)
      of_step.push_back(argument(steps[i], source));
    const Tensor* counts = steps[i].of_columns ? nullptr : valid_rows;
    StepCall& made = *calls_.emplace_back(std::make_unique<StepCall>(
        StepCall{*kernel.step_kernels[i], std::move(of_step), counts, {}}));
    made.kernel.classify(made.arguments, made.call, counts);
    made.call.workspace = memory_ + kernel.steps.bytes(call.rows, call.columns);
  }
}

Arg StepCalls::argument(const codegen::Step& step, const codegen::StepSource& source) const {
  if (source.kind == codegen::StepSource::Kind::value)
    return value_argument(step, source.index);
  if (source.kind == codegen::StepSource::Kind::shape)
    return shape_argument(step);
  const ParamInfo& param = kernel_.signature.params[source.index];
  if (!step.of_columns || !param.is_tensor || param.broadcast == ir::Broadcast::table)
    return arguments_[source.index];
  const TensorCall& tensor = call_.tensors[param.tensor];
  if (param.broadcast == ir::Broadcast::per_column)
    return row_of(tensor.data, param.dtype, call_.columns, tensor.column_stride);
  return Tensor(tensor.data, param.dtype, {1});
}

/// One value for all elements.
Arg StepCalls::shape_argument(const codegen::Step& step) const {
  if (step.of_columns)
    return row_of(memory_, DType::f32, call_.columns, 0);
  Tensor tensor = arguments_[kernel_.signature.tensors[kernel_.signature.shape_of]].tensor();
  tensor.data = memory_;
  tensor.dtype = DType::f32;
  std::fill_n(tensor.strides, tensor.rank, 0);
  return tensor;
}

Arg StepCalls::value_argument(const codegen::Step& step, std::size_t value) const {
  const codegen::StepValue& kind = kernel_.steps.values[value];
  void* data = memory_ + kernel_.steps.offset(value, call_.rows, call_.columns);
  if (kind.broadcast == ir::Broadcast::per_tensor)
    return Tensor(data, kind.type, {1});
  if (kind.broadcast == ir::Broadcast::per_row)
    return Tensor(data, kind.type, {call_.rows});
  return step.of_columns ? row_of(data, kind.type, call_.columns, 1)
                         : Tensor(data, kind.type, {call_.columns});
}

/// Where the first one has no plan yet, as KernelState::plan_of asks for a kernel.
void StepCalls::check_reachable(const cuda::ContextRef& context) const {
  const StepCall& first = *calls_.front();
  const LaunchPlan* plan = first.kernel.plans.find(PlanLookup{first.call.key, context.handle});
  if (!plan || !plan->is_for(context))
    launch::check_reachable(*kernel_.device, context, kernel_.signature, call_);
}

codegen::Schedule StepCall::schedule_like(const codegen::Schedule& schedule) const {
  try {
    codegen::check_schedule(schedule, kernel.graph, kernel.specialization_of(call),
                            kernel.device->target);
    return schedule;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument)
      throw;
    return kernel.schedule_of(call);
  }
}

std::int64_t step_bytes(const KernelState& kernel, const Call& call) noexcept {
  std::int64_t within = 0;
  for (std::size_t i = 0; i < kernel.step_kernels.size(); ++i)
    if (const auto& plan = kernel.step_kernels[i]->after_rows)
      within = std::max(within, codegen::cuda_workspace_bytes(*plan, call.rows, call.columns));
  return kernel.steps.bytes(call.rows, call.columns) + within;
}

namespace {

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
        plan = &step->kernel.plan_of(step->call, step->arguments, context, stream);
      plans_.push_back(plan);
    }
  }

  void launch(cuda::StreamHandle stream) const {
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (plans_[i])
        steps_[i]->kernel.launch(*plans_[i], steps_[i]->call, stream);
  }

private:
  std::span<const std::unique_ptr<StepCall>> steps_;
  std::vector<LaunchPlan> own_; ///< with a schedule that is not that of launches
  std::vector<const LaunchPlan*> plans_;
};

} // namespace

void launch_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                  const Tensor* valid_rows, cuda::StreamHandle stream,
                  const codegen::Schedule* schedule) {
  const DeviceState& device = *kernel.device;
  const std::int64_t bytes = step_bytes(kernel, call);
  if (!device.is_cuda()) {
    const HostWorkspace memory(bytes);
    const StepCalls calls(kernel, call, arguments, valid_rows, memory.data());
    return PlannedSteps(calls, schedule, {}, stream).launch(stream);
  }
  std::exception_ptr failure; // of a launch: what ran before it must not run again
  device::with_live_context(device, [&] {
    const cuda::ContextRef context = device::context_for(device, stream);
    const device::ContextScope scope(context);
    const Workspace workspace(call.workspace, static_cast<std::size_t>(bytes),
                              device.has_memory_pools, stream);
    if (workspace.result() != cuda::Result::success)
      cuda::fail("cuMemAllocAsync", workspace.result());
    const StepCalls calls(kernel, call, arguments, valid_rows, workspace.data());
    calls.check_reachable(context);
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
  const StepCalls calls(kernel, call, arguments, valid_rows);
  const auto plan = [&] {
    const cuda::ContextRef context = device::context_for(device, nullptr);
    if (device.is_cuda() && has_memory)
      calls.check_reachable(context);
    PlannedSteps(calls, nullptr, context, nullptr);
  };
  if (device.is_cuda())
    device::with_live_context(device, plan);
  else
    plan();
}

} // namespace swage::launch
