// kernel.hpp -- what stands behind a Kernel handle.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "codegen/steps.hpp"
#include "ir/kernel.hpp"
#include "runtime/device/device.hpp"
#include "runtime/embedded/registry.hpp"
#include "runtime/launch/launch_plan.hpp"
#include "runtime/launch/plan_table.hpp"
#include "runtime/launch/schedule_choice.hpp"
#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage {

/// One kernel on one device. Immutable but for the table of plans, which grows as calls of new
/// kinds are made.
struct KernelState {
  /// `source` lives as long as the process; null: all have the default schedule.
  KernelState(std::shared_ptr<DeviceState> device, ir::Kernel kernel, KernelOptions options,
              const launch::ScheduleSource* source, bool of_step = false);

  const std::shared_ptr<DeviceState> device;
  const ir::Kernel graph;
  const std::string name;
  const std::string line; ///< ir::canonical(graph)
  const std::string schedule_text;
  const launch::Signature signature;
  std::vector<Constant> constants; ///< told to whoever asks; empty for a kernel made of a graph
  const launch::ScheduleSource* const schedules;
  /// Of a kernel that is computed in steps, see launch/step_calls.hpp: these, and a kernel for
  /// each. Calls, schedules and plans are theirs alone then.
  const codegen::Steps steps;
  std::vector<std::unique_ptr<const KernelState>> step_kernels;
  const bool is_step; ///< one of these: who launches it has looked at what it is given
  /// What a workspace depends on; empty where there is nothing to store when all rows are done.
  std::optional<codegen::RowPlan> after_rows;
  mutable launch::PlanTable<launch::PlanKey, launch::LaunchPlan> plans;
  /// GPU functions that plans outside the table were made of: a launch of theirs may be in flight,
  /// so they stay as long as this kernel does, or their context.
  mutable std::mutex kept_mutex;
  mutable std::set<std::shared_ptr<const device::LoadedFunction>> kept;

  bool has_steps() const noexcept { return !step_kernels.empty(); }

  void classify(std::span<const Arg> arguments, launch::Call& call,
                const Tensor* valid_rows = nullptr) const {
    launch::classify(signature, arguments, device->limits, call, valid_rows);
  }
  /// The schedule that calls like this one are launched with: what the kernel was made with, else
  /// a tuning record of its size class or the nearest one, else that of code the program carries,
  /// else the default.
  codegen::Schedule schedule_of(const launch::Call& call) const;
  codegen::Specialization specialization_of(const launch::Call& call) const {
    return call.key.specialization(static_cast<int>(signature.tensors.size()));
  }

  /// Code that the program carries for calls like this one; `code_line`: of that schedule alone.
  std::optional<embedded::Found> embedded_code(const launch::Call& call,
                                               std::string_view code_line = {}) const;

  /// Whether the addresses of a call are those of its tensors, or stand for a call to come.
  enum class Memory { of_call, planned };
  /// The plan of calls like this one in `context`, compiled and loaded if need be, and tuned if
  /// SWAGE_AUTOTUNE asks for it. A kind of call has one schedule in all contexts.
  const launch::LaunchPlan& plan_of(const launch::Call& call, std::span<const Arg> arguments,
                                    const cuda::ContextRef& context, cuda::StreamHandle stream,
                                    Memory memory = Memory::of_call) const;
  /// Launches calls like this one with `schedule` from now on, in every context.
  void adopt(const launch::Call& call, const codegen::Schedule& schedule,
             const cuda::ContextRef& context) const;
  /// A plan with a schedule of its own, loaded for `context`; not in the table.
  launch::LaunchPlan plan_with(const codegen::Schedule& schedule, const launch::Call& call,
                               const cuda::ContextRef& context) const;

  /// Launches a classified call, planned if need be. Zero elements do nothing.
  void launch(const launch::Call& call, std::span<const Arg> arguments,
              cuda::StreamHandle stream) const;
  /// The same with a plan that is not in the table.
  void launch(const launch::LaunchPlan& plan, const launch::Call& call,
              cuda::StreamHandle stream) const;

private:
  std::unique_ptr<const KernelState> make_step(std::size_t number) const;
  void launch_in_found_context(const launch::Call& call, std::span<const Arg> arguments,
                               cuda::StreamHandle stream) const;
};

/// Lets the runtime make and open the public handle.
struct KernelAccess {
  static Kernel make(std::shared_ptr<KernelState> state) { return Kernel(std::move(state)); }
  /// Throws Error(invalid_argument) for an empty handle.
  static const KernelState& state(const Kernel& kernel) {
    if (!kernel.state_) [[unlikely]]
      refuse_empty("kernel", "Device::kernel");
    return *kernel.state_;
  }
};

} // namespace swage
