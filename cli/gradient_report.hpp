// gradient_report.hpp -- what reports say about a derived gradient's slopes.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/kernel_text.hpp"
#include "runtime/verify/gradient_check.hpp"

namespace swage::cli {

/// check_gradient for a kernel that its text declares as a gradient; nothing for another.
std::optional<verify::GradientCheck> check_declared_gradient(const KernelText& text,
                                                             const ir::Kernel& derived);

/// "gradient of f: 4 000 slopes checked by differences, 96 unclear, 0 wrong\n", and the first
/// wrong.
std::string gradient_lines(const verify::GradientCheck& check, const ir::Kernel& derived);
nlohmann::ordered_json gradient_json(const verify::GradientCheck& check, const ir::Kernel& derived);

} // namespace swage::cli
