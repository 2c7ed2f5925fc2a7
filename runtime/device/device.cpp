// device.cpp -- the devices of this process.
#include "runtime/device/device.hpp"

#include <optional>

#include <fmt/format.h>

#include "codegen/compiler.hpp"
#include "codegen/host_level.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/settings.hpp"
#include "runtime/host/cpu_info.hpp"
#include "swage/error.hpp"

namespace swage {

void refuse_empty(const char* what, const char* maker) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the {} is empty: it was made by default or moved from; take one that {} "
                          "gave",
                          what, maker));
}

cuda::Context DeviceState::primary_context() const {
  cuda::Context context = primary_.load(std::memory_order_acquire);
  unsigned flags = 0;
  int active = 0;
  if (context)
    cuda::driver().cuDevicePrimaryCtxGetState(ordinal, &flags, &active);
  return active != 0 ? context : renew_primary_context();
}

cuda::Context DeviceState::renew_primary_context() const {
  const std::lock_guard lock(primary_mutex_);
  cuda::Context context = nullptr;
  cuda::driver().cuDevicePrimaryCtxRetain(&context, ordinal);
  primary_.store(context, std::memory_order_release);
  return context;
}

namespace device {

namespace {

using Devices = std::vector<std::shared_ptr<DeviceState>>;

int attribute(cuda::DeviceAttribute which, cuda::Ordinal ordinal) {
  int value = 0;
  cuda::driver().cuDeviceGetAttribute(&value, which, ordinal);
  return value;
}

/// Two transfers a clock: the rate that the memory clock of NVIDIA's GPUs is stated at.
double peak_bandwidth(cuda::Ordinal ordinal) {
  const double clock = 1e3 * attribute(cuda::DeviceAttribute::memory_clock_khz, ordinal);
  return 2 * clock * attribute(cuda::DeviceAttribute::memory_bus_bits, ordinal) / 8;
}

std::shared_ptr<DeviceState> describe_gpu(int index) {
  const cuda::Driver& driver = cuda::driver();
  auto state = std::make_shared<DeviceState>();
  driver.cuDeviceGet(&state->ordinal, index);
  char name[256] = {};
  driver.cuDeviceGetName(name, sizeof name - 1, state->ordinal);
  std::size_t memory = 0;
  driver.cuDeviceTotalMem_v2(&memory, state->ordinal);
  const int sm = 10 * attribute(cuda::DeviceAttribute::compute_major, state->ordinal) +
                 attribute(cuda::DeviceAttribute::compute_minor, state->ordinal);
  // Code for sm_89 converts floats of 8 bits by PTX 8.1, which drivers before 12.1 do not know;
  // that for sm_86 does not, and runs there, too.
  const bool is_old = driver.version < 12010;
  state->target = codegen::cuda_target(is_old && sm == 89 ? 86 : sm);
  if (is_old)
    state->target.newest_ptx = 80;
  state->reads_pageable_memory =
      attribute(cuda::DeviceAttribute::pageable_memory_access, state->ordinal) != 0;
  state->has_memory_pools =
      attribute(cuda::DeviceAttribute::memory_pools_supported, state->ordinal) != 0;

  DeviceInfo& info = state->info;
  info.kind = DeviceKind::cuda;
  info.index = index;
  info.id = fmt::format("cuda:{}", index);
  info.name = name;
  info.target = fmt::format("sm_{}", sm);
  info.compute_units = attribute(cuda::DeviceAttribute::multiprocessor_count, state->ordinal);
  info.memory_bytes = static_cast<std::int64_t>(memory);
  info.cache_bytes = attribute(cuda::DeviceAttribute::l2_cache_bytes, state->ordinal);
  info.peak_bytes_per_second = peak_bandwidth(state->ordinal);
  info.driver_version = driver.version;
  state->limits = cuda_limits(sm);
  return state;
}

std::shared_ptr<DeviceState> describe_cpu() {
  auto state = std::make_shared<DeviceState>();
  state->info = host::describe_cpu();
  const codegen::Compiler* const compiler = codegen::compiler();
  state->target =
      compiler ? compiler->host_target() : codegen::target_of(codegen::best_host_level());
  state->info.target = fmt::format(
      "{} {}", state->target.triple.substr(0, state->target.triple.find('-')), state->target.cpu);
  // Host code aligns its own loops and ends every row by itself.
  state->limits.align_log2 = 0;
  state->limits.exact = false;
  // A machine that does not tell its cache: one of usual size.
  state->limits.cache_bytes =
      state->info.cache_bytes > 0 ? state->info.cache_bytes : std::int64_t{32} << 20;
  return state;
}

const std::shared_ptr<DeviceState>& cpu_device() {
  static const auto& device = *new std::shared_ptr<DeviceState>(describe_cpu());
  return device;
}

/// Throws where memory runs out: a device that is left out then would be missing for ever.
Devices find_devices() {
  Devices devices;
  int count = 0;
  if (const cuda::Driver* driver = cuda::find_driver())
    driver->cuDeviceGetCount(&count);
  else
    base::log(base::LogLevel::debug, "no CUDA: {}", cuda::why_no_driver());
  for (int i = 0; i < count; ++i) {
    try {
      devices.push_back(describe_gpu(i));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::out_of_memory)
        throw;
      base::log(base::LogLevel::warn, "cuda:{} is left out: {}", i, error.what());
    }
  }
  devices.push_back(cpu_device());
  return devices;
}

[[noreturn]] void refuse_device(std::string_view id, std::string_view source) {
  std::string found;
  for (const auto& device : all_devices())
    found += (found.empty() ? "" : ", ") + device->info.id;
  const std::string& why = cuda::why_no_driver();
  throw Error(ErrorCode::no_device, fmt::format("no device '{}'{}; found {}{}", id, source, found,
                                                why.empty() ? "" : fmt::format(" ({})", why)));
}

} // namespace

ClassifyLimits cuda_limits(int sm) noexcept {
  ClassifyLimits limits;
  // 256-bit accesses exist from sm_100 on.
  limits.align_log2 = sm >= 100 ? 5 : 4;
  limits.columns = true;
  return limits;
}

const Devices& all_devices() {
  static const Devices* const devices = new Devices(find_devices());
  return *devices;
}

std::shared_ptr<DeviceState> open_device(std::string_view id) {
  std::string_view source;
  std::string chosen(id);
  // Asked whatever is opened: from here on the library is in use, and its settings stand.
  const std::optional<std::string> setting = base::value(base::Setting::device);
  if (chosen.empty()) {
    chosen = setting.value_or("");
    source = " (from SWAGE_DEVICE)";
  }
  // Needs no driver, and must not wait for one to be found: a process whose address space is too
  // small for the driver still has its CPU.
  if (chosen == "cpu")
    return cpu_device();
  const Devices& devices = all_devices();
  if (chosen.empty())
    return devices.front();
  if (chosen == "cuda")
    chosen = "cuda:0";
  for (const auto& device : devices)
    if (device->info.id == chosen)
      return device;
  refuse_device(chosen, source);
}

} // namespace device
} // namespace swage
