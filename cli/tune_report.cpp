// tune_report.cpp -- what `swage tune` says: a table, JSON, and a page of HTML.
#include "cli/tune_report.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "cli/units.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

using tune::Candidate;
using tune::TuneReport;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kPages[][2] = {
#include "tune_page.inc"
};

double rate(const TuneReport& report) {
  return report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
}

double gain(const TuneReport& report) {
  return report.improved ? 1 - report.seconds / report.default_seconds : 0;
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string roofline_share(const TuneReport& report) {
  return report.roofline > 0 && report.cached_sets == 0
             ? fmt::format("{:.0f} %", 100 * rate(report) / report.roofline)
             : "-";
}

/// How the times of a shape came about where they are not of tensors in memory, see `footer`.
const char* mark(const TuneReport& report) {
  return report.in_cache ? " *" : report.cached_sets > 0 ? " +" : "";
}

std::set<std::string> words_of(const codegen::Schedule& schedule) {
  std::istringstream stream(codegen::canonical(schedule));
  std::set<std::string> words;
  for (std::string word; stream >> word;)
    words.insert(word);
  return words;
}

std::vector<const Candidate*> by_time(const TuneReport& report) {
  std::vector<const Candidate*> order;
  for (const Candidate& candidate : report.candidates)
    order.push_back(&candidate);
  std::stable_sort(order.begin(), order.end(), [](const Candidate* a, const Candidate* b) {
    const double left = tune::seconds_of(*a), right = tune::seconds_of(*b);
    return (left > 0 ? left : 1e30) < (right > 0 ? right : 1e30);
  });
  return order;
}

std::string fate(const Candidate& candidate, const TuneReport& report) {
  if (!candidate.eliminated.empty())
    return candidate.eliminated;
  if (&candidate == &report.candidates.front())
    return report.improved ? "the default" : "the default, kept";
  if (report.improved && candidate.schedule == report.best)
    return fmt::format("the winner: {} faster, noise {}", percent(report.gain.middle),
                       percent(report.gain.noise));
  return "ran to the end";
}

/// "32 regs, 8 blocks", and what was spilled; empty for a host schedule.
std::string occupancy_text(const tune::Occupancy& occupancy) {
  if (occupancy.registers == 0)
    return "";
  return fmt::format(
      "{} regs, {} block{}{}", occupancy.registers, occupancy.blocks,
      occupancy.blocks == 1 ? "" : "s",
      occupancy.local_bytes > 0 ? fmt::format(", {} B spilled", occupancy.local_bytes) : "");
}

std::string label_of(const TunedShape& tuned) {
  return format_shape(tuned.shape) + (tuned.step.empty() ? "" : " " + tuned.step);
}

std::string candidate_table(const TunedShape& tuned, bool color) {
  const TuneReport& report = tuned.report;
  Table table(
      {{"candidate"}, {"occupancy"}, {"time", Align::right}, {"rounds", Align::right}, {"fate"}});
  for (const Candidate* candidate : by_time(report)) {
    const std::size_t rounds = candidate->seconds.size();
    table.row(
        {codegen::canonical(candidate->schedule), occupancy_text(candidate->occupancy),
         rounds > 0 ? format_seconds(tune::seconds_of(*candidate)) : "-", std::to_string(rounds),
         Cell(fate(*candidate, report), candidate->eliminated.empty() ? Tone::good : Tone::faint)});
  }
  return fmt::format("\n{}: {} candidates, {} measured; {} rounds: {}\n", label_of(tuned),
                     report.candidates.size(), report.measured, report.rounds, report.stopped) +
         table.render(color);
}

std::string dry_text(const TuneRun& run, bool verbose, bool color) {
  Table table({{"shape"}, {"candidates", Align::right}, {"moved", Align::right}, {"default"}});
  std::string lists;
  for (const TunedShape& tuned : run.shapes) {
    table.row({label_of(tuned), std::to_string(tuned.report.candidates.size()),
               format_bytes(tuned.report.bytes),
               codegen::canonical(tuned.report.default_schedule)});
    if (!verbose)
      continue;
    lists += '\n' + label_of(tuned) + '\n';
    for (const Candidate& candidate : tuned.report.candidates)
      lists += "  " + codegen::canonical(candidate.schedule) + '\n';
  }
  return table.render(color) + lists + "nothing was measured (--dry-run)\n";
}

std::string footer(const TuneRun& run) {
  double compile = 0, measure = 0, noise = 0;
  int measured = 0;
  bool in_cache = false, in_both = false;
  for (const TunedShape& tuned : run.shapes) {
    compile += tuned.report.compile_seconds;
    measure += tuned.report.setup_seconds + tuned.report.measure_seconds;
    measured += tuned.report.measured;
    noise = std::max(noise, tuned.report.noise);
    in_cache |= tuned.report.in_cache;
    in_both |= tuned.report.cached_sets > 0;
  }
  std::string text = fmt::format(
      "\n{} measured in {} ({} to compile, {} to measure); repeated launches spread by up to {}\n",
      measured == 1 ? "1 schedule" : fmt::format("{} schedules", measured),
      format_seconds(run.seconds), format_seconds(compile), format_seconds(measure),
      percent(noise));
  text += "roofline: an f32 triad measured in this run";
  text += in_cache  ? "; shapes marked * fit the cache and are timed and compared in it\n"
          : in_both ? "; shapes marked + are timed with their tensors in memory and in the cache, "
                      "the mean counts\n"
                    : "\n";
  if (!run.records.empty())
    text += "records: " + printable(run.records) + '\n';
  return text;
}

OrderedJson candidate_json(const Candidate& candidate) {
  OrderedJson object = {{"schedule", codegen::canonical(candidate.schedule)}};
  if (const tune::Occupancy& occupancy = candidate.occupancy; occupancy.registers > 0)
    object.update({{"registers", occupancy.registers},
                   {"local_bytes", occupancy.local_bytes},
                   {"blocks_per_multiprocessor", occupancy.blocks}});
  if (!candidate.seconds.empty())
    object.update({{"seconds", tune::seconds_of(candidate)},
                   {"rounds", candidate.seconds.size()},
                   {"in_memory", candidate.in_memory},
                   {"in_cache", candidate.in_cache}});
  if (!candidate.eliminated.empty())
    object["eliminated"] = candidate.eliminated;
  return object;
}

OrderedJson shape_json(const TunedShape& tuned, bool measured) {
  const TuneReport& report = tuned.report;
  OrderedJson object = {{"shape", tuned.shape}};
  if (!tuned.step.empty())
    object["step"] = tuned.step;
  object.update(
      OrderedJson{{"elements", report.rows * report.columns},
                  {"bytes", report.bytes},
                  {"specialization", report.key.specialization},
                  {"size_class", report.key.size_class},
                  {"default", {{"schedule", codegen::canonical(report.default_schedule)}}}});
  if (measured) {
    object["default"]["seconds"] = report.default_seconds;
    object.update(
        {{"best", {{"schedule", codegen::canonical(report.best)}, {"seconds", report.seconds}}},
         {"improved", report.improved},
         {"gain", gain(report)},
         {"gain_noise", report.gain.noise},
         {"spread", report.spread},
         {"noise", report.noise},
         {"bytes_per_second", rate(report)},
         {"roofline_bytes_per_second", report.roofline},
         {"in_cache", report.in_cache},
         {"measured", report.measured},
         {"rounds", report.rounds},
         {"buffer_sets", report.sets},
         {"cached_buffer_sets", report.cached_sets},
         {"stopped", report.stopped},
         {"compile_seconds", report.compile_seconds},
         {"setup_seconds", report.setup_seconds},
         {"measure_seconds", report.measure_seconds}});
  }
  object["candidates"] = OrderedJson::array();
  for (const Candidate& candidate : report.candidates)
    object["candidates"].push_back(candidate_json(candidate));
  return object;
}

} // namespace

