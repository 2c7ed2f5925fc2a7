// kernel.cpp -- the public C++ API: what a Kernel does.
#include "runtime/launch/kernel.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "codegen/own_stack.hpp"
#include "ir/passes.hpp"
#include "runtime/api/named_arguments.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/launch_steps.hpp"
#include "runtime/launch/planned_call.hpp"
#include "runtime/launch/step_calls.hpp"
#include "runtime/tune/tuner.hpp"

namespace swage {

using launch::Call;

namespace {

void prepare(const KernelState& state, const Call& call, std::span<const Arg> arguments,
             const Tensor* counts = nullptr,
             KernelState::Memory memory = KernelState::Memory::of_call) {
  if (call.empty)
    return;
  if (state.has_steps()) {
    launch::prepare_steps(state, call, arguments, counts, memory == KernelState::Memory::of_call);
    return;
  }
  const DeviceState& device = *state.device;
  const auto plan = [&] {
    state.plan_of(call, arguments, device::context_for(device, nullptr), nullptr, memory);
  };
  if (device.is_cuda())
    device::with_live_context(device, plan);
  else
    plan();
}

void launch_call(const KernelState& state, const Call& call, std::span<const Arg> arguments,
                 const Tensor* counts, Stream stream) {
  const auto handle = static_cast<cuda::StreamHandle>(stream.handle);
  if (call.empty)
    return;
  if (state.has_steps()) [[unlikely]]
    return launch::launch_steps(state, call, arguments, counts, handle);
  state.launch(call, arguments, handle);
}

} // namespace

void Kernel::launch(Stream stream, std::span<const Arg> arguments) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  state.classify(arguments, call);
  launch_call(state, call, arguments, nullptr, stream);
}

namespace {

const Tensor* counts_of(const LaunchOptions& options) {
  return options.valid_rows ? &*options.valid_rows : nullptr;
}

std::size_t workspace_of(const KernelState& state, const Call& call) {
  if (call.empty)
    return 0;
  if (state.has_steps())
    return state.device->is_cuda() ? static_cast<std::size_t>(launch::step_bytes(state, call)) : 0;
  if (!state.after_rows)
    return 0;
  return static_cast<std::size_t>(
      codegen::cuda_workspace_bytes(*state.after_rows, call.rows, call.columns));
}

} // namespace

void Kernel::launch(Stream stream, std::span<const Arg> arguments,
                    const LaunchOptions& options) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  state.classify(arguments, call, counts_of(options));
  if (call.empty)
    return;
  if (options.workspace) {
    const std::size_t bytes = workspace_of(state, call);
    if (options.workspace_bytes < bytes)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the workspace has {} bytes, and this call of kernel '{}' needs {}; "
                              "ask workspace_bytes",
                              options.workspace_bytes, state.name, bytes));
    if (bytes > 0 &&
        reinterpret_cast<std::uintptr_t>(options.workspace) % codegen::kWorkspaceAlignment != 0)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("the workspace is at address {}, expected a multiple of {}, as what the "
                      "driver's allocators give",
                      options.workspace, codegen::kWorkspaceAlignment));
    call.workspace = options.workspace;
  }
  launch_call(state, call, arguments, counts_of(options), stream);
}

std::size_t Kernel::workspace_bytes(std::span<const Arg> arguments) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  state.classify(arguments, call);
  return workspace_of(state, call);
}

std::size_t Kernel::workspace_bytes(std::span<const ArgSpec> arguments) const {
  const std::vector<Arg> planned =
      launch::planned_arguments(KernelAccess::state(*this).signature, arguments);
  return workspace_bytes(std::span<const Arg>(planned));
}

void Kernel::launch(Stream stream, std::span<const NamedArg> arguments) const {
  const api::NamedArguments ordered(KernelAccess::state(*this).signature, arguments);
  launch(stream, ordered.span());
}

void Kernel::prepare(std::span<const Arg> arguments) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  state.classify(arguments, call);
  swage::prepare(state, call, arguments);
}

void Kernel::prepare(std::span<const NamedArg> arguments) const {
  const api::NamedArguments ordered(KernelAccess::state(*this).signature, arguments);
  prepare(ordered.span());
}

