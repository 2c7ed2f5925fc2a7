// launch_plan.cpp -- everything that a warm launch needs to know, and the launch itself.
#include "runtime/launch/launch_plan.hpp"

#include <functional>

#include "codegen/cut.hpp"
#include "codegen/own_stack.hpp"
#include "runtime/host/executor.hpp"
#include "runtime/launch/workspace.hpp"

namespace swage::launch {

namespace {

using codegen::SlotKind;

/// At most three slots a tensor, two for each further dimension of a view, and the sizes.
constexpr std::size_t kMaxSlots =
    3 * ir::kMaxParams + 2 * kMaxSpread * (codegen::kMaxViewDims - 1) + 12;

/// Values of a launch's slots, each in the low bytes of a word.
struct Words {
  std::uint64_t values[kMaxSlots];
};

struct Sizes {
  codegen::LaunchShape shape; ///< CUDA alone
  codegen::Divider divider{}, batches{};
  void* workspace = nullptr; ///< CUDA, where there is a second launch
};

std::uint64_t word(const codegen::Slot& slot, const Signature& signature, const Call& call,
                   const Sizes& sizes) {
  const auto tensor = [&]() -> const TensorCall& {
    return call.tensors[signature.params[slot.param].tensor];
  };
  // Of a view with more dimensions: the groups' follow the rows'.
  const auto row_dim = [&] { return call.spread[tensor().spread].dims[slot.dim]; };
  const auto group_dim = [&] {
    const ViewDims& view = call.spread[tensor().spread];
    return view.dims[view.rows + slot.dim];
  };
  switch (slot.kind) {
  case SlotKind::pointer: return reinterpret_cast<std::uintptr_t>(tensor().data);
  case SlotKind::row_stride:
    return static_cast<std::uint64_t>(slot.dim > 0 ? row_dim().stride : tensor().row_stride);
  case SlotKind::column_stride:
    return static_cast<std::uint64_t>(slot.dim > 0 ? group_dim().stride : tensor().column_stride);
  case SlotKind::row_extent: return static_cast<std::uint64_t>(row_dim().extent);
  case SlotKind::column_extent: return static_cast<std::uint64_t>(group_dim().extent);
  case SlotKind::length: return static_cast<std::uint64_t>(tensor().length);
  case SlotKind::scalar: return call.scalars[slot.param];
  case SlotKind::rows: return static_cast<std::uint64_t>(call.rows);
  case SlotKind::columns: return static_cast<std::uint64_t>(call.columns);
  case SlotKind::items_per_row: return static_cast<std::uint64_t>(sizes.shape.items_per_row);
  case SlotKind::divider_factor: return sizes.divider.factor;
  case SlotKind::divider_shift: return sizes.divider.shift;
  case SlotKind::workspace: return reinterpret_cast<std::uintptr_t>(sizes.workspace);
  case SlotKind::valid_rows: return reinterpret_cast<std::uintptr_t>(call.valid_rows);
  case SlotKind::batch_rows: return static_cast<std::uint64_t>(call.batch_rows);
  case SlotKind::batch_factor: return sizes.batches.factor;
  case SlotKind::batch_shift: return sizes.batches.shift;
  }
  return 0;
}

void fill(const LaunchPlan& plan, const Signature& signature, const Call& call, const Sizes& sizes,
          Words& words) {
  for (std::size_t i = 0; i < plan.slots.size(); ++i)
    words.values[i] = word(plan.slots[i], signature, call, sizes);
}

/// The launch configuration of a call and the words that its parameters point to.
struct Prepared {
  Words words;
  void* params[kMaxSlots];
  cuda::LaunchAttribute attribute;
  cuda::LaunchConfig config;

