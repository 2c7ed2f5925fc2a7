// stopping.hpp -- when a candidate drops out, and when the search ends.
#pragma once

#include <string>
#include <vector>

#include "codegen/schedule.hpp"
#include "runtime/base/statistics.hpp"

namespace swage::tune {

/// What the code of a schedule takes of a GPU's multiprocessor.
struct Occupancy {
  int registers = 0;   ///< a thread
  int local_bytes = 0; ///< a thread: spilled
  int blocks = 0;      ///< at once
};

/// One schedule in the race.
struct Candidate {
  codegen::Schedule schedule;
  Occupancy occupancy{};         ///< of a CUDA schedule
  std::vector<double> seconds{}; ///< of one launch, by round: in memory and in the cache, the mean
  std::vector<double> in_memory{}, in_cache{}; ///< the same apart
  std::string eliminated{};                    ///< why it dropped out; empty while it runs
  bool runs() const noexcept { return eliminated.empty(); }
};

/// The middle of its samples; 0 where there are none.
double seconds_of(const Candidate& candidate);

/// How much faster a candidate is than another, sample by sample.
struct Gains {
  base::Gain all, in_memory, in_cache;
  /// What the gain in the other place does not pay for.
  bool loses_somewhere() const noexcept {
    return in_memory.is_loss_beside(in_cache) || in_cache.is_loss_beside(in_memory);
  }
  bool surely_loses_somewhere() const noexcept {
    return in_memory.is_sure_loss_beside(in_cache) || in_cache.is_sure_loss_beside(in_memory);
  }
};
Gains gains_over(const Candidate& base, const Candidate& candidate);

/// Share by which the fastest sample of a candidate may lie behind the best middle after `round`
/// rounds. The first sample is taken with cold caches of every kind, so it alone drops only what is
/// far behind; twice the noise of the default is never held against anybody.
double allowed_lag(int round, double noise);

/// How many may run on after `round` rounds: time goes to those that might win.
int allowed_count(int round);

/// Drops those that surely lose somewhere, those behind the best of the others, and those too many,
/// each with its reason; never candidate 0, the default, which every other is compared with to the
/// end.
void eliminate(std::vector<Candidate>& candidates, int round, double noise);

/// The running candidates that were measured, the fastest first.
std::vector<std::size_t> ranking(const std::vector<Candidate>& candidates);
/// What seems to lose somewhere beside the default comes behind what does not, else in its order.
void put_losers_last(std::vector<std::size_t>& order, const std::vector<Candidate>& candidates);
/// The first of `ranking`; the default where there is none.
std::size_t best_of(const std::vector<Candidate>& candidates);

/// In words, for a candidate that the default is not left for.
std::string what_is_gained(const Gains& gains);

/// Whether `candidate` is slower than the default, `base`, in memory or in the cache, by more than
/// noise and than what it gains in the other pays for. After few rounds nothing says so.
bool surely_loses(const Candidate& base, const Candidate& candidate);

inline constexpr int kMaxRounds = 11;
/// Nothing to be gained above this share of the measured roofline.
inline constexpr double kRooflineReached = 0.98;
inline constexpr int kRoundsBeforeRoofline = 3;

struct Progress {
  int rounds = 0;
  double elapsed = 0, budget = 0; ///< seconds
  double bytes_per_second = 0;    ///< of the best
  double roofline = 0;            ///< 0: not known
};
/// Why the search is over: "budget spent", ...; empty: go on.
std::string reason_to_stop(const std::vector<Candidate>& candidates, const Progress& progress);

} // namespace swage::tune