void Kernel::prepare(std::span<const ArgSpec> arguments) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  const std::vector<Arg> planned = launch::planned_arguments(state.signature, arguments);
  state.classify(planned, call);
  swage::prepare(state, call, planned, nullptr, KernelState::Memory::planned);
}

void Kernel::prepare(std::span<const Arg> arguments, const LaunchOptions& options) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  state.classify(arguments, call, counts_of(options));
  swage::prepare(state, call, arguments, counts_of(options));
}

void Kernel::prepare(std::span<const ArgSpec> arguments, const LaunchOptions& options) const {
  const KernelState& state = KernelAccess::state(*this);
  Call call;
  const std::vector<Arg> planned = launch::planned_arguments(state.signature, arguments);
  std::optional<Tensor> counts = options.valid_rows;
  if (counts)
    counts->data = launch::planned_address();
  state.classify(planned, call, counts ? &*counts : nullptr);
  swage::prepare(state, call, planned, counts ? &*counts : nullptr, KernelState::Memory::planned);
}

TuneResult Kernel::tune(std::span<const Arg> arguments, const TuneOptions& options) const {
  const KernelState& state = KernelAccess::state(*this);
  // A budget is for all steps.
  const auto searches = static_cast<double>(std::max<std::size_t>(state.step_kernels.size(), 1));
  const auto tuned = [&](const KernelState& kernel, std::span<const Arg> of_kernel) -> TuneResult {
    tune::Tuner tuner(kernel);
    const tune::TuneReport report =
        tuner.tune(of_kernel, {.budget = options.budget_seconds / searches,
                               .force = options.force,
                               .record = options.record});
    return {codegen::canonical(report.best),
            codegen::canonical(report.default_schedule),
            report.seconds,
            report.default_seconds,
            report.spread,
            report.bytes,
            report.roofline,
            report.measured,
            report.improved};
  };
  if (!state.has_steps())
    return tuned(state, arguments);
  Call call;
  state.classify(arguments, call);
  const launch::StepCalls steps({state, call, arguments, nullptr});
  TuneResult result = tuned(steps.leading().kernel, steps.leading().arguments.span());
  result.bytes = launch::bytes_moved(state.signature, call);
  for (const auto& step : steps.all()) {
    if (&*step == &steps.leading())
      continue;
    const TuneResult next = tuned(step->kernel, step->arguments.span());
    result.seconds += next.seconds;
    result.default_seconds += next.default_seconds;
    result.spread = std::max(result.spread, next.spread);
    result.candidates += next.candidates;
    result.improved |= next.improved;
  }
  return result;
}

const std::string& Kernel::name() const noexcept {
  static const std::string kNone;
  return state_ ? state_->name : kNone;
}

std::vector<Parameter> Kernel::parameters() const {
  const launch::Signature& signature = KernelAccess::state(*this).signature;
  std::vector<Parameter> result;
  for (std::size_t i = 0; i < signature.params.size(); ++i) {
    const launch::ParamInfo& info = signature.params[i];
    result.push_back({signature.names[i], static_cast<Role>(info.kind), info.dtype,
                      static_cast<Space>(info.broadcast), info.group});
  }
  return result;
}

std::vector<Constant> Kernel::constants() const {
  return KernelAccess::state(*this).constants;
}

static_assert(static_cast<int>(Role::scalar) == static_cast<int>(ir::ParamKind::scalar));
static_assert(static_cast<int>(Space::column) == static_cast<int>(ir::Broadcast::per_column));
static_assert(static_cast<int>(Space::tensor) == static_cast<int>(ir::Broadcast::per_tensor));
static_assert(static_cast<int>(Space::table) == static_cast<int>(ir::Broadcast::table));
static_assert(static_cast<int>(Space::column_group) ==
              static_cast<int>(ir::Broadcast::per_column_group));

std::string Kernel::text() const {
  const KernelState& state = KernelAccess::state(*this);
  std::string text;
  codegen::with_stack(codegen::kTextStackBytes, [&] { text = ir::print(state.graph); });
  return text;
}

Device Kernel::device() const {
  return DeviceAccess::make(KernelAccess::state(*this).device);
}

} // namespace swage
