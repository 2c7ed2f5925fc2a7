// gradient_report.cpp -- what reports say about a derived gradient's slopes.
#include "cli/gradient_report.hpp"

#include <fmt/format.h>

#include "cli/admitted_report.hpp"
#include "cli/units.hpp"

namespace swage::cli {

std::optional<verify::GradientCheck> check_declared_gradient(const KernelText& text,
                                                             const ir::Kernel& derived) {
  const ir::KernelDeclaration& declared = text.declaration();
  if (declared.gradient_of.empty())
    return std::nullopt;
  const ir::Kernel forward =
      ir::load_kernel(text.source(), declared.gradient_of, text.bindings, text.math);
  if (!ir::is_elementwise(forward) ||
      !ir::is_elementwise(derived)) // slopes are taken element by element
    return std::nullopt;
  return verify::check_gradient(forward, derived, declared.gradient_items);
}

std::string gradient_lines(const verify::GradientCheck& check, const ir::Kernel& derived) {
  std::string lines = fmt::format(
      "gradient of {}: {} slopes checked by differences, {} unclear, {} wrong\n", check.forward,
      format_count(check.checked), format_count(check.unclear), format_count(check.wrong));
  if (!check.first)
    return lines;
  lines += fmt::format("wrong by {}: got {:.9g}, slope {:.9g}, from", check.first->of,
                       check.first->got, check.first->slope);
  for (std::size_t p = 0; p < derived.params().size(); ++p)
    if (derived.params()[p].kind != ir::ParamKind::out)
      lines += fmt::format(" {} {:.9g}", derived.params()[p].name, check.first->inputs[p]);
  return lines + '\n';
}

nlohmann::ordered_json gradient_json(const verify::GradientCheck& check,
                                     const ir::Kernel& derived) {
  nlohmann::ordered_json object = {{"of", check.forward},
                                   {"checked", check.checked},
                                   {"unclear", check.unclear},
                                   {"wrong", check.wrong}};
  if (check.first) {
    nlohmann::ordered_json inputs;
    for (std::size_t p = 0; p < derived.params().size(); ++p)
      if (derived.params()[p].kind != ir::ParamKind::out)
        inputs[derived.params()[p].name] = json_number(check.first->inputs[p]);
    object["first"] = {{"by", check.first->of},
                       {"inputs", inputs},
                       {"got", json_number(check.first->got)},
                       {"slope", json_number(check.first->slope)}};
  }
  return object;
}

} // namespace swage::cli
