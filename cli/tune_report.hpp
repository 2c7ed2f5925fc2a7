// tune_report.hpp -- what `swage tune` says: a table, JSON, and a page of HTML.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/kernel_text.hpp"
#include "cli/shape.hpp"
#include "cli/verbs.hpp"
#include "runtime/tune/tuner.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

struct TunedShape {
  Shape shape;
  std::string step; ///< the kernel of one, of a kernel that is computed in steps; else empty
  tune::TuneReport report;
};

struct TuneRun {
  KernelText text;
  std::string kernel; ///< its name
  std::string math;
  DeviceInfo device;
  std::vector<TunedShape> shapes;
  std::string records;  ///< file that they went to; empty: none
  bool measured = true; ///< false: --dry-run
  double seconds = 0;   ///< from the first shape to the last
};

/// The keys in which `schedule` differs from `base`, "threads=128 dependent=1"; "-" where in none.
std::string schedule_changes(const codegen::Schedule& schedule, const codegen::Schedule& base);

std::string tune_text(const TuneRun& run, bool verbose, bool color);
nlohmann::ordered_json tune_json(const TuneRun& run);
/// One self-contained page: nothing in it is fetched.
std::string tune_html(const TuneRun& run);

} // namespace swage::cli
