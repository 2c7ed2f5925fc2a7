// verify_report.hpp -- what `swage verify` says about a kernel's errors.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "cli/compare.hpp"
#include "cli/gradient_check.hpp"
#include "cli/kernel_text.hpp"
#include "cli/verbs.hpp"

namespace swage::cli {

/// The worst element of one launch.
struct VerifyElement {
  ShownElement element;
  bool wrong = false;
};

/// One output over all launches.
struct VerifyOutput {
  std::size_t param = 0;
  double limit = 0; ///< ulp
  std::int64_t checked = 0;
  double max_error = 0;
  std::int64_t misrounded = 0, admitted = 0, wrong = 0;
  std::array<std::int64_t, kReasonCount> admitted_by{}; ///< by Reason
  ErrorHistogram histogram{};
  std::vector<VerifyElement> worst{}; ///< wrong ones first, then by error
  std::optional<ShownElement> worst_admitted{};
};

struct VerifyResult {
  KernelText text;
  DeviceInfo device;
  bool exhaustive = false;
  std::string where; ///< empty: all inputs count
  std::int64_t inputs = 0;
  std::vector<VerifyOutput> outputs;
  std::optional<GradientCheck> gradient; ///< of a kernel that is declared as one
};

/// Fails when an element or a slope is wrong.
Report report_verify(const VerifyResult& result, const ir::Kernel& kernel);

} // namespace swage::cli
