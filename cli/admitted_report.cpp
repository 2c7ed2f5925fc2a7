// admitted_report.cpp -- what reports say about results that the stated error bounds allow.
#include "cli/admitted_report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ir/number.hpp"

namespace swage::cli {

nlohmann::ordered_json json_number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
}

nlohmann::ordered_json json_value(DType type, std::uint64_t bits) {
  const ir::Scalar value = ir::decode(type, bits);
  if (is_float(type))
    return json_number(static_cast<double>(value.real));
  return value.integer;
}

nlohmann::ordered_json json_inputs(const verify::ShownElement& element,
                                   std::span<const ir::Param> params) {
  nlohmann::ordered_json inputs = nlohmann::ordered_json::object();
  for (std::size_t p = 0; p < params.size(); ++p)
    if (params[p].kind != ir::ParamKind::out)
      inputs[params[p].name] = json_value(params[p].dtype, element.inputs[p]);
  return inputs;
}

std::string format_inputs(const verify::ShownElement& element, std::span<const ir::Param> params) {
  std::string inputs;
  for (std::size_t p = 0; p < params.size(); ++p)
    if (params[p].kind != ir::ParamKind::out)
      inputs += fmt::format("{}{} {}", inputs.empty() ? "" : ", ", params[p].name,
                            format_value(params[p].dtype, element.inputs[p]));
  return inputs;
}

std::string admitted_line(std::span<const std::int64_t> by_reason,
                          const std::optional<verify::ShownElement>& worst,
                          std::span<const ir::Param> params, DType type) {
  if (!worst)
    return {};
  std::string reasons;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < by_reason.size(); ++i) {
    total += by_reason[i];
    if (by_reason[i] > 0)
      reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ",
                             name_of(static_cast<verify::Reason>(i)), format_count(by_reason[i]));
  }
  return fmt::format("admitted {}: {}; at most {} ulp: got {}, expected {}, from {}\n",
                     format_count(total), reasons, format_number(worst->error, 4),
                     format_value(type, worst->got), format_value(type, worst->expected),
                     format_inputs(*worst, params));
}

nlohmann::ordered_json admitted_json(std::span<const std::int64_t> by_reason,
                                     const std::optional<verify::ShownElement>& worst,
                                     std::span<const ir::Param> params, DType type) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < by_reason.size(); ++i) {
    std::string name(name_of(static_cast<verify::Reason>(i)));
    std::replace(name.begin(), name.end(), ' ', '_');
    object[name] = by_reason[i];
  }
  if (worst)
    object["worst"] = {{"ulp", json_number(worst->error)},
                       {"inputs", json_inputs(*worst, params)},
                       {"expected", json_value(type, worst->expected)},
                       {"got", json_value(type, worst->got)}};
  return object;
}

} // namespace swage::cli
