// run_report.hpp -- what `swage run` says about a run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/kernel_text.hpp"
#include "cli/shape.hpp"
#include "cli/verbs.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/measure/timing.hpp"
#include "runtime/verify/compare.hpp"
#include "runtime/verify/operands.hpp"

namespace swage::cli {

struct RunResult {
  KernelText text;
  DeviceInfo device;
  Shape shape;
  launch::CallDescription plan;
  double first_call = 0;                           ///< seconds to compile and load
  std::vector<verify::OutputComparison> outputs{}; ///< empty: not verified
  std::vector<std::string> output_files{};         ///< written
  std::optional<measure::LaunchTime> time{};
};

/// Fails when an element is wrong.
Report report_run(const RunResult& result, const ir::Kernel& kernel,
                  const verify::Operands& operands);

} // namespace swage::cli