  Prepared(const LaunchPlan& plan, const Signature& signature, const Call& call,
           cuda::StreamHandle stream, void* workspace = nullptr) {
    const auto& schedule = *std::get_if<codegen::CudaSchedule>(&plan.schedule);
    Sizes sizes;
    sizes.workspace = workspace;
    sizes.shape = plan.rows ? codegen::row_launch_shape(schedule, *plan.rows, plan.vector_elements,
                                                        call.rows, call.columns)
                            : codegen::launch_shape(schedule, plan.vector_elements, call.rows,
                                                    call.columns, plan.compute_units);
    if (plan.slots.back().kind == SlotKind::divider_shift)
      sizes.divider =
          codegen::divider(static_cast<std::uint64_t>(sizes.shape.items_per_row), plan.index_bits);
    if (call.batch_rows > 0)
      sizes.batches =
          codegen::divider(static_cast<std::uint64_t>(call.batch_rows), plan.index_bits);
    fill(plan, signature, call, sizes, words);
    for (std::size_t i = 0; i < plan.slots.size(); ++i)
      params[i] = &words.values[i];
    attribute.id = cuda::LaunchAttributeId::programmatic_stream_serialization;
    attribute.value = 1;
    config = {static_cast<unsigned>(sizes.shape.blocks),
              1,
              1,
              static_cast<unsigned>(schedule.threads),
              1,
              1,
              0,
              stream,
              &attribute,
              plan.dependent ? 1u : 0u};
  }
};

/// Whether a second launch stores what is known when all rows are done.
bool is_in_two(const LaunchPlan& plan, const Call& call) noexcept {
  const device::LoadedFunction& function = *plan.function;
  return function.totals && !(function.stores_single_row && call.rows == 1);
}

unsigned totals_grid(const Call& call) {
  return static_cast<unsigned>(codegen::totals_blocks(call.columns));
}

/// Rows, then what is stored when all are done.
cuda::Result launch_both(const LaunchPlan& plan, const Signature& signature, const Call& call,
                         cuda::StreamHandle stream) {
  Workspace workspace(call.workspace, static_cast<std::size_t>(workspace_bytes(plan, call)),
                      plan.has_memory_pools, stream);
  if (workspace.result() != cuda::Result::success)
    return workspace.result();
  Prepared prepared(plan, signature, call, stream, workspace.data());
  const cuda::Driver& driver = cuda::driver();
  cuda::LaunchConfig& config = prepared.config;
  if (config.grid_x > 0) {
    const cuda::Result result =
        driver.cuLaunchKernelEx.raw(&config, plan.function->function, prepared.params, nullptr);
    if (result != cuda::Result::success)
      return result;
  }
  const bool is_second = config.grid_x > 0;
  config.grid_x = totals_grid(call);
  config.block_x = codegen::kTotalsThreads;
  const cuda::Result result =
      driver.cuLaunchKernelEx.raw(&config, plan.function->totals, prepared.params, nullptr);
  // The rows must not be computed anew: an output may be an input.
  if (is_second && result != cuda::Result::success)
    cuda::fail("cuLaunchKernelEx", result);
  return result;
}

} // namespace

LaunchPlan make_plan(const ir::Kernel& kernel, const codegen::Specialization& specialization,
                     const codegen::Schedule& schedule, const DeviceState& device,
                     std::shared_ptr<const device::LoadedFunction> function) {
  LaunchPlan plan;
  plan.schedule = schedule;
  plan.slots = codegen::argument_slots(kernel, specialization, device.target.kind);
  plan.vector_elements = codegen::vector_elements(schedule, kernel);
  plan.index_bits = specialization.index64 ? 64 : 32;
  plan.compute_units = device.info.compute_units;
  plan.has_memory_pools = device.has_memory_pools;
  if (!ir::is_elementwise(kernel))
    plan.rows = std::make_shared<const codegen::RowPlan>(codegen::make_row_plan(kernel));
  else if (const auto* host = std::get_if<codegen::HostSchedule>(&schedule))
    plan.stack_bytes = codegen::host_stack_bytes(kernel, *host);
  // Read off the code, not off the request. Older drivers cannot capture such launches; there the
  // wait in the code returns at once.
  plan.dependent = function->waits_for_dependencies &&
                   device.info.driver_version >= cuda::kDependentCaptureDriver;
  plan.function = std::move(function);
  return plan;
}

cuda::Result launch_cuda(const LaunchPlan& plan, const Signature& signature, const Call& call,
                         cuda::StreamHandle stream) {
  if (is_in_two(plan, call)) [[unlikely]]
    return launch_both(plan, signature, call, stream);
  Prepared prepared(plan, signature, call, stream);
  return cuda::driver().cuLaunchKernelEx.raw(&prepared.config, plan.function->function,
                                             prepared.params, nullptr);
}

void launch_cuda_bare(const LaunchPlan& plan, const Signature& signature, const Call& call,
                      cuda::StreamHandle stream, int count) {
  Prepared prepared(plan, signature, call, stream, call.workspace);
  const cuda::LaunchConfig& config = prepared.config;
  for (int i = 0; i < count; ++i) {
    if (config.grid_x > 0)
      cuda::driver().cuLaunchKernel(plan.function->function, config.grid_x, 1, 1, config.block_x, 1,
                                    1, 0, stream, prepared.params, nullptr);
    if (is_in_two(plan, call))
      cuda::driver().cuLaunchKernel(plan.function->totals, totals_grid(call), 1, 1,
                                    codegen::kTotalsThreads, 1, 1, 0, stream, prepared.params,
                                    nullptr);
  }
}

std::int64_t workspace_bytes(const LaunchPlan& plan, const Call& call) noexcept {
  if (!is_in_two(plan, call))
    return 0;
  return codegen::cuda_workspace_bytes(*plan.rows, call.rows, call.columns);
}

void launch_host(const LaunchPlan& plan, const Signature& signature, const Call& call) {
  Words words;
  fill(plan, signature, call, {}, words);
  const auto& schedule = *std::get_if<codegen::HostSchedule>(&plan.schedule);
  if (plan.rows)
    return host::run_host_rows(schedule,
                               reinterpret_cast<host::HostRowEntry>(plan.function->code->entry()),
                               *plan.rows, words.values, call.rows, call.columns);
  const auto run = [&] {
    host::run_host(schedule, plan.function->host, words.values, call.elements());
  };
  if (plan.stack_bytes == 0) [[likely]]
    return run();
  codegen::with_stack(plan.stack_bytes, std::ref(run));
}

} // namespace swage::launch
