// kernel.cpp -- what stands behind a Kernel handle: plans on first use, launches ever after.
#include "runtime/launch/kernel.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "codegen/compiler.hpp"
#include "codegen/row_plan.hpp"
#include "ir/float_environment.hpp"
#include "ir/passes.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/functions/function_cache.hpp"
#include "runtime/launch/context_guess.hpp"
#include "runtime/launch/reach.hpp"
#include "runtime/launch/schedule_choice.hpp"
#include "swage/error.hpp"

namespace swage {

using launch::Call;
using launch::LaunchPlan;
using launch::PlanKey;
using launch::PlanLookup;

namespace {

bool is_about_capture(const Error& error) {
  switch (static_cast<cuda::Result>(error.driver_result())) {
  case cuda::Result::stream_capture_unsupported:
  case cuda::Result::stream_capture_invalidated:
  case cuda::Result::stream_capture_merge:
  case cuda::Result::stream_capture_unmatched:
  case cuda::Result::stream_capture_unjoined:
  case cuda::Result::stream_capture_isolation:
  case cuda::Result::stream_capture_implicit:
  case cuda::Result::stream_capture_wrong_thread: return true;
  default: return false;
  }
}

} // namespace

KernelState::KernelState(std::shared_ptr<DeviceState> on, ir::Kernel kernel, KernelOptions options,
                         const launch::ScheduleSource* source, bool of_step)
    : device(std::move(on)), graph(std::move(kernel)), name(graph.name()),
      line(ir::canonical(graph)), schedule_text(std::move(options.schedule)), signature(graph),
      schedules(source), steps(of_step ? codegen::Steps{} : codegen::make_steps(graph)),
      is_step(of_step) {
  for (std::size_t i = 0; i < steps.steps.size(); ++i)
    step_kernels.push_back(make_step(i));
  if (has_steps())
    return;
  codegen::check_lowered(graph, device->target);
  if (device->is_cuda() && !ir::is_elementwise(graph) && codegen::stores_after_rows(graph))
    after_rows = codegen::make_row_plan(graph);
  // A wrong schedule is reported where it was written, not at the first launch.
  if (!schedule_text.empty()) {
    codegen::Specialization usual = codegen::contiguous(graph);
    usual.exact = true; // whether accesses divide the columns is said when there are some
    const codegen::Schedule base =
        codegen::default_schedule(graph, usual, device->target, std::int64_t{1} << 20);
    if (device->is_cuda() && !ir::is_elementwise(graph))
      usual.columns_at_most = 1; // whether a schedule holds a row is said when there is one
    codegen::check_schedule(codegen::parse_schedule(schedule_text, base, graph), graph, usual,
                            device->target);
  }
}

/// The leading one has the schedule that the kernel was made with, and so have others that may.
std::unique_ptr<const KernelState> KernelState::make_step(std::size_t number) const {
  const auto made = [&](const std::string& schedule) {
    KernelOptions options;
    options.schedule = schedule;
    return std::make_unique<const KernelState>(device, steps.steps[number].kernel,
                                               std::move(options), schedules, true);
  };
  try {
    return made(schedule_text);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument)
      throw Error(error.code(), fmt::format("{}; it is step {} of {} of kernel '{}'", error.what(),
                                            number + 1, steps.steps.size(), name));
    if (number == steps.leading() || schedule_text.empty())
      throw;
    return made("");
  }
}

codegen::Schedule KernelState::schedule_of(const Call& call) const {
  if (schedule_text.empty()) {
    auto known = schedules ? schedules->known(*this, call) : std::nullopt;
    // What was measured here is best, if there is code for it or somebody to make some.
    if (known && (codegen::compiler() || embedded_code(call, codegen::code_line(*known))))
      return *std::move(known);
    if (auto found = embedded_code(call))
      return std::move(found->schedule);
  }
  return launch::choose_schedule(graph, specialization_of(call), call.key, *device, schedule_text);
}

std::optional<embedded::Found> KernelState::embedded_code(const Call& call,
                                                          std::string_view code_line) const {
  return embedded::find({graph, line, specialization_of(call), device->target,
                         call.key.size_class(), call.key.streaming(), code_line});
}

LaunchPlan KernelState::plan_with(const codegen::Schedule& schedule, const Call& call,
                                  const cuda::ContextRef& context) const {
  const ir::DefaultFloatEnvironment environment;
  auto embedded = embedded_code(call, codegen::code_line(schedule));
  // What was measured is what runs: with a compiler, code for more kinds of call than this one is
  // taken with its own schedule alone.
  if (embedded && codegen::compiler() && embedded->schedule != schedule &&
      embedded->specialization != specialization_of(call))
    embedded.reset();
  // Code for many kinds of call is launched as what it was made for.
  const codegen::Specialization specialization =
      embedded ? embedded->specialization : specialization_of(call);
  const functions::CompileRequest request{graph, line, specialization, schedule, *device};
  try {
    std::optional<device::ContextScope> scope;
    if (context)
      scope.emplace(context);
    auto function = embedded ? functions::find_or_load(*embedded, request, context)
                             : functions::find_or_load(request, context);
    if (context) {
      const std::lock_guard lock(kept_mutex);
      std::erase_if(kept, [](const auto& each) { return each->context->gone.load(); });
      kept.insert(function);
    }
    return launch::make_plan(graph, specialization, schedule, *device, std::move(function));
  } catch (const Error& error) {
    if (!is_about_capture(error))
      throw;
    throw Error(ErrorCode::not_prepared,
                fmt::format("kernel '{}' had to be compiled while its stream was being captured, "
                            "and the driver refused to load it ({}); call prepare with the same "
                            "arguments before the capture begins",
                            name, error.what()),
                error.build_log(), error.driver_result());
  }
}

