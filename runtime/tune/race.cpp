// race.cpp -- candidates measured round by round until one is known to be fastest.
#include "runtime/tune/race.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::tune {

namespace {

constexpr int kNoiseSamples = 9;
constexpr int kNoiseAttempts = 3;
constexpr int kConfirmRounds = 15;
constexpr std::size_t kConfirmed = 3;
/// Tensors stay at their places for so many rounds: to make graphs takes longer than to run them.
constexpr int kRoundsOfPlaces = 2, kConfirmRoundsOfPlaces = 3;
/// Screening leaves this share of the budget to the rounds after it.
constexpr double kScreeningShare = 0.6;
constexpr std::size_t kScreenedAtLeast = 8;
constexpr std::size_t kNone = ~std::size_t{0};

/// Puts `sample` with those of `candidate`.
void add(Candidate& candidate, const Sample& sample) {
  candidate.seconds.push_back(sample.mean());
  candidate.in_memory.push_back(sample.in_memory);
  candidate.in_cache.push_back(sample.in_cache);
}

} // namespace

Race::Race(TuneReport& report, const CandidateCode& code, Sampler& sampler,
           const TunerOptions& options, double budget)
    : report_(report), code_(code), sampler_(sampler), options_(options), budget_(budget),
      numbers_(report.candidates.size(), kNone) {}

double Race::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Race::tell(double share, std::string_view what) const {
  if (options_.progress)
    options_.progress(share, what);
}

/// What is done with a candidate; false if it cannot be launched, and drops out. The default does
/// not: its error is the search's.
bool Race::attempt(std::size_t i, const std::function<void(Candidate&)>& what) {
  Candidate& candidate = report_.candidates[i];
  try {
    what(candidate);
    return true;
  } catch (const Error& error) {
    if (i == 0)
      throw;
    candidate.eliminated = fmt::format("cannot be launched: {}", error.what());
    return false;
  }
}

/// Takes a candidate up; false if it cannot be launched.
bool Race::enter(std::size_t i) {
  return attempt(i, [&](const Candidate& candidate) {
    numbers_[i] = sampler_.add(code_.plan(candidate.schedule), estimate_);
  });
}

/// The first from `i` on that can be launched, taken up; their number if there is none.
std::size_t Race::enter_next(std::size_t i) {
  while (i < report_.candidates.size() &&
         !(report_.candidates[i].runs() && (numbers_[i] != kNone || enter(i))))
    ++i;
  return i;
}

/// A sample of this round.
void Race::record(std::size_t i, const std::function<void()>& meanwhile) {
  attempt(i,
          [&](Candidate& candidate) { add(candidate, sampler_.sample(numbers_[i], meanwhile)); });
}

void Race::check_noise(double limit) {
  if (!report_.candidates[0].runs())
    throw Error(ErrorCode::internal, "the default schedule " + report_.candidates[0].eliminated);
  estimate_ = sampler_.estimate(code_.plan(report_.candidates[0].schedule));
  enter(0);
  std::vector<double> samples;
  for (int attempt = 0; attempt < kNoiseAttempts; ++attempt) {
    samples.clear();
    take(0); // warms the code
    double before = elapsed();
    for (int i = 0; i < kNoiseSamples; ++i)
      samples.push_back(take(0));
    const double sample = (elapsed() - before) / kNoiseSamples;
    before = elapsed();
    sampler_.place_anew();
    take(0);
    comparison_seconds_ = 2 * (kConfirmRounds * sample +
                               kConfirmRounds / kConfirmRoundsOfPlaces * (elapsed() - before));
    report_.noise = base::summarise(samples).spread();
    if (report_.noise <= limit || options_.force)
      return;
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("{} is too busy to tune on: repeated launches of the default schedule "
                          "spread by {:.0f} % of their median ({} to {:.2f} us), at most {:.0f} % "
                          "are allowed; stop what else runs there, or force it",
                          report_.key.device, 100 * report_.noise,
                          fmt::format("{:.2f}", 1e6 * base::summarise(samples).low),
                          1e6 * base::summarise(samples).high, 100 * limit));
}

