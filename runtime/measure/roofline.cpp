// roofline.cpp -- what memory gives in this process, measured once.
#include "runtime/measure/roofline.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <string>

#include "runtime/base/log.hpp"
#include "runtime/measure/timing.hpp"
#include "runtime/measure/triad.hpp"
#include "swage/error.hpp"

namespace swage::measure {

namespace {

constexpr const char* kTriad =
    "kernel triad(b: in f32, c: in f32, s: f32, a: out f32) { a = b + s * c; }";

double time_triad(const DeviceState& state, std::int64_t elements) {
  const Device device = Device::open(state.info.id);
  const Kernel triad = device.kernel(kTriad, "triad");
  const auto bytes = static_cast<std::size_t>(elements) * sizeof(float);
  Buffer buffers[] = {device.allocate(bytes), device.allocate(bytes), device.allocate(bytes)};
  Tensor tensors[3];
  const std::vector<float> ones(static_cast<std::size_t>(elements), 1.0f);
  for (int i = 0; i < 3; ++i) {
    buffers[i].write(ones.data(), bytes);
    tensors[i] = Tensor(buffers[i].data(), f32, {elements});
  }
  const std::vector<Arg> arguments{tensors[0], tensors[1], 0.5, tensors[2]};
  TimingOptions options;
  options.rounds = 5;
  options.round_seconds = 0.002;
  const LaunchTime time = time_launches(triad, {&arguments, 1}, options);
  return 3 * static_cast<double>(bytes) / time.median;
}

double measure(const DeviceState& device, std::int64_t bytes) {
  if (device.is_cuda())
    return time_triad(device, std::max<std::int64_t>(device.info.cache_bytes, 1 << 20) / 2);
  if (bytes > 0)
    return time_triad(device, std::max<std::int64_t>(bytes / 12, 1024));
  return host_triad(std::max<std::int64_t>(device.limits.cache_bytes / 2, 1 << 20), true);
}

} // namespace

bool runs_in_cache(const DeviceState& device, std::int64_t bytes) {
  return !device.is_cuda() && bytes <= device.limits.cache_bytes / 2;
}

double measured_roofline(const DeviceState& device, std::int64_t bytes) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::int64_t>, double> known;
  const std::int64_t size = runs_in_cache(device, bytes)
                                ? static_cast<std::int64_t>(std::bit_floor(
                                      static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 1))))
                                : 0;
  const std::lock_guard lock(mutex);
  const auto [place, is_new] = known.try_emplace({device.info.id, size}, 0);
  if (!is_new)
    return place->second;
  try {
    place->second = measure(device, size);
  } catch (const Error& error) {
    base::log(base::LogLevel::info, "the roofline of {} is not known: {}", device.info.id,
              error.what());
  }
  return place->second;
}

} // namespace swage::measure