namespace {

/// The schedule that calls like this one have in some context, if they have one.
std::optional<codegen::Schedule> schedule_elsewhere(const KernelState& kernel, const Call& call) {
  std::optional<codegen::Schedule> found;
  kernel.plans.for_each([&](const PlanKey& key, const LaunchPlan& plan) {
    if (key.call == call.key)
      found = plan.schedule;
  });
  return found;
}

} // namespace

const LaunchPlan& KernelState::plan_of(const Call& call, std::span<const Arg> arguments,
                                       const cuda::ContextRef& context, cuda::StreamHandle stream,
                                       Memory memory) const {
  const PlanKey key{call.key, context.handle};
  if (const LaunchPlan* plan = plans.find(key); plan && plan->is_for(context))
    return *plan;
  const ir::DefaultFloatEnvironment environment;
  if (context && memory == Memory::of_call && !is_step)
    launch::check_reachable(*device, context, signature, call);
  std::optional<codegen::Schedule> schedule = schedule_elsewhere(*this, call);
  if (!schedule) {
    if (schedules)
      schedules->first_call(*this, call, arguments, stream);
    if (const LaunchPlan* tuned = plans.find(key); tuned && tuned->is_for(context))
      return *tuned;
    schedule = schedule_of(call);
  }
  LaunchPlan made = plan_with(*schedule, call, context);
  const LaunchPlan* plan = plans.find(key);
  return *(plan && !plan->is_for(context) ? plans.replace(key, std::move(made))
                                          : plans.insert(key, std::move(made)));
}

void KernelState::adopt(const Call& call, const codegen::Schedule& schedule,
                        const cuda::ContextRef& context) const {
  plans.replace({call.key, context.handle}, plan_with(schedule, call, context));
  std::vector<cuda::ContextRef> others;
  plans.for_each([&](const PlanKey& key, const LaunchPlan& plan) {
    if (key.call == call.key && !plan.is_for(context) && !plan.is_stale())
      others.push_back(plan.function->context->ref);
  });
  for (const cuda::ContextRef& other : others)
    if (const cuda::FormerContext former(other); former)
      plans.replace({call.key, other.handle}, plan_with(schedule, call, other));
}

void KernelState::launch(const LaunchPlan& plan, const Call& call,
                         cuda::StreamHandle stream) const {
  if (!device->is_cuda())
    return launch::launch_host(plan, signature, call);
  const cuda::Result result = plan.is_stale() ? cuda::Result::context_is_destroyed
                                              : launch_cuda(plan, signature, call, stream);
  if (result == cuda::Result::success)
    return;
  if (!cuda::is_about_context(result))
    cuda::fail("cuLaunchKernelEx", result);
  const cuda::ContextRef context = device::context_for(*device, stream);
  const LaunchPlan local = plan.is_for(context) ? plan : plan_with(plan.schedule, call, context);
  const device::ContextScope scope(context);
  if (const cuda::Result again = launch_cuda(local, signature, call, stream);
      again != cuda::Result::success)
    cuda::fail("cuLaunchKernelEx", again);
}

void KernelState::launch(const Call& call, std::span<const Arg> arguments,
                         cuda::StreamHandle stream) const {
  if (!device->is_cuda()) {
    const LaunchPlan* plan = plans.find(PlanLookup{call.key, nullptr});
    return launch::launch_host(plan ? *plan : plan_of(call, arguments, {}, stream), signature,
                               call);
  }
  launch::ContextGuess& guess = launch::ContextGuess::of(*device);
  const LaunchPlan* plan = plans.find(PlanLookup{call.key, guess.handle()});
  if (plan && !plan->is_stale() && guess.may_have(stream)) [[likely]] {
    const cuda::Result result = launch_cuda(*plan, signature, call, stream);
    if (result == cuda::Result::success) [[likely]]
      return;
    if (!cuda::is_about_context(result))
      cuda::fail("cuLaunchKernelEx", result);
  }
  launch_in_found_context(call, arguments, stream);
}

/// The launch in the context that the stream names, with code that is loaded again if the context
/// was reset since.
void KernelState::launch_in_found_context(const Call& call, std::span<const Arg> arguments,
                                          cuda::StreamHandle stream) const {
  launch::ContextGuess& guess = launch::ContextGuess::of(*device);
  device::with_live_context(*device, [&] {
    const cuda::ContextRef context = guess.find(*device, stream);
    const LaunchPlan& plan = plan_of(call, arguments, context, stream);
    const device::ContextScope scope(context);
    const cuda::Result result = launch_cuda(plan, signature, call, stream);
    if (result != cuda::Result::success)
      cuda::fail("cuLaunchKernelEx", result);
  });
}

} // namespace swage
