// admitted_report.hpp -- what reports say about results that the stated error bounds allow.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "runtime/verify/compare.hpp"

namespace swage::cli {

/// A finite number, or "nan", "inf", "-inf": JSON has none of them.
nlohmann::ordered_json json_number(double value);
/// The value of `bits` stored as `type`.
nlohmann::ordered_json json_value(DType type, std::uint64_t bits);
/// What the kernel read at the element, by parameter name.
nlohmann::ordered_json json_inputs(const verify::ShownElement& element,
                                   std::span<const ir::Param> params);

/// "admitted 12: jump 3, cancellation 9; at most 4.5 ulp: got 1, expected 2, from x 3\n"; empty
/// where nothing is admitted.
std::string admitted_line(std::span<const std::int64_t> by_reason,
                          const std::optional<verify::ShownElement>& worst,
                          std::span<const ir::Param> params, DType type);

/// {"jump": 3, ..., "worst": {"ulp": 4.5, "inputs": {...}, "expected": 2, "got": 1}}; the worst is
/// there if one is.
nlohmann::ordered_json admitted_json(std::span<const std::int64_t> by_reason,
                                     const std::optional<verify::ShownElement>& worst,
                                     std::span<const ir::Param> params, DType type);

/// "gate 1.5, up 2".
std::string format_inputs(const verify::ShownElement& element, std::span<const ir::Param> params);

} // namespace swage::cli
