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

/// The candidates that a search compiles in any case: the likeliest that take at most twice as long
/// as the first.
inline constexpr std::size_t kCompiledAtLeast = 8;

struct CompileJob {
  std::string line; ///< codegen::code_line
  codegen::Schedule schedule;
  double weight = 1; ///< what its time to compile follows, in any unit
};

/// Jobs for several threads, to be done within so many seconds. The likeliest are given out until
/// one is done, and it is known how long they take; then, of as many of the likeliest as there is
/// time for, the longest, so that none is left for one thread in the end.
class CompileQueue {
public:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  /// `jobs`: the likeliest first. `now`: seconds since the start, of which there are `seconds`.
  CompileQueue(std::vector<CompileJob> jobs, double seconds, std::function<double()> now);

  /// What to compile next; none if there is no time for what is left. Waits while none is done and
  /// all that are compiled in any case are under way.
  std::optional<CompileJob> take();
  /// `job`, which was taken, took a thread so many seconds; whatever came of it.
  void done(const CompileJob& job, double seconds);
  /// How many were not given out.
  std::size_t waiting() const;

private:
  struct Waiting {
    CompileJob job;
    bool is_due = false; ///< compiled in any case
  };
  bool is_known() const noexcept { return done_ > 0; } ///< how long they take
  std::vector<Waiting>::iterator next();

  mutable std::mutex mutex_;
  std::condition_variable first_done_;
  std::vector<Waiting> waiting_; ///< the likeliest first
  const double seconds_;
  const std::function<double()> now_;
  double thread_seconds_ = 0;       ///< of all that is done
  double done_ = 0, under_way_ = 0; ///< weights
  /// Weight that all threads together compile in a second, when the last one was done: more threads
  /// than cores, or than the driver compiles for, are no faster. What is under way is half done
  /// then.
  double of_a_second_ = 0;
  double ahead_ = 0; ///< weight of what was taken that was still to be done then, or came since
};

} // namespace swage::tune
