// tune.cpp -- Kernel::tune of the public API.
#include "runtime/tune/tuner.hpp"

namespace swage {

TuneResult Kernel::tune(std::span<const Arg> arguments, const TuneOptions& options) const {
  tune::Tuner tuner(KernelAccess::state(*this));
  const tune::TuneReport report = tuner.tune(
      arguments,
      {.budget = options.budget_seconds, .force = options.force, .record = options.record});
  return {codegen::canonical(report.best),
          codegen::canonical(report.default_schedule),
          report.seconds,
          report.default_seconds,
          report.spread,
          report.bytes,
          report.roofline,
          report.measured,
          report.improved};
}

} // namespace swage
