// step_calls.cpp -- a call of a kernel that is computed in steps, as the calls of these.
#include "runtime/launch/step_calls.hpp"

#include <algorithm>

#include "runtime/launch/planned_call.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// Of one row: `stride` apart, or all the same.
Tensor row_of(void* data, DType type, std::int64_t columns, std::int64_t stride) {
  return {data, type, {1, columns}, {0, stride}};
}

/// What a step is given, and where.
class StepArguments {
public:
  StepArguments(const WholeCall& whole, const codegen::Step& step)
      : whole_(whole), step_(step), plan_(whole.kernel.steps), signature_(whole.kernel.signature),
        memory_(static_cast<std::byte*>(whole.memory ? whole.memory : planned_memory())) {}

  Arg operator()(const codegen::StepSource& source) const {
    if (source.kind == codegen::StepSource::Kind::value)
      return value(source.index);
    if (source.kind == codegen::StepSource::Kind::shape)
      return shape();
    const ParamInfo& param = signature_.params[source.index];
    if (!step_.of_columns || !param.is_tensor || param.broadcast == ir::Broadcast::table)
      return whole_.arguments[source.index];
    const TensorCall& tensor = whole_.call.tensors[param.tensor];
    if (param.broadcast == ir::Broadcast::per_column)
      return row_of(tensor.data, param.dtype, whole_.call.columns, tensor.column_stride);
    return Tensor(tensor.data, param.dtype, {1});
  }

  void* workspace() const noexcept {
    return memory_ + plan_.bytes(whole_.call.rows, whole_.call.columns);
  }

private:
  /// One value for all elements.
  Arg shape() const {
    if (step_.of_columns)
      return row_of(memory_, DType::f32, whole_.call.columns, 0);
    Tensor tensor = whole_.arguments[signature_.tensors[signature_.shape_of]].tensor();
    tensor.data = memory_;
    tensor.dtype = DType::f32;
    std::fill_n(tensor.strides, tensor.rank, 0);
    return tensor;
  }

  Arg value(std::size_t number) const {
    const codegen::StepValue& kind = plan_.values[number];
    void* data = memory_ + plan_.offset(number, whole_.call.rows, whole_.call.columns);
    if (kind.broadcast == ir::Broadcast::per_tensor)
      return Tensor(data, kind.type, {1});
    if (kind.broadcast == ir::Broadcast::per_row)
      return Tensor(data, kind.type, {whole_.call.rows});
    return step_.of_columns ? row_of(data, kind.type, whole_.call.columns, 1)
                            : Tensor(data, kind.type, {whole_.call.columns});
  }

  const WholeCall& whole_;
  const codegen::Step& step_;
  const codegen::Steps& plan_;
  const Signature& signature_;
  std::byte* const memory_;
};

} // namespace

StepCall::StepCall(const WholeCall& whole, std::size_t number)
    : kernel(*whole.kernel.step_kernels[number]),
      arguments(whole.kernel.steps.steps[number].sources.size()) {
  const codegen::Step& step = whole.kernel.steps.steps[number];
  const StepArguments given(whole, step);
  for (std::size_t i = 0; i < step.sources.size(); ++i)
    arguments.put(i, given(step.sources[i]));
  kernel.classify(arguments.span(), call, step.of_columns ? nullptr : whole.valid_rows);
  call.workspace = given.workspace();
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

StepCalls::StepCalls(const WholeCall& whole) : leading_(whole.kernel.steps.leading()) {
  for (std::size_t i = 0; i < whole.kernel.step_kernels.size(); ++i)
    calls_.push_back(std::make_unique<const StepCall>(whole, i));
}

std::int64_t step_bytes(const KernelState& kernel, const Call& call) noexcept {
  std::int64_t within = 0;
  for (const auto& step : kernel.step_kernels)
    if (const auto& plan = step->after_rows)
      within = std::max(within, codegen::cuda_workspace_bytes(*plan, call.rows, call.columns));
  return kernel.steps.bytes(call.rows, call.columns) + within;
}

} // namespace swage::launch
