// facts.cpp -- the lines over a report: what was run, and where.
#include "cli/facts.hpp"

#include <fmt/format.h>

namespace swage::cli {

Facts::Facts(const KernelText& text, const ir::Kernel& kernel, const DeviceInfo& device) {
  const std::string bindings = format_bindings(text.bindings);
  add("kernel", fmt::format("{}{}{}  {}", kernel.name(), bindings.empty() ? "" : "  ", bindings,
                            ir::name_of(kernel.math())));
  add("device", fmt::format("{}  {}", device.id, device.name));
}

void Facts::add(const char* name, std::string value) {
  table_.row({Cell(name, Tone::faint), Cell(std::move(value))});
}

} // namespace swage::cli
