// devices.cpp -- `swage devices`: every device, with its measured bandwidth.
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/bandwidth.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

struct Measured {
  double bytes_per_second = 0;
  std::string problem; ///< why there is no number
};

Measured try_measure(const Device& device) {
  try {
    return {measure_bandwidth(device), ""};
  } catch (const Error& error) {
    return {0, error.what()};
  }
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
    object["measured"] = {{"what", bandwidth_measure(info)},
                          {"bytes_per_second", result.bytes_per_second}};
  else if (measured)
    object["measured"] = {{"what", bandwidth_measure(info)}, {"error", result.problem}};
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
      row.insert(row.end(),
                 {Cell(format_rate(result.bytes_per_second)),
                  Cell(result.problem.empty() ? bandwidth_measure(info) : result.problem)});
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
