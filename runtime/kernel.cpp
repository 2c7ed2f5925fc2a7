// kernel.cpp -- what stands behind a Kernel handle: plans on first use, launches ever after.
#include "runtime/kernel.hpp"

#include <fmt/format.h>

#include "ir/float_environment.hpp"
#include "ir/passes.hpp"
#include "runtime/schedule_choice.hpp"
#include "runtime/tuner/tuned_schedule.hpp"
#include "runtime/tuner/tuner.hpp"
#include "swage/error.hpp"

namespace swage {

using runtime::Call;
using runtime::LaunchPlan;

namespace {

/// What a launch says when the context current on this thread is not the function's.
bool is_about_context(cuda::Result result) {
  return result == cuda::Result::invalid_context || result == cuda::Result::invalid_handle ||
         result == cuda::Result::context_is_destroyed || result == cuda::Result::not_initialized;
}

bool is_about_capture(const Error& error) {
  return error.code() == ErrorCode::driver &&
         std::string_view(error.what()).find("STREAM_CAPTURE") != std::string_view::npos;
}

} // namespace

KernelState::KernelState(std::shared_ptr<DeviceState> on, ir::Kernel kernel, KernelOptions options)
    : device(std::move(on)), graph(std::move(kernel)), name(graph.name()),
      line(ir::canonical(graph)), schedule_text(std::move(options.schedule)), signature(graph) {
  // A wrong schedule is reported where it was written, not at the first launch.
  if (!schedule_text.empty()) {
    const codegen::Specialization usual = codegen::contiguous(graph);
    const codegen::Schedule base =
        codegen::default_schedule(graph, usual, device->target, std::int64_t{1} << 20);
    codegen::check_schedule(codegen::parse_schedule(schedule_text, base), graph, usual,
                            device->target);
  }
}

codegen::Schedule KernelState::schedule_of(const Call& call) const {
  if (schedule_text.empty())
    if (auto tuned = runtime::tuned_schedule(*this, call))
      return *std::move(tuned);
  return runtime::choose_schedule(graph, specialization_of(call), call.key, *device, schedule_text);
}

LaunchPlan KernelState::plan_with(const codegen::Schedule& schedule, const Call& call,
                                  cuda::Context context) const {
  const ir::DefaultFloatEnvironment environment;
  const codegen::Specialization specialization = specialization_of(call);
  const runtime::CompileRequest request{graph, line, specialization, schedule, *device};
  try {
    std::optional<runtime::ContextScope> scope;
    if (context)
      scope.emplace(context);
    auto function = runtime::find_or_load(request, context);
    if (context) {
      const std::lock_guard lock(kept_mutex);
      kept.insert(function);
    }
    return runtime::make_plan(graph, specialization, schedule, *device, std::move(function));
  } catch (const Error& error) {
    if (!is_about_capture(error))
      throw;
    throw Error(ErrorCode::not_prepared,
                fmt::format("kernel '{}' had to be compiled while its stream was being captured, "
                            "and the driver refused to load it ({}); call prepare with the same "
                            "arguments before the capture begins",
                            name, error.what()));
  }
}

const LaunchPlan& KernelState::plan_of(const Call& call, std::span<const Arg> arguments,
                                       cuda::StreamHandle stream) const {
  if (const LaunchPlan* plan = plans.find(call.key))
    return *plan;
  const ir::DefaultFloatEnvironment environment;
  const cuda::Context context = runtime::context_for(*device, stream);
  if (context)
    runtime::check_reachable(*device, context, signature, call);
  runtime::autotune(*this, call, arguments, stream);
  if (const LaunchPlan* tuned = plans.find(call.key))
    return *tuned;
  return *plans.insert(call.key, plan_with(schedule_of(call), call, context));
}

void KernelState::adopt(const Call& call, const codegen::Schedule& schedule,
                        cuda::Context context) const {
  plans.replace(call.key, plan_with(schedule, call, context));
}

namespace {

/// The launch again, in the context that the stream names.
void launch_in_context(const KernelState& kernel, const LaunchPlan& plan, const Call& call,
                       cuda::StreamHandle stream) {
  const cuda::Context context = runtime::context_for(*kernel.device, stream);
  const bool other = context != plan.function->context;
  const LaunchPlan local = other ? kernel.plan_with(plan.schedule, call, context) : plan;
  const runtime::ContextScope scope(context);
  const cuda::Result result = runtime::launch_cuda(local, kernel.signature, call, stream);
  if (result != cuda::Result::success)
    cuda::fail("cuLaunchKernelEx", result);
}

} // namespace

// A launch needs the context of its function to be current. Asking for it before every launch would
// cost a driver call each time, so the launch is tried as it is. Only a thread on which that failed
// last time, one without a context or with another device's, takes the longer way at once.
void KernelState::launch(const LaunchPlan& plan, const Call& call,
                         cuda::StreamHandle stream) const {
  if (!device->is_cuda())
    return runtime::launch_host(plan, signature, call);

  thread_local bool context_differs = false;
  if (!context_differs) [[likely]] {
    const cuda::Result result = runtime::launch_cuda(plan, signature, call, stream);
    if (result == cuda::Result::success) [[likely]]
      return;
    if (!is_about_context(result))
      cuda::fail("cuLaunchKernelEx", result);
  }
  cuda::Context current = nullptr;
  cuda::driver().cuCtxGetCurrent(&current);
  context_differs = current != plan.function->context;
  launch_in_context(*this, plan, call, stream);
}

void Kernel::launch(Stream stream, std::span<const Arg> arguments) const {
  Call call;
  state_->classify(arguments, call);
  if (call.elements() == 0)
    return;
  const auto handle = static_cast<cuda::StreamHandle>(stream.handle);
  const LaunchPlan* plan = state_->plans.find(call.key);
  state_->launch(plan ? *plan : state_->plan_of(call, arguments, handle), call, handle);
}

void Kernel::prepare(std::span<const Arg> arguments) const {
  Call call;
  state_->classify(arguments, call);
  if (call.elements() != 0)
    state_->plan_of(call, arguments, nullptr);
}

const std::string& Kernel::name() const noexcept {
  return state_->name;
}

std::string Kernel::text() const {
  return ir::print(state_->graph);
}

Device Kernel::device() const {
  return DeviceAccess::make(state_->device);
}

} // namespace swage
