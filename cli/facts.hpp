// facts.hpp -- the lines over a report: what was run, and where.
#pragma once

#include <string>

#include "cli/kernel_text.hpp"
#include "cli/table.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

/// Names and what they stand for, a line each. Begins with the kernel, its bindings and its
/// arithmetic, and the device.
class Facts {
public:
  Facts(const KernelText& text, const ir::Kernel& kernel, const DeviceInfo& device);

  void add(const char* name, std::string value);
  std::string render(bool color) const { return table_.render(color); }

private:
  Table table_{{{""}, {""}}};
};

} // namespace swage::cli
