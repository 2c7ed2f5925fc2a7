// certificate.cpp -- what `swage certify` states about a kernel.
#include "cli/certificate.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/admitted_report.hpp"
#include "cli/command.hpp"
#include "cli/gradient_report.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ir/passes.hpp"

namespace swage::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

bool any_wrong(const Certificate& certificate) {
  return (certificate.gradient && certificate.gradient->wrong > 0) ||
         std::any_of(certificate.outputs.begin(), certificate.outputs.end(),
                     [](const CertifiedOutput& output) { return output.wrong > 0; });
}

std::string standing(const verify::Agreement& agreement) {
  const std::int64_t differ = agreement.checked - agreement.equal;
  return differ == 0 ? "equal" : format_count(differ) + " differ";
}

OrderedJson to_json(const verify::Agreement& agreement, std::span<const ir::Param> params,
                    DType type) {
  OrderedJson object = {{"checked", agreement.checked},
                        {"equal", agreement.equal},
                        {"differ", agreement.checked - agreement.equal}};
  if (agreement.first)
    object["first"] = {{"inputs", json_inputs(*agreement.first, params)},
                       {"reference", json_value(type, agreement.first->expected)},
                       {"got", json_value(type, agreement.first->got)}};
  return object;
}

OrderedJson to_json(const CertifiedOutput& output, const Certificate& certificate,
                    const ir::Kernel& kernel) {
  const ir::Param& param = kernel.params()[output.param];
  OrderedJson object = {{"name", param.name},
                        {"dtype", name_of(param.dtype)},
                        {"max_ulp", json_number(output.max_ulp)},
                        {"misrounded", output.evaluator.checked - output.evaluator.equal},
                        {"admitted", output.admitted},
                        {"wrong", output.wrong}};
  if (output.worst)
    object["worst"] = {{"inputs", json_inputs(*output.worst, kernel.params())},
                       {"expected", json_value(param.dtype, output.worst->expected)},
                       {"got", json_value(param.dtype, output.worst->got)}};
  object["evaluator"] = to_json(output.evaluator, kernel.params(), param.dtype);
  for (std::size_t m = 0; m < kReferenceModes.size(); ++m)
    if (certificate.missing[m].empty())
      object[std::string(ir::name_of(kReferenceModes[m]))] =
          to_json(output.modes[m], kernel.params(), param.dtype);
  return object;
}

OrderedJson to_json(const Certificate& certificate, const ir::Kernel& kernel) {
  OrderedJson object = {{"kernel", kernel.name()},
                        {"text", ir::print(kernel)},
                        {"bindings", format_bindings(certificate.text.bindings)},
                        {"math", ir::name_of(kernel.math())},
                        {"device",
                         {{"id", certificate.device.id},
                          {"name", certificate.device.name},
                          {"target", certificate.device.target}}},
                        {"inputs", certificate.inputs},
                        {"exhaustive", certificate.exhaustive}};
  if (!certificate.exhaustive)
    object["seed"] = certificate.seed;
  object["certified"] = !any_wrong(certificate);
  for (const CertifiedOutput& output : certificate.outputs)
    object["outputs"].push_back(to_json(output, certificate, kernel));
  for (std::size_t m = 0; m < kReferenceModes.size(); ++m)
    if (!certificate.missing[m].empty())
      object["not_compared"][std::string(ir::name_of(kReferenceModes[m]))] = certificate.missing[m];
  if (certificate.gradient)
    object["gradient"] = gradient_json(*certificate.gradient, kernel);
  return object;
}

std::string note(const ir::Param& param, std::string_view what, const verify::ShownElement& element,
                 const ir::Kernel& kernel) {
  return fmt::format("{} {}: got {}, reference {}, from {}\n", param.name, what,
                     format_value(param.dtype, element.got),
                     format_value(param.dtype, element.expected),
                     format_inputs(element, kernel.params()));
}

std::string to_text(const Certificate& certificate, const ir::Kernel& kernel) {
  const std::string bindings = format_bindings(certificate.text.bindings);
  std::string text =
      fmt::format("{}{}{} in {} mode on {} ({}, {}), {} inputs, {}\n\n", kernel.name(),
                  bindings.empty() ? "" : " ", bindings, ir::name_of(kernel.math()),
                  certificate.device.id, certificate.device.name, certificate.device.target,
                  format_count(certificate.inputs), certificate.exhaustive ? "all" : "random");
  std::vector<Table::Column> columns = {{"output"}, {"correctly rounded", Align::right}};
  for (const ir::MathMode mode : kReferenceModes)
    columns.push_back({std::string(ir::name_of(mode)), Align::right});
  columns.push_back({"max ulp", Align::right});
  columns.push_back({"wrong", Align::right});
  Table table(columns);
  std::string notes;
  for (const CertifiedOutput& output : certificate.outputs) {
    const ir::Param& param = kernel.params()[output.param];
    std::vector<Cell> cells = {Cell(param.name), Cell(standing(output.evaluator))};
    if (output.worst)
      notes += note(param, "is farthest from the exact value", *output.worst, kernel);
    for (std::size_t m = 0; m < kReferenceModes.size(); ++m) {
      const bool compared = certificate.missing[m].empty();
      cells.emplace_back(compared ? standing(output.modes[m]) : "-");
      if (output.modes[m].first)
        notes += note(param, fmt::format("first differs from {}", ir::name_of(kReferenceModes[m])),
                      *output.modes[m].first, kernel);
    }
    cells.emplace_back(format_number(output.max_ulp, 4));
    cells.emplace_back(format_count(output.wrong), output.wrong > 0 ? Tone::bad : Tone::good);
    table.row(std::move(cells));
  }
  for (std::size_t m = 0; m < kReferenceModes.size(); ++m)
    if (!certificate.missing[m].empty())
      notes += fmt::format("not compared with {}: {}\n", ir::name_of(kReferenceModes[m]),
                           certificate.missing[m]);
  if (certificate.gradient)
    notes += gradient_lines(*certificate.gradient, kernel);
  return text + table.render(stdout_takes_color()) + notes;
}

} // namespace

Report report_certificate(const Certificate& certificate, const ir::Kernel& kernel) {
  const bool failed = any_wrong(certificate);
  return {failed ? kFailed : kDone,
          to_text(certificate, kernel) + (failed ? "NOT certified\n" : "certified\n"),
          dump_json(to_json(certificate, kernel))};
}

} // namespace swage::cli
