// ahead.cpp -- compiling for calls, and machines, that are still to come.
#include "runtime/launch/ahead.hpp"

#include <algorithm>
#include <map>

#include "codegen/steps.hpp"
#include "ir/passes.hpp"
#include "runtime/functions/load.hpp"
#include "runtime/launch/planned_call.hpp"
#include "runtime/launch/schedule_choice.hpp"
#include "runtime/launch/signature.hpp"

namespace swage::launch {

namespace {

/// The largest size class compiled for: the 4 G elements of the last need 64-bit offsets.
constexpr int kLastSizeClass = 32;

/// The device that `target` is, or one that compiles like it.
std::shared_ptr<DeviceState> device_of(const codegen::Target& target) {
  if (target.kind == codegen::Target::Kind::host)
    return device::open_device("cpu");
  auto device = std::make_shared<DeviceState>();
  device->info.kind = DeviceKind::cuda;
  device->info.target = "sm_" + std::to_string(target.sm);
  device->target = target;
  device->limits = device::cuda_limits(target.sm);
  return device;
}

std::vector<std::int64_t> shape_of(const ParamInfo& param, std::int64_t rows,
                                   std::int64_t columns) {
  switch (param.broadcast) {
  case ir::Broadcast::per_row: return {rows};
  case ir::Broadcast::per_column: return {columns};
  case ir::Broadcast::per_group: return {rows, columns / param.group};
  case ir::Broadcast::per_column_group: return {rows / param.group, columns};
  case ir::Broadcast::per_tensor:
  case ir::Broadcast::table: return {1};
  case ir::Broadcast::none: break;
  }
  return {rows, columns};
}

/// A call with contiguous tensors of rows x columns elements that are aligned to `alignment` bytes.
/// `step` null: of a kernel that runs by itself.
Call contiguous_call(const Signature& signature, const DeviceState& device, std::int64_t rows,
                     std::int64_t columns, std::int64_t alignment, const codegen::Step* step) {
  std::vector<ArgSpec> specs;
  for (const ParamInfo& param : signature.params)
    specs.push_back({param.dtype, shape_of(param, rows, columns), {}, alignment});
  for (std::size_t p = 0; step && p < specs.size(); ++p)
    if (step->sources[p].kind == codegen::StepSource::Kind::shape)
      specs[p].strides = {0, 0}; // one value for all
  Call call;
  classify(signature, planned_arguments(signature, specs), device.limits, call);
  return call;
}

using Entries = std::map<base::Digest, store::CacheEntry>;

void compile_ahead(const ir::Kernel& kernel, const codegen::Step* step,
                   const std::shared_ptr<DeviceState>& device, Entries& entries) {
  const Signature signature(kernel);
  const std::string line = ir::canonical(kernel);
  const auto compile_for = [&](std::int64_t rows, std::int64_t columns, std::int64_t alignment) {
    // Whole groups of both kinds.
    const auto whole = [](std::int64_t count, std::int64_t group) {
      return group > 0 ? (count + group - 1) / group * group : count;
    };
    const Call call = contiguous_call(signature, *device, whole(rows, signature.group_rows),
                                      whole(columns, signature.group), alignment, step);
    const auto specialization = call.key.specialization(static_cast<int>(signature.tensors.size()));
    const auto schedule = choose_schedule(kernel, specialization, call.key, *device, {});
    const functions::CompileRequest request{kernel, line, specialization, schedule, *device};
    store::EntryKey key = functions::cache_key(request);
    const base::Digest digest = store::digest_of(key);
    if (!entries.contains(digest))
      entries.emplace(digest, functions::compile_entry(request, std::move(key)));
  };
  for (int size_class = 0; size_class <= kLastSizeClass; ++size_class) {
    const std::int64_t rows = step && step->of_columns ? 1 : std::int64_t{1} << size_class / 2;
    std::int64_t columns = std::int64_t{1} << (size_class - size_class / 2);
    if (signature.packed) // of which there are two at least
      columns = std::max<std::int64_t>(columns, 2);
    const std::int64_t uneven = signature.packed ? columns + 2 : columns | 1;
    // What the driver's allocator gives, and what malloc does.
    for (const std::int64_t alignment : {kMaxAlignment, std::int64_t{16}}) {
      compile_for(rows, columns, alignment);
      compile_for(rows | 1, uneven, alignment);
    }
  }
}

} // namespace

std::vector<store::CacheEntry> compile_ahead(const ir::Kernel& kernel,
                                             const codegen::Target& target) {
  const auto device = device_of(target);
  Entries entries;
  const codegen::Steps steps = codegen::make_steps(kernel);
  for (const codegen::Step& step : steps.steps)
    compile_ahead(step.kernel, &step, device, entries);
  if (steps.steps.empty())
    compile_ahead(kernel, nullptr, device, entries);
  std::vector<store::CacheEntry> result;
  for (auto& [digest, entry] : entries)
    result.push_back(std::move(entry));
  return result;
}

} // namespace swage::launch