std::string schedule_changes(const codegen::Schedule& schedule, const codegen::Schedule& base) {
  const std::set<std::string> known = words_of(base);
  std::istringstream stream(codegen::canonical(schedule));
  std::string changes;
  for (std::string word; stream >> word;)
    if (!known.contains(word))
      changes += (changes.empty() ? "" : " ") + word;
  return changes.empty() ? "-" : changes;
}

std::string tune_text(const TuneRun& run, bool verbose, bool color) {
  const std::string bindings = format_bindings(run.text.bindings);
  std::string text = fmt::format("{}{}{} on {} {}\n\n", run.kernel, bindings.empty() ? "" : " ",
                                 bindings, run.device.id, printable(run.device.name));
  if (!run.measured)
    return text + dry_text(run, verbose, color);
  Table table({{"shape"},
               {"default", Align::right},
               {"best", Align::right},
               {"gain", Align::right},
               {"rate", Align::right},
               {"of roofline", Align::right},
               {"spread", Align::right},
               {"changed from the default"}});
  std::string details;
  for (const TunedShape& tuned : run.shapes) {
    const TuneReport& report = tuned.report;
    table.row({label_of(tuned) + mark(report), format_seconds(report.default_seconds),
               format_seconds(report.seconds),
               report.improved ? Cell(percent(gain(report)), Tone::good) : Cell("-", Tone::faint),
               format_rate(rate(report)), roofline_share(report), percent(report.spread),
               schedule_changes(report.best, report.default_schedule)});
    if (verbose)
      details += candidate_table(tuned, color);
  }
  return text + table.render(color) + details + footer(run);
}

OrderedJson tune_json(const TuneRun& run) {
  OrderedJson object = {{"kernel", run.kernel},
                        {"file", run.text.file},
                        {"bindings", format_bindings(run.text.bindings)},
                        {"math", run.math},
                        {"device",
                         {{"id", run.device.id},
                          {"name", run.device.name},
                          {"target", run.device.target},
                          {"units", run.device.compute_units},
                          {"peak_bytes_per_second", run.device.peak_bytes_per_second}}},
                        {"swage", version()},
                        {"measured", run.measured},
                        {"seconds", run.seconds},
                        {"records", run.records},
                        {"shapes", OrderedJson::array()}};
  for (const TunedShape& tuned : run.shapes)
    object["shapes"].push_back(shape_json(tuned, run.measured));
  return object;
}

std::string tune_html(const TuneRun& run) {
  // Within a script element only "</" could end it.
  std::string data = tune_json(run).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = data.find("</"); at != std::string::npos; at = data.find("</", at + 3))
    data.replace(at, 2, "<\\/");
  std::string page = kPages[0][1];
  constexpr std::string_view kMark = "\"@DATA@\"";
  page.replace(page.find(kMark), kMark.size(), data);
  return page;
}

} // namespace swage::cli
