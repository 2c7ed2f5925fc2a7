// run_report.cpp -- what `swage run` says about a run.
#include "cli/run_report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/admitted_report.hpp"
#include "cli/command.hpp"
#include "cli/facts.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ir/number.hpp"

namespace swage::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// "[12, 345]" of a row-major index.
std::vector<std::int64_t> position(std::int64_t index, const Shape& shape) {
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    at[i] = index % shape[i];
    index /= shape[i];
  }
  return at;
}

double rate(const RunResult& result) {
  return result.time && result.time->median > 0
             ? static_cast<double>(result.plan.bytes) / result.time->median
             : 0;
}

bool in_cache(const RunResult& result) {
  return result.plan.bytes <= result.device.cache_bytes;
}

std::int64_t wrong_elements(const RunResult& result) {
  std::int64_t wrong = 0;
  for (const verify::OutputComparison& output : result.outputs)
    wrong += output.wrong;
  return wrong;
}

std::string rate_line(const RunResult& result) {
  std::string line = format_rate(rate(result));
  if (in_cache(result))
    line +=
        fmt::format("  (all of it fits the {} cache)", format_memory(result.device.cache_bytes));
  else if (result.device.peak_bytes_per_second > 0)
    line += fmt::format("  ({:.0f} % of the memory's peak)",
                        100 * rate(result) / result.device.peak_bytes_per_second);
  return line;
}

std::string facts_of(const RunResult& result, const ir::Kernel& kernel, bool color) {
  Facts facts(result.text, kernel, result.device);
  facts.add("shape", fmt::format("{}  ({} elements)", format_shape(result.shape),
                                 format_count(result.plan.elements())));
  if (result.plan.elements() > 0) {
    facts.add("layout", codegen::canonical(result.plan.specialization, *result.plan.code));
    facts.add("schedule", codegen::canonical(result.plan.schedule));
  }
  facts.add("first call", format_seconds(result.first_call));
  if (result.time)
    facts.add("time", fmt::format("{}  (median of {} x {}; quartiles {} to {})",
                                  format_seconds(result.time->median), result.time->rounds,
                                  result.time->launches, format_seconds(result.time->low),
                                  format_seconds(result.time->high)));
  facts.add("moved", format_bytes(result.plan.bytes));
  if (result.time)
    facts.add("rate", rate_line(result));
  for (const std::string& file : result.output_files)
    facts.add("output", file);
  return facts.render(color);
}

std::string shown_element(const verify::OutputComparison& output, const verify::Operands& operands,
                          std::span<const ir::Param> params) {
  const verify::ShownElement& worst = *output.worst;
  const verify::Operand& written = operands.all()[output.param];
  const DType type = written.param.dtype;
  return fmt::format("{} {}[{}]: got {}, expected {}, {} ulp, from {}\n",
                     output.wrong > 0 ? "wrong" : "worst", written.param.name,
                     fmt::join(position(worst.index, written.shape), ", "),
                     format_value(type, worst.got), format_value(type, worst.expected),
                     format_number(worst.error, 3), format_inputs(worst, params));
}

constexpr const char* kAdmittedNote =
    "admitted: beyond the limit, but within what the stated error bounds of the kernel's "
    "operations "
    "allow\nfor these inputs; by reason above\n";

std::string verification(const RunResult& result, const ir::Kernel& kernel,
                         const verify::Operands& operands, bool color) {
  Table table({{"output"},
               {"checked", Align::right},
               {"of", Align::right},
               {"max ulp", Align::right},
               {"limit", Align::right},
               {"misrounded", Align::right},
               {"admitted", Align::right},
               {"wrong", Align::right}});
  std::string elements;
  bool admitted = false;
  for (const verify::OutputComparison& output : result.outputs) {
    admitted |= output.admitted > 0;
    table.row({operands.all()[output.param].param.name, format_count(output.checked),
               format_count(element_count(operands.all()[output.param].shape)),
               format_number(output.max_error, 3), fmt::format("{:g}", output.limit),
               format_count(output.misrounded), format_count(output.admitted),
               Cell(format_count(output.wrong), output.wrong > 0 ? Tone::bad : Tone::good)});
    if (output.worst)
      elements += shown_element(output, operands, kernel.params());
    elements += admitted_line(output.admitted_by, output.worst_admitted, kernel.params(),
                              operands.all()[output.param].param.dtype);
  }
  return table.render(color) + elements + (admitted ? kAdmittedNote : "") +
         (wrong_elements(result) == 0 ? "verified\n" : "NOT verified\n");
}

OrderedJson output_json(const verify::OutputComparison& output, const ir::Kernel& kernel,
                        const verify::Operands& operands) {
  const verify::Operand& written = operands.all()[output.param];
  OrderedJson object = {{"name", written.param.name},
                        {"dtype", name_of(written.param.dtype)},
                        {"checked", output.checked},
                        {"max_ulp", json_number(output.max_error)},
                        {"max_ulp_not_admitted", json_number(output.max_plain_error)},
                        {"limit", output.limit},
                        {"misrounded", output.misrounded},
                        {"admitted", output.admitted},
                        {"admitted_by", admitted_json(output.admitted_by, output.worst_admitted,
                                                      kernel.params(), written.param.dtype)},
                        {"wrong", output.wrong}};
  if (!output.worst)
    return object;
  object["worst"] = {{"index", position(output.worst->index, written.shape)},
                     {"got", json_value(written.param.dtype, output.worst->got)},
                     {"expected", json_value(written.param.dtype, output.worst->expected)},
                     {"ulp", json_number(output.worst->error)},
                     {"inputs", json_inputs(*output.worst, kernel.params())}};
  return object;
}

OrderedJson to_json(const RunResult& result, const ir::Kernel& kernel,
                    const verify::Operands& operands) {
  OrderedJson object = {
      {"kernel", kernel.name()},
      {"file", result.text.file},
      {"bindings", format_bindings(result.text.bindings)},
      {"math", ir::name_of(kernel.math())},
      {"device",
       {{"id", result.device.id}, {"name", result.device.name}, {"target", result.device.target}}},
      {"shape", result.shape},
      {"elements", result.plan.elements()},
      {"first_call_seconds", result.first_call},
      {"bytes", result.plan.bytes},
      {"in_cache", in_cache(result)}};
  // A call without elements has neither.
  if (result.plan.elements() > 0)
    object.update(
        {{"specialization", codegen::canonical(result.plan.specialization, *result.plan.code)},
         {"schedule", codegen::canonical(result.plan.schedule)}});
  if (result.time)
    object.update({{"seconds", result.time->median},
                   {"seconds_low", result.time->low},
                   {"seconds_high", result.time->high},
                   {"rounds", result.time->rounds},
                   {"launches_per_round", result.time->launches},
                   {"bytes_per_second", rate(result)}});
  if (result.output_files.size() == 1)
    object["output"] = result.output_files[0];
  else if (!result.output_files.empty())
    object["output"] = result.output_files;
  if (!result.outputs.empty()) {
    object["verified"] = wrong_elements(result) == 0;
    for (const verify::OutputComparison& output : result.outputs)
      object["outputs"].push_back(output_json(output, kernel, operands));
  }
  return object;
}

} // namespace

Report report_run(const RunResult& result, const ir::Kernel& kernel,
                  const verify::Operands& operands) {
  const bool color = stdout_takes_color();
  std::string text = facts_of(result, kernel, color);
  if (!result.outputs.empty())
    text += '\n' + verification(result, kernel, operands, color);
  return {wrong_elements(result) == 0 ? kDone : kFailed, std::move(text),
          dump_json(to_json(result, kernel, operands))};
}

} // namespace swage::cli
