// launch_plan.hpp -- everything that a warm launch needs to know, and the launch itself.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "codegen/arguments.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/schedule.hpp"
#include "runtime/functions/function_cache.hpp"
#include "runtime/launch/classify.hpp"

namespace swage::launch {

/// How calls with one SpecializationKey are launched. Immutable.
struct LaunchPlan {
  std::shared_ptr<const device::LoadedFunction> function;
  codegen::Schedule schedule;
  std::vector<codegen::Slot> slots;
  int vector_elements = 1;
  int index_bits = 32;
  int compute_units = 0;
  bool has_memory_pools = false; ///< of the device
  std::size_t stack_bytes = 0;   ///< that a host thread needs to be asked for; see codegen/cut.hpp
  /// Code that works row by row: what host code needs, by columns. Empty for other code.
  std::shared_ptr<const codegen::RowPlan> rows;
  /// Launch with the attribute for programmatic dependent launch.
  bool dependent = false;

  /// Whether the context that the code was loaded into is known to be no more.
  bool is_stale() const noexcept {
    return function->context && function->context->gone.load(std::memory_order_relaxed);
  }
  /// Whether the code was loaded into `context`; always on the CPU.
  bool is_for(const cuda::ContextRef& context) const noexcept {
    return !function->context || function->context->ref == context;
  }
};

/// What a plan is found by: the kind of call, and the handle of the context, null on the CPU. The
/// handle may stand for another context than the plan was made for; the plan knows.
template <typename Call>
struct PlanKeyOf {
  Call call;
  cuda::Context context = nullptr;

  std::uint64_t hash() const noexcept {
    return call.hash() ^ (reinterpret_cast<std::uintptr_t>(context) >> 4) * 0x9e3779b97f4a7c15u;
  }
};
using PlanKey = PlanKeyOf<SpecializationKey>;
using PlanLookup = PlanKeyOf<const SpecializationKey&>; ///< a launch copies no key

template <typename A, typename B>
bool operator==(const PlanKeyOf<A>& a, const PlanKeyOf<B>& b) noexcept {
  return a.context == b.context && a.call == b.call;
}

LaunchPlan make_plan(const ir::Kernel& kernel, const codegen::Specialization& specialization,
                     const codegen::Schedule& schedule, const DeviceState& device,
                     std::shared_ptr<const device::LoadedFunction> function);

/// One driver call: no lock, no heap, no query; two where there is something to store when all rows
/// are done and the code leaves it to a second launch, with memory for that taken and given back in
/// the order of the stream unless the call has some. Returns what the driver said. Throws
/// Error(invalid_argument) when the call does not fit one grid, and Error where a second launch, or
/// taking memory, fails.
cuda::Result launch_cuda(const LaunchPlan& plan, const Signature& signature, const Call& call,
                         cuda::StreamHandle stream);
/// The same through cuLaunchKernel without attributes, the least that a launch can cost; `count`
/// times, for comparison.
void launch_cuda_bare(const LaunchPlan& plan, const Signature& signature, const Call& call,
                      cuda::StreamHandle stream, int count);

/// Device memory that launches of this plan use beside the call's tensors; 0 on the CPU.
std::int64_t workspace_bytes(const LaunchPlan& plan, const Call& call) noexcept;

void launch_host(const LaunchPlan& plan, const Signature& signature, const Call& call);

} // namespace swage::launch
