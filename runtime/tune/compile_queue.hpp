// compile_queue.hpp -- which candidate is compiled next, and which are left out for want of time.
#pragma once

#include <condition_variable>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "codegen/schedule.hpp"

namespace swage::tune {

/// The candidates that a search compiles in any case: the likeliest.
inline constexpr std::size_t kCompiledAtLeast = 8;

struct CompileJob {
  std::string line; ///< codegen::code_line
  codegen::Schedule schedule;
  double weight = 1; ///< what its time to compile follows, in any unit
};

/// Jobs for several threads, to be done within so many seconds. The likeliest are given out until
/// one is done, and it is known how long they take; then the longest, so that none is left for one
/// thread in the end. What will not be done in time is left out, the unlikeliest first.
class CompileQueue {
public:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  /// `jobs`: the likeliest first. `now`: seconds since the start, of which there are `seconds`.
  CompileQueue(std::vector<CompileJob> jobs, double seconds, int threads,
               std::function<double()> now);

  /// What to compile next, none if nothing is left. Waits while kCompiledAtLeast are under way and
  /// it is not known how long they take.
  std::optional<CompileJob> take();
  /// `job`, which was taken, took a thread so many seconds; whatever came of it.
  void done(const CompileJob& job, double seconds);
  /// The code lines that `take` will never give out.
  std::vector<std::string> left_out() const;

private:
  struct Waiting {
    CompileJob job;
    bool is_due = false; ///< one of kCompiledAtLeast
  };
  void leave_out_what_is_late();

  mutable std::mutex mutex_;
  std::condition_variable first_done_;
  std::vector<Waiting> waiting_; ///< the likeliest first
  std::vector<std::string> left_out_;
  const double seconds_;
  const int threads_;
  const std::function<double()> now_;
  std::size_t taken_ = 0;
  double done_seconds_ = 0, done_weight_ = 0; ///< of all that is done
};

} // namespace swage::tune
