// bandwidth.cpp -- what a device's memory gives, measured.
#include "cli/bandwidth.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "runtime/launch/inspect.hpp"
#include "runtime/measure/timing.hpp"
#include "runtime/measure/triad.hpp"

namespace swage::cli {

namespace {

constexpr std::string_view kCopy = "kernel copy(x: in f32, y: out f32) { y = x; }";

/// Bytes of one array: well past the last-level cache, within a sixteenth of the memory.
std::int64_t array_bytes(const DeviceInfo& info) {
  const std::int64_t wanted = std::max<std::int64_t>(4 * info.cache_bytes, std::int64_t{1} << 28);
  const std::int64_t bound = info.memory_bytes > 0 ? info.memory_bytes / 16 : wanted;
  return std::min({wanted, bound, std::int64_t{1} << 31}) / 4096 * 4096;
}

/// Bytes a second of a copy from one array to another, both larger than the cache.
double measure_copy(const Device& device) {
  constexpr std::int64_t probe = 1 << 22; // 16 MiB an array
  constexpr double patience = 0.005;      // seconds for the probe, which takes a GPU microseconds
  const std::int64_t elements = array_bytes(device.info()) / 4;
  const Kernel copy = device.kernel(kCopy, "copy");
  const Buffer from = device.allocate(static_cast<std::size_t>(elements) * 4);
  const Buffer to = device.allocate(static_cast<std::size_t>(elements) * 4);

  // An emulated device tells any time it likes, and would take hours for the full size.
  const Tensor part_from(from.data(), f32, {probe}), part_to(to.data(), f32, {probe});
  copy.prepare({part_from, part_to});
  const auto start = std::chrono::steady_clock::now();
  copy.launch(nullptr, {part_from, part_to});
  device.synchronize();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (took.count() > patience)
    throw Error(ErrorCode::unsupported, "too slow to measure; is it emulated?");

  const Tensor all_from(from.data(), f32, {elements}), all_to(to.data(), f32, {elements});
  const std::vector<Arg> arguments = {all_from, all_to};
  const measure::LaunchTime time = measure::time_launches(copy, std::span(&arguments, 1));
  return static_cast<double>(launch::describe(copy, arguments).bytes) / time.median;
}

} // namespace

double measure_bandwidth(const Device& device) {
  return device.info().kind == DeviceKind::cpu
             ? measure::host_triad(array_bytes(device.info()) / 4, true)
             : measure_copy(device);
}

const char* bandwidth_measure(const DeviceInfo& info) {
  return info.kind == DeviceKind::cpu ? "f32 triad" : "f32 copy";
}

} // namespace swage::cli
