// compile_queue.hpp -- which candidate is compiled next, and which are left out for want of time.
#pragma once

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

/// Jobs for several threads, to be done within so many seconds. Until one is done, and it is known
/// how long they take, the likeliest are given out, and then the longest, so that none is left for
/// one thread in the end. What will not be done in time is left out, the unlikeliest first.
class CompileQueue {
public:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  /// `jobs`: the likeliest first. `seconds`: from the first `take` on.
  CompileQueue(std::vector<CompileJob> jobs, double seconds, int threads);

  /// What to compile next, `elapsed` seconds after the start; none if nothing is left.
  std::optional<CompileJob> take(double elapsed);
  /// `job` took a thread so many seconds.
  void done(const CompileJob& job, double seconds);
  /// The code lines that `take` will never give out.
  std::vector<std::string> left_out() const;

private:
  struct Waiting {
    CompileJob job;
    bool is_due = false; ///< one of kCompiledAtLeast
  };
  void leave_out_what_is_late(double elapsed);

  mutable std::mutex mutex_;
  std::vector<Waiting> waiting_; ///< the likeliest first
  std::vector<std::string> left_out_;
  const double seconds_;
  const int threads_;
  double done_seconds_ = 0, done_weight_ = 0; ///< of all that is done
};

} // namespace swage::tune
