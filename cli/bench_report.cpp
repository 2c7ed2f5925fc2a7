// bench_report.cpp -- what `swage bench` says: the first call, a launch, and times by shape.
#include "cli/bench_report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/bandwidth.hpp"
#include "cli/command.hpp"
#include "cli/facts.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace swage::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// Seconds of a stage of the first call, without a cache and with one on disk; negative where it
/// does not happen.
struct Stage {
  const char* name;
  double cold, warm;
};
constexpr double kNever = -1;

/// In the order in which they happen. The CPU has no PTX and no driver.
std::vector<Stage> stages(const BenchResult& result) {
  const measure::FirstCallTimes& cold = result.first_call;
  constexpr measure::WarmCallTimes never{kNever, kNever, kNever, kNever};
  const measure::WarmCallTimes warm = result.warm_call.value_or(never);
  const bool cuda = result.device.kind == DeviceKind::cuda;
  std::vector<Stage> all = {{"parse", cold.parse, warm.parse},
                            {"lower", cold.lower, kNever},
                            {"optimise", cold.optimise, kNever},
                            {cuda ? "ptx" : "code", cold.emit, kNever}};
  if (cuda)
    all.push_back({"driver", cold.assemble, kNever});
  all.push_back({"read", kNever, warm.read});
  all.push_back({"load", cold.load, warm.load});
  all.push_back({"launch", cold.launch, warm.launch});
  return all;
}

double total(const std::vector<Stage>& all, double Stage::*seconds) {
  double sum = 0;
  for (const Stage& stage : all)
    sum += std::max(stage.*seconds, 0.0);
  return sum;
}

double rate(const BenchShape& shape) {
  return shape.time.median > 0 ? static_cast<double>(shape.bytes) / shape.time.median : 0;
}

/// A rate from the cache is no share of what memory gives.
bool has_share(const BenchResult& result, const BenchShape& shape) {
  return result.bandwidth > 0 && !shape.in_cache;
}

std::string facts_of(const BenchResult& result, const ir::Kernel& kernel, bool color) {
  Facts facts(result.text, kernel, result.device);
  if (result.bandwidth > 0)
    facts.add("memory", fmt::format("{}  ({}, measured)", format_rate(result.bandwidth),
                                    bandwidth_measure(result.device)));
  facts.add("launch",
            fmt::format("{} warm, {} bare: {} added  ({})", format_seconds(result.overhead.launch),
                        format_seconds(result.overhead.bare),
                        format_seconds(result.overhead.launch - result.overhead.bare),
                        format_shape(result.small)));
  return facts.render(color);
}

std::string first_call(const BenchResult& result, bool color) {
  Table table({{"first call"},
               {"no cache", Align::right},
               {"share", Align::right},
               {"disk cache", Align::right}});
  const std::vector<Stage> all = stages(result);
  const double sum = total(all, &Stage::cold);
  const auto row = [&](const Stage& stage) {
    table.row({stage.name, stage.cold < 0 ? "-" : format_seconds(stage.cold),
               stage.cold < 0 || sum <= 0 ? "-" : fmt::format("{:.1f} %", 100 * stage.cold / sum),
               stage.warm < 0 ? "-" : format_seconds(stage.warm)});
  };
  for (const Stage& stage : all)
    row(stage);
  row({"all", sum, result.warm_call ? total(all, &Stage::warm) : kNever});
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
  const std::vector<Stage> all = stages(result);
  const auto first_call = [&](double Stage::*seconds) {
    OrderedJson by_stage;
    for (const Stage& stage : all)
      if (stage.*seconds >= 0)
        by_stage[stage.name] = stage.*seconds;
    return OrderedJson{
        {"shape", result.small}, {"stage_seconds", by_stage}, {"seconds", total(all, seconds)}};
  };
  OrderedJson object = {
      {"kernel", kernel.name()},
      {"file", result.text.file},
      {"bindings", format_bindings(result.text.bindings)},
      {"math", ir::name_of(kernel.math())},
      {"device",
       {{"id", result.device.id}, {"name", result.device.name}, {"target", result.device.target}}},
      {"first_call", first_call(&Stage::cold)},
      {"launch",
       {{"shape", result.small},
        {"seconds", result.overhead.launch},
        {"bare_seconds", result.overhead.bare}}}};
  if (result.warm_call)
    object["first_call_from_disk"] = first_call(&Stage::warm);
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
          facts_of(result, kernel, color) + '\n' + first_call(result, color) + '\n' +
              by_shape(result, color),
          dump_json(to_json(result, kernel))};
}

} // namespace swage::cli
