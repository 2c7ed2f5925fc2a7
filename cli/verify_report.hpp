// verify_report.hpp -- what `swage verify` says about a kernel's errors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/kernel_text.hpp"
#include "cli/verbs.hpp"
#include "runtime/verify/gradient_check.hpp"
#include "runtime/verify/sweep_totals.hpp"

namespace swage::cli {

struct VerifyResult {
  KernelText text;
  DeviceInfo device;
  bool exhaustive = false;
  std::string where; ///< empty: all inputs count
  std::int64_t inputs = 0;
  std::vector<verify::SweptOutput> outputs;
  std::optional<verify::GradientCheck> gradient; ///< of a kernel that is declared as one
};

/// Fails when an element or a slope is wrong.
Report report_verify(const VerifyResult& result, const ir::Kernel& kernel);

} // namespace swage::cli
