// stopping.cpp -- when a candidate drops out, and when the search ends.
#include "runtime/tune/stopping.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace swage::tune {

namespace {

std::string microseconds(double seconds) {
  return fmt::format("{:.2f} us", 1e6 * seconds);
}

/// The running candidates that were measured, by what `of` makes of each.
template <class Of>
std::vector<std::size_t> ranking_by(const std::vector<Candidate>& candidates, Of of) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (candidates[i].runs() && !candidates[i].seconds.empty())
      order.emplace_back(of(candidates[i]), i);
  std::sort(order.begin(), order.end());
  std::vector<std::size_t> result;
  for (const auto& [seconds, i] : order)
    result.push_back(i);
  return result;
}

constexpr int kRoundsByFastest = 2;

base::Middle middle_for(const codegen::Schedule& schedule) {
  return std::holds_alternative<codegen::CudaSchedule>(schedule) ? base::Middle::mean
                                                                 : base::Middle::median;
}

base::Estimate estimate(const Candidate& candidate) {
  return base::estimate_of(candidate.seconds, middle_for(candidate.schedule));
}

/// Those that may yet win first: what loses in one place much of what it gains in the other comes
/// behind what does not. A candidate whose launches at times get in each other's way, and at times
/// do not, has not lost by a few samples: after few rounds its lowest counts, then its middle less
/// the standard error. On the CPU what is far off was interrupted.
std::vector<std::size_t> ranking_by_hope(const std::vector<Candidate>& candidates, int round) {
  std::vector<std::size_t> order = ranking_by(candidates, [&](const Candidate& each) {
    if (round <= kRoundsByFastest)
      return std::ranges::min(each.seconds);
    const base::Estimate time = estimate(each);
    const bool two_modes = middle_for(each.schedule) == base::Middle::mean;
    return two_modes ? time.middle - time.error : time.middle;
  });
  put_losers_last(order, candidates);
  return order;
}

} // namespace

double seconds_of(const Candidate& candidate) {
  return estimate(candidate).middle;
}

Gains gains_over(const Candidate& base, const Candidate& candidate) {
  const base::Middle middle = middle_for(candidate.schedule);
  return {base::gain_of(base.seconds, candidate.seconds, middle),
          base::gain_of(base.in_memory, candidate.in_memory, middle),
          base::gain_of(base.in_cache, candidate.in_cache, middle)};
}

std::vector<std::size_t> ranking(const std::vector<Candidate>& candidates) {
  return ranking_by(candidates, seconds_of);
}

double allowed_lag(int round, double noise) {
  const double lag = round <= 1 ? 0.25 : round == 2 ? 0.10 : round == 3 ? 0.05 : 0.02;
  return std::max(lag, 2 * noise);
}

int allowed_count(int round) {
  return round <= 1 ? 48 : round == 2 ? 24 : round <= 4 ? 16 : 8;
}

void put_losers_last(std::vector<std::size_t>& order, const std::vector<Candidate>& candidates) {
  std::ranges::stable_partition(order, [&](std::size_t i) {
    return !gains_over(candidates[0], candidates[i]).loses_somewhere();
  });
}

std::size_t best_of(const std::vector<Candidate>& candidates) {
  const std::vector<std::size_t> order = ranking(candidates);
  return order.empty() ? 0 : order.front();
}

std::string what_is_gained(const Gains& gains) {
  const auto faster = [](const base::Gain& gain) {
    return fmt::format("{:.1f} % {}", 100 * std::abs(gain.middle),
                       gain.middle < 0 ? "slower" : "faster");
  };
  return gains.in_memory.middle == gains.in_cache.middle // there is one place
             ? fmt::format("{} than the default", faster(gains.all))
             : fmt::format("beside the default {} in memory, {} in the cache",
                           faster(gains.in_memory), faster(gains.in_cache));
}

bool surely_loses(const Candidate& base, const Candidate& candidate) {
  return candidate.seconds.size() > kRoundsByFastest &&
         gains_over(base, candidate).surely_loses_somewhere();
}

void eliminate(std::vector<Candidate>& candidates, int round, double noise) {
  if (candidates.empty() || candidates[0].seconds.empty())
    return;
  const Candidate& by_default = candidates[0];
  // The best of those that may win: what loses in one place much of what it gains in the other must
  // not drop those that do not.
  double best = seconds_of(by_default);
  for (Candidate& candidate : candidates) {
    if (!candidate.runs() || candidate.seconds.empty() || &candidate == &by_default)
      continue;
    const Gains gains = gains_over(by_default, candidate);
    if (surely_loses(by_default, candidate))
      candidate.eliminated = what_is_gained(gains);
    else if (!gains.loses_somewhere())
      best = std::min(best, seconds_of(candidate));
  }
  const std::vector<std::size_t> order = ranking_by_hope(candidates, round);
  const double lag = allowed_lag(round, noise);
  int kept = 0;
  for (const std::size_t i : order) {
    if (i == 0)
      continue;
    Candidate& candidate = candidates[i];
    const double fastest = std::ranges::min(candidate.seconds);
    if (fastest > best * (1 + lag))
      candidate.eliminated =
          fmt::format("{} at best after {} round{}: {:.0f} % behind the best, {:.0f} % are allowed",
                      microseconds(fastest), round, round == 1 ? "" : "s",
                      100 * (fastest / best - 1), 100 * lag);
    else if (++kept > allowed_count(round))
      candidate.eliminated =
          fmt::format("{}: outranked after {} round{} by {} others", microseconds(fastest), round,
                      round == 1 ? "" : "s", allowed_count(round));
  }
}

std::string reason_to_stop(const std::vector<Candidate>& candidates, const Progress& progress) {
  const auto running = std::count_if(candidates.begin(), candidates.end(),
                                     [](const Candidate& each) { return each.runs(); });
  if (running <= 1)
    return "only the default is left";
  if (progress.roofline > 0 && progress.rounds >= kRoundsBeforeRoofline &&
      progress.bytes_per_second >= kRooflineReached * progress.roofline)
    return "the best has reached the roofline";
  if (progress.rounds >= kMaxRounds)
    return fmt::format("{} rounds measured", kMaxRounds);
  if (progress.elapsed >= progress.budget)
    return "the budget is spent";
  return {};
}

} // namespace swage::tune
