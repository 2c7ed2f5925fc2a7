// verify_report.cpp -- what `swage verify` says about a kernel's errors.
#include "cli/verify_report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/admitted_report.hpp"
#include "cli/command.hpp"
#include "cli/facts.hpp"
#include "cli/gradient_report.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ir/number.hpp"

namespace swage::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

bool any_wrong(const VerifyResult& result) {
  if (result.gradient && result.gradient->wrong > 0)
    return true;
  return std::any_of(result.outputs.begin(), result.outputs.end(),
                     [](const verify::SweptOutput& output) { return output.wrong > 0; });
}

std::string share(std::int64_t count, std::int64_t total) {
  return total == 0 ? ""
                    : fmt::format("{:.4g} %",
                                  100.0 * static_cast<double>(count) / static_cast<double>(total));
}

/// The exact value with more digits than its storage type holds.
std::string exact_text(DType type, const ir::Scalar& exact) {
  return is_float(type) ? fmt::format("{:.17g}", static_cast<double>(exact.real))
                        : fmt::format("{}", exact.integer);
}

std::string facts_of(const VerifyResult& result, const ir::Kernel& kernel, bool color) {
  Facts facts(result.text, kernel, result.device);
  facts.add("inputs", fmt::format("{}, {}", format_count(result.inputs),
                                  result.exhaustive ? "exhaustive" : "random"));
  if (!result.where.empty())
    facts.add("where", result.where);
  return facts.render(color);
}

std::string histogram(const verify::SweptOutput& output, const std::string& name, bool color) {
  Table table({{name + ", ulp"}, {"results", Align::right}, {"share", Align::right}});
  for (std::size_t i = 0; i < verify::ErrorHistogram::kBounds.size(); ++i)
    if (const std::int64_t count = output.histogram.count(i); count > 0)
      table.row(
          {verify::ErrorHistogram::label(i), format_count(count), share(count, output.checked)});
  return table.render(color);
}

std::string summary(const verify::SweptOutput& output) {
  return fmt::format("checked {}, max error {} ulp, not correctly rounded {}, beyond {:g} ulp {} "
                     "({} of them wrong)\n",
                     format_count(output.checked), format_number(output.max_error, 4),
                     format_count(output.misrounded), output.limit,
                     format_count(output.admitted + output.wrong), format_count(output.wrong));
}

std::string worst_inputs(const verify::SweptOutput& output, const ir::Kernel& kernel, bool color) {
  if (output.worst.empty())
    return {};
  std::vector<Table::Column> columns = {{"ulp", Align::right}};
  for (const ir::Param& param : kernel.params())
    if (param.kind != ir::ParamKind::out)
      columns.push_back({param.name, Align::right});
  for (const char* name : {"exact", "expected", "got"})
    columns.push_back({name, Align::right});
  Table table(columns);
  const DType type = kernel.params()[output.param].dtype;
  for (const auto& [element, wrong] : output.worst) {
    std::vector<Cell> cells = {
        Cell(format_number(element.error, 4), wrong ? Tone::bad : Tone::plain)};
    for (std::size_t p = 0; p < kernel.params().size(); ++p)
      if (const ir::Param& param = kernel.params()[p]; param.kind != ir::ParamKind::out)
        cells.emplace_back(format_value(param.dtype, element.inputs[p]));
    cells.emplace_back(exact_text(type, element.exact));
    cells.emplace_back(format_value(type, element.expected));
    cells.emplace_back(format_value(type, element.got));
    table.row(std::move(cells));
  }
  return '\n' + table.render(color);
}

OrderedJson element_json(const verify::SweptElement& worst, DType type, const ir::Kernel& kernel) {
  const verify::ShownElement& element = worst.element;
  return {{"ulp", json_number(element.error)},
          {"wrong", worst.wrong},
          {"inputs", json_inputs(element, kernel.params())},
          {"exact", is_float(type) ? json_number(static_cast<double>(element.exact.real))
                                   : OrderedJson(element.exact.integer)},
          {"expected", json_value(type, element.expected)},
          {"got", json_value(type, element.got)}};
}

OrderedJson output_json(const verify::SweptOutput& output, const ir::Kernel& kernel) {
  const ir::Param& param = kernel.params()[output.param];
  OrderedJson object = {{"name", param.name},
                        {"dtype", name_of(param.dtype)},
                        {"checked", output.checked},
                        {"max_ulp", json_number(output.max_error)},
                        {"misrounded", output.misrounded},
                        {"limit", output.limit},
                        {"admitted", output.admitted},
                        {"admitted_by", admitted_json(output.admitted_by, output.worst_admitted,
                                                      kernel.params(), param.dtype)},
                        {"wrong", output.wrong},
                        {"histogram", OrderedJson::array()},
                        {"worst", OrderedJson::array()}};
  for (std::size_t i = 0; i < verify::ErrorHistogram::kBounds.size(); ++i)
    object["histogram"].push_back({{"up_to_ulp", json_number(verify::ErrorHistogram::kBounds[i])},
                                   {"results", output.histogram.count(i)}});
  for (const verify::SweptElement& worst : output.worst)
    object["worst"].push_back(element_json(worst, param.dtype, kernel));
  return object;
}

OrderedJson to_json(const VerifyResult& result, const ir::Kernel& kernel) {
  OrderedJson object = {
      {"kernel", kernel.name()},
      {"file", result.text.file},
      {"bindings", format_bindings(result.text.bindings)},
      {"math", ir::name_of(kernel.math())},
      {"device",
       {{"id", result.device.id}, {"name", result.device.name}, {"target", result.device.target}}},
      {"exhaustive", result.exhaustive},
      {"inputs", result.inputs}};
  if (!result.where.empty())
    object["where"] = result.where;
  object["verified"] = !any_wrong(result);
  for (const verify::SweptOutput& output : result.outputs)
    object["outputs"].push_back(output_json(output, kernel));
  if (result.gradient)
    object["gradient"] = gradient_json(*result.gradient, kernel);
  return object;
}

} // namespace

Report report_verify(const VerifyResult& result, const ir::Kernel& kernel) {
  const bool color = stdout_takes_color();
  std::string text = facts_of(result, kernel, color);
  for (const verify::SweptOutput& output : result.outputs)
    text += '\n' + histogram(output, kernel.params()[output.param].name, color) + summary(output) +
            admitted_line(output.admitted_by, output.worst_admitted, kernel.params(),
                          kernel.params()[output.param].dtype) +
            worst_inputs(output, kernel, color);
  if (result.gradient)
    text += '\n' + gradient_lines(*result.gradient, kernel);
  text += any_wrong(result) ? "NOT verified\n" : "verified\n";
  return {any_wrong(result) ? kFailed : kDone, std::move(text), dump_json(to_json(result, kernel))};
}

} // namespace swage::cli
