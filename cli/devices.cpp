// devices.cpp -- `swage devices`: every device, with its measured bandwidth.
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "runtime/session.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

constexpr std::string_view kCopy = "kernel copy(x: in f32, y: out f32) { y = x; }";

/// Bytes of one array: well past the last-level cache, within a sixteenth of the memory.
std::int64_t array_bytes(const DeviceInfo& info) {
  const std::int64_t wanted = std::max<std::int64_t>(4 * info.cache_bytes, std::int64_t{1} << 28);
  const std::int64_t bound = info.memory_bytes > 0 ? info.memory_bytes / 16 : wanted;
  return std::min({wanted, bound, std::int64_t{1} << 31}) / 4096 * 4096;
}

double timed_copy(const Kernel& copy, const Tensor& from, const Tensor& to, int rounds) {
  const std::vector<Arg> arguments = {from, to};
  const runtime::LaunchTime time =
      runtime::time_launches(copy, std::span(&arguments, 1), {.rounds = rounds});
  return static_cast<double>(runtime::plan(copy, arguments).bytes) / time.median;
}

/// Bytes a second of a copy from one array to another, both larger than the cache.
double measure_copy(const Device& device) {
  constexpr std::int64_t probe = 1 << 18;         // 1 MiB an array
  constexpr double slowest_worth_measuring = 1e9; // below, the probe is all that is run
  const std::int64_t elements = array_bytes(device.info()) / 4;
  const Kernel copy = device.kernel(kCopy, "copy");
  const Buffer x = device.allocate(static_cast<std::size_t>(elements) * 4);
  const Buffer y = device.allocate(static_cast<std::size_t>(elements) * 4);
  const auto view = [](const Buffer& buffer, std::int64_t size) {
    return Tensor(buffer.data(), f32, {size});
  };
  // An emulated device would take hours for the full size.
  const double quick = timed_copy(copy, view(x, probe), view(y, probe), 1);
  if (quick < slowest_worth_measuring)
    return quick;
  return timed_copy(copy, view(x, elements), view(y, elements), 11);
}

/// Bytes a second that memory gives: the CPU's streaming triad, or a copy on a GPU.
double measure(const Device& device) {
  return device.info().kind == DeviceKind::cpu
             ? runtime::host_triad(array_bytes(device.info()) / 4, true)
             : measure_copy(device);
}

struct Measured {
  double bytes_per_second = 0;
  std::string problem; ///< why there is no number
};

Measured try_measure(const Device& device) {
  try {
    return {measure(device), ""};
  } catch (const Error& error) {
    return {0, error.what()};
  }
}

const char* measure_name(const DeviceInfo& info) {
  return info.kind == DeviceKind::cpu ? "f32 triad" : "f32 copy";
}

nlohmann::ordered_json to_json(const DeviceInfo& info, bool measured, const Measured& result) {
  nlohmann::ordered_json object = {{"id", info.id},
                                   {"kind", info.kind == DeviceKind::cpu ? "cpu" : "cuda"},
                                   {"name", info.name},
                                   {"target", info.target},
                                   {"compute_units", info.compute_units},
                                   {"memory_bytes", info.memory_bytes},
                                   {"cache_bytes", info.cache_bytes},
                                   {"peak_bytes_per_second", info.peak_bytes_per_second},
                                   {"driver_version", info.driver_version}};
  if (measured && result.problem.empty())
    object["measured"] = {{"what", measure_name(info)},
                          {"bytes_per_second", result.bytes_per_second}};
  else if (measured)
    object["measured"] = {{"what", measure_name(info)}, {"error", result.problem}};
  return object;
}

std::string driver_text(int version) {
  return version > 0 ? fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10) : "-";
}

Report show_devices(bool measured) {
  std::vector<Table::Column> columns = {{"device"},
                                        {"name"},
                                        {"target"},
                                        {"units", Align::right},
                                        {"memory", Align::right},
                                        {"cache", Align::right},
                                        {"driver"},
                                        {"peak", Align::right}};
  if (measured)
    columns.insert(columns.end(), {{"measured", Align::right}, {""}});
  Table table(std::move(columns));
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const Device& device : Device::all()) {
    const DeviceInfo& info = device.info();
    const Measured result = measured ? try_measure(device) : Measured{};
    std::vector<Cell> row = {info.id,
                             info.name,
                             info.target,
                             std::to_string(info.compute_units),
                             format_memory(info.memory_bytes),
                             format_memory(info.cache_bytes),
                             driver_text(info.driver_version),
                             format_rate(info.peak_bytes_per_second)};
    if (measured)
      row.insert(row.end(), {Cell(format_rate(result.bytes_per_second)),
                             Cell(result.problem.empty() ? measure_name(info) : result.problem)});
    table.row(std::move(row));
    devices.push_back(to_json(info, measured, result));
  }
  return {0, table.render(stdout_takes_color()), dump_json({{"devices", devices}})};
}

} // namespace

Action add_devices(CLI::App& app) {
  const auto quick = std::make_shared<bool>(false);
  app.add_flag("--quick", *quick, "Measure nothing");
  return [quick] { return show_devices(!*quick); };
}

} // namespace swage::cli
