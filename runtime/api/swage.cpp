// swage.cpp -- the public C++ API: devices, and kernels from text.
#include "swage/swage.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codegen/own_stack.hpp"
#include "ir/float_environment.hpp"
#include "ir/nearest.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "runtime/api/make_kernel.hpp"
#include "runtime/base/settings.hpp"
#include "runtime/cuda/context.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/device/device.hpp"
#include "runtime/functions/function_cache.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/tuned_schedule.hpp"

namespace swage {

namespace {

[[noreturn]] void refuse_name(std::string_view name) {
  std::vector<std::string> names;
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name}))
      names.push_back(kernel.name);
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string hint = ir::did_you_mean(name, known);
  throw Error(ErrorCode::invalid_kernel,
              fmt::format("the catalogue has no kernel '{}'; {}", name,
                          hint.empty() ? "'swage list' shows those that it has" : hint));
}

} // namespace

void configure(Settings settings) {
  base::configure(std::move(settings.values), std::move(settings.log));
}

std::string_view version() noexcept {
  return SWAGE_VERSION;
}

CacheStatistics cache_statistics() noexcept {
  return functions::cache_statistics();
}

std::size_t unload_unused() {
  return functions::unload_unused();
}

Device Device::open(std::string_view id) {
  const ir::DefaultFloatEnvironment environment;
  return DeviceAccess::make(device::open_device(id));
}

std::vector<Device> Device::all() {
  const ir::DefaultFloatEnvironment environment;
  std::vector<Device> devices;
  for (const auto& state : device::all_devices())
    devices.push_back(DeviceAccess::make(state));
  return devices;
}

const DeviceInfo& Device::info() const noexcept {
  static const DeviceInfo kNone;
  return state_ ? state_->info : kNone;
}

Kernel Device::kernel(std::string_view source, std::string_view name,
                      const std::vector<Binding>& bindings, const KernelOptions& options) const {
  const ir::DefaultFloatEnvironment environment;
  std::optional<Kernel> made;
  codegen::with_stack(codegen::kTextStackBytes, [&] {
    std::vector<Constant> constants;
    ir::Kernel graph =
        ir::load_kernel({source, options.file}, name, bindings, options.math, &constants);
    made = api::make_kernel(*this, std::move(graph), options, std::move(constants));
  });
  return *std::move(made);
}

Kernel Device::catalogue_kernel(std::string_view name, const std::vector<Binding>& bindings,
                                const KernelOptions& options) const {
  const kernels::CatalogueFile* file = kernels::find(name);
  if (!file)
    refuse_name(name);
  KernelOptions named = options;
  named.file = std::string(file->name);
  return kernel(file->text, name, bindings, named);
}

void Device::synchronize() const {
  const DeviceState& state = *DeviceAccess::state(*this);
  if (!state.is_cuda())
    return;
  device::with_live_context(state, [&] {
    const device::ContextScope scope(state);
    cuda::synchronize_context();
  });
}

namespace api {

Kernel make_kernel(const Device& device, ir::Kernel graph, const KernelOptions& options,
                   std::vector<Constant> constants) {
  auto state = std::make_shared<KernelState>(DeviceAccess::state(device), std::move(graph), options,
                                             &tune::tuned_schedules());
  state->constants = std::move(constants);
  return KernelAccess::make(std::move(state));
}

} // namespace api
} // namespace swage