void Race::screen() {
  const std::size_t count = report_.candidates.size();
  for (std::size_t i = enter_next(0), next = i; i < count; i = next) {
    if (i >= kScreenedAtLeast && elapsed() > kScreeningShare * budget_)
      break;
    const bool is_cold = estimate_ < 1e-3 && !sampler_.warms_up(numbers_[i]);
    if (!is_cold || attempt(i, [&](Candidate&) { take(i); })) // warms the code
      record(i, [&] { next = enter_next(i + 1); });
    if (next == i) // its sample failed
      next = enter_next(i + 1);
    ++report_.measured;
    tell(kScreeningShare * static_cast<double>(i + 1) / static_cast<double>(count), "screening");
  }
  for (Candidate& candidate : report_.candidates)
    if (candidate.runs() && candidate.seconds.empty())
      candidate.eliminated = "not measured: the budget was spent on likelier ones";
}

void Race::measure(const std::vector<std::size_t>& order) {
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (!report_.candidates[order[k]].runs())
      continue;
    record(order[k], [&] {
      const std::size_t next = k + 1 < order.size() ? order[k + 1] : 0;
      if (next != 0) // the default's error is not another's
        attempt(next, [&](Candidate&) { sampler_.prepare(numbers_[next]); });
    });
  }
}

void Race::run() {
  screen();
  for (int round = 1;; ++round) {
    report_.rounds = round;
    eliminate(report_.candidates, round, report_.noise);
    const std::size_t best = best_of(report_.candidates);
    const double seconds = seconds_of(report_.candidates[best]);
    report_.stopped =
        reason_to_stop(report_.candidates, {round, elapsed() + comparison_seconds_, budget_,
                                            static_cast<double>(report_.bytes) / seconds,
                                            report_.cached_sets > 0 ? 0 : report_.roofline});
    if (!report_.stopped.empty())
      return;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < report_.candidates.size(); ++i)
      if (report_.candidates[i].runs())
        order.push_back(i);
    if (round % kRoundsOfPlaces == 0)
      sampler_.place_anew();
    // Another first one each round: what runs before a candidate must not favour it.
    std::rotate(order.begin(), order.begin() + round % static_cast<int>(order.size()), order.end());
    measure(order);
    tell(std::max(kScreeningShare, std::min(1.0, elapsed() / budget_)), "comparing");
  }
}

/// Whether candidate `i` is taken instead of the default; the report then has its times.
bool Race::beats_default(std::size_t i) {
  Candidate base, winner; // with samples of these rounds alone
  base.schedule = report_.candidates[0].schedule;
  winner.schedule = report_.candidates[i].schedule;
  for (int round = 0; round < kConfirmRounds; ++round) {
    if (round % kConfirmRoundsOfPlaces == 0)
      sampler_.place_anew();
    const auto time = [&](bool of_winner, const std::function<void()>& meanwhile) {
      add(of_winner ? winner : base, sampler_.sample(numbers_[of_winner ? i : 0], meanwhile));
    };
    const bool first = round % 2 == 0;
    time(first, [&] { sampler_.prepare(numbers_[first ? 0 : i]); });
    time(!first, {});
  }
  const base::Summary of_default = base::summarise(base.seconds),
                      of_winner = base::summarise(winner.seconds);
  report_.default_seconds = seconds_of(base);
  const Gains gains = gains_over(base, winner);
  report_.gain = gains.all;
  const bool wins = i != 0 && report_.gain.is_real() && !gains.loses_somewhere();
  if (i != 0 && !wins)
    report_.candidates[i].eliminated =
        !report_.gain.is_real() ? fmt::format("beside the default {:.1f} % faster, noise {:.1f} %",
                                              100 * report_.gain.middle, 100 * report_.gain.noise)
                                : what_is_gained(gains);
  report_.best = report_.candidates[wins ? i : 0].schedule;
  report_.seconds = seconds_of(wins ? winner : base);
  report_.spread = (wins ? of_winner : of_default).spread();
  return wins;
}

void Race::confirm() {
  std::vector<std::size_t> order = ranking(report_.candidates);
  // What ranks behind the default, and more than a few, is not worth the time.
  order.erase(std::find(order.begin(), order.end(), std::size_t{0}), order.end());
  put_losers_last(order, report_.candidates);
  order.resize(std::min(order.size(), kConfirmed));
  report_.improved = false;
  for (std::size_t i = 0; i < order.size() && !report_.improved; ++i)
    if (i == 0 || elapsed() + comparison_seconds_ <= budget_)
      report_.improved = beats_default(order[i]);
  if (order.empty()) {
    beats_default(0); // measures it
    report_.gain = {};
  }
  tell(1, "done");
}

} // namespace swage::tune
