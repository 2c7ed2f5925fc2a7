// launch_plan.hpp -- everything that a warm launch needs to know, and the launch itself.
#pragma once

#include <memory>
#include <vector>

#include "codegen/arguments.hpp"
#include "codegen/schedule.hpp"
#include "runtime/classify.hpp"
#include "runtime/function_cache.hpp"

namespace swage::runtime {

/// How calls with one SpecializationKey are launched. Immutable.
struct LaunchPlan {
  std::shared_ptr<const LoadedFunction> function;
  codegen::Schedule schedule;
  std::vector<codegen::Slot> slots;
  int vector_elements = 1;
  int index_bits = 32;
  int compute_units = 0;
  /// Launch with the attribute for programmatic dependent launch.
  bool dependent = false;
};

LaunchPlan make_plan(const ir::Kernel& kernel, const codegen::Specialization& specialization,
                     const codegen::Schedule& schedule, const DeviceState& device,
                     std::shared_ptr<const LoadedFunction> function);

/// One driver call: no lock, no heap, no query. Returns what the driver said. Throws
/// Error(invalid_argument) when the call does not fit one grid.
cuda::Result launch_cuda(const LaunchPlan& plan, const Signature& signature, const Call& call,
                         cuda::StreamHandle stream);
/// The same through cuLaunchKernel without attributes, the least that a launch can cost; `count`
/// times, for comparison.
void launch_cuda_bare(const LaunchPlan& plan, const Signature& signature, const Call& call,
                      cuda::StreamHandle stream, int count);

void launch_host(const LaunchPlan& plan, const Signature& signature, const Call& call);

} // namespace swage::runtime
