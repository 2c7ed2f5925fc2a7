// bench_report.cpp -- what `swage bench` says: the first call, a launch, and times by shape.
#include "cli/bench_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/bandwidth.hpp"
#include "cli/command.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace swage::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

struct Stage {
  const char* name;
  double seconds;
};

/// In the order in which they happen. The CPU has no PTX and no driver.
std::vector<Stage> stages(const BenchResult& result) {
  const runtime::FirstCallTimes& times = result.first_call;
  const bool cuda = result.device.kind == DeviceKind::cuda;
  std::vector<Stage> all = {{"parse", times.parse},
                            {"lower", times.lower},
                            {"optimise", times.optimise},
                            {cuda ? "ptx" : "code", times.emit}};
  if (cuda)
    all.push_back({"driver", times.assemble});
  all.push_back({"load", times.load});
  all.push_back({"launch", times.launch});
  return all;
}

double total(const std::vector<Stage>& all) {
  double sum = 0;
  for (const Stage& stage : all)
    sum += stage.seconds;
  return sum;
}

double rate(const BenchShape& shape) {
  return shape.time.median > 0 ? static_cast<double>(shape.bytes) / shape.time.median : 0;
}

/// A rate from the cache is no share of what memory gives.
bool has_share(const BenchResult& result, const BenchShape& shape) {
  return result.bandwidth > 0 && !shape.in_cache;
}

std::string facts(const BenchResult& result, const ir::Kernel& kernel, bool color) {
  Table table({{""}, {""}});
  const auto row = [&](const char* name, std::string value) {
    table.row({Cell(name, Tone::faint), Cell(std::move(value))});
  };
  const std::string bindings = format_bindings(result.text.bindings);
  row("kernel", fmt::format("{}{}{}  {}", kernel.name(), bindings.empty() ? "" : "  ", bindings,
                            ir::name_of(kernel.math())));
  row("device", fmt::format("{}  {}", result.device.id, result.device.name));
  if (result.bandwidth > 0)
    row("memory", fmt::format("{}  ({}, measured)", format_rate(result.bandwidth),
                              bandwidth_measure(result.device)));
  row("launch",
      fmt::format("{} warm, {} bare: {} added  ({})", format_seconds(result.overhead.launch),
                  format_seconds(result.overhead.bare),
                  format_seconds(result.overhead.launch - result.overhead.bare),
                  format_shape(result.small)));
  return table.render(color);
}

std::string first_call(const BenchResult& result, bool color) {
  Table table({{"first call"}, {"host time", Align::right}, {"share", Align::right}});
  const std::vector<Stage> all = stages(result);
  const double sum = total(all);
  const auto row = [&](const char* name, double seconds) {
    table.row({name, format_seconds(seconds),
               sum > 0 ? fmt::format("{:.1f} %", 100 * seconds / sum) : "-"});
  };
  for (const Stage& stage : all)
    row(stage.name, stage.seconds);
  row("all", sum);
  return table.render(color);
}

std::string by_shape(const BenchResult& result, bool color) {
  Table table({{"shape"},
               {"moved", Align::right},
               {"time", Align::right},
               {"quartiles", Align::right},
               {"rate", Align::right},
               {"of memory", Align::right}});
  for (const BenchShape& shape : result.shapes)
    table.row(
        {format_shape(shape.shape), format_bytes(shape.bytes), format_seconds(shape.time.median),
         fmt::format("{} to {}", format_seconds(shape.time.low), format_seconds(shape.time.high)),
         format_rate(rate(shape)),
         shape.in_cache             ? "cache"
         : has_share(result, shape) ? fmt::format("{:.1f} %", 100 * rate(shape) / result.bandwidth)
                                    : "-"});
  return table.render(color);
}

OrderedJson to_json(const BenchResult& result, const BenchShape& shape) {
  OrderedJson object = {
      {"shape", shape.shape},           {"elements", shape.elements},
      {"bytes", shape.bytes},           {"argument_sets", shape.sets},
      {"in_cache", shape.in_cache},     {"seconds", shape.time.median},
      {"seconds_low", shape.time.low},  {"seconds_high", shape.time.high},
      {"rounds", shape.time.rounds},    {"launches_per_round", shape.time.launches},
      {"bytes_per_second", rate(shape)}};
  if (has_share(result, shape))
    object["share_of_memory"] = rate(shape) / result.bandwidth;
  return object;
}

OrderedJson to_json(const BenchResult& result, const ir::Kernel& kernel) {
  OrderedJson seconds;
  const std::vector<Stage> all = stages(result);
  for (const Stage& stage : all)
    seconds[stage.name] = stage.seconds;
  OrderedJson object = {
      {"kernel", kernel.name()},
      {"file", result.text.file},
      {"bindings", format_bindings(result.text.bindings)},
      {"math", ir::name_of(kernel.math())},
      {"device",
       {{"id", result.device.id}, {"name", result.device.name}, {"target", result.device.target}}},
      {"first_call",
       {{"shape", result.small}, {"stage_seconds", seconds}, {"seconds", total(all)}}},
      {"launch",
       {{"shape", result.small},
        {"seconds", result.overhead.launch},
        {"bare_seconds", result.overhead.bare}}}};
  if (result.bandwidth > 0)
    object["memory"] = {{"what", bandwidth_measure(result.device)},
                        {"bytes_per_second", result.bandwidth}};
  object["shapes"] = OrderedJson::array();
  for (const BenchShape& shape : result.shapes)
    object["shapes"].push_back(to_json(result, shape));
  return object;
}

} // namespace

Report report_bench(const BenchResult& result, const ir::Kernel& kernel) {
  const bool color = stdout_takes_color();
  return {kDone,
          facts(result, kernel, color) + '\n' + first_call(result, color) + '\n' +
              by_shape(result, color),
          dump_json(to_json(result, kernel))};
}

} // namespace swage::cli
