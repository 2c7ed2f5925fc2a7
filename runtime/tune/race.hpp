// race.hpp -- candidates measured round by round until one is known to be fastest.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/tune/sampling.hpp"
#include "runtime/tune/tuner.hpp"

namespace swage::tune {

/// Fills in what measuring finds out: noise, samples, the winner.
class Race {
public:
  Race(TuneReport& report, const CandidateCode& code, Sampler& sampler, const TunerOptions& options,
       double budget);

  /// Measures the default alone. Throws Error(unsupported) if it spreads beyond `limit`.
  void check_noise(double limit);
  /// All candidates once, then those left again and again.
  void run();
  /// The winner against the default in rounds of their own: a best of many is partly luck, and what
  /// made it best does not count again here. It has to win in the mean, and to lose neither in
  /// memory nor in the cache; else the next has its turn, last those that seem to lose so far, up
  /// to three while the budget lasts. The budget holds one such comparison back.
  void confirm();

private:
  double elapsed() const;
  bool attempt(std::size_t i, const std::function<void(Candidate&)>& what);
  bool enter(std::size_t i);
  double take(std::size_t i) { return sampler_.sample(numbers_[i]).mean(); }
  void record(std::size_t i, const std::function<void()>& meanwhile);
  std::size_t enter_next(std::size_t i);
  bool beats_default(std::size_t i);
  void screen();
  void measure(const std::vector<std::size_t>& order);
  void tell(double share, std::string_view what) const;

  TuneReport& report_;
  const CandidateCode& code_;
  Sampler& sampler_;
  const TunerOptions& options_;
  const double budget_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double estimate_ = 0;              ///< seconds of the default
  double comparison_seconds_ = 0;    ///< that beats_default takes
  std::vector<std::size_t> numbers_; ///< by candidate: its number at the sampler
};

} // namespace swage::tune
