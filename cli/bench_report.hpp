// bench_report.hpp -- what `swage bench` says: the first call, a launch, and times by shape.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cli/kernel_text.hpp"
#include "cli/shape.hpp"
#include "cli/verbs.hpp"
#include "runtime/measure/first_call.hpp"
#include "runtime/measure/timing.hpp"

namespace swage::cli {

struct BenchShape {
  Shape shape;
  std::int64_t elements = 0;
  std::int64_t bytes = 0; ///< of one launch
  int sets = 1;           ///< of arguments, taken in turn
  bool in_cache = false;  ///< all sets together fit the last-level cache
  measure::LaunchTime time{};
};

struct BenchResult {
  KernelText text;
  DeviceInfo device;
  Shape small{}; ///< of the first call and of the launches on the host
  measure::FirstCallTimes first_call{};
  std::optional<measure::WarmCallTimes> warm_call{}; ///< not where no temporary file can be
  measure::LaunchOverhead overhead{};
  double bandwidth = 0; ///< bytes a second, measured; 0: not measured
  std::vector<BenchShape> shapes{};
};

Report report_bench(const BenchResult& result, const ir::Kernel& kernel);

} // namespace swage::cli
