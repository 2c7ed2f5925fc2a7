// race.cpp -- candidates measured round by round until one is known to be fastest.
#include "runtime/tuner/race.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::runtime {

namespace {

constexpr int kNoiseSamples = 9;
constexpr int kNoiseAttempts = 3;
constexpr int kConfirmRounds = 15;
/// Screening leaves this share of the budget to the rounds after it.
constexpr double kScreeningShare = 0.6;
constexpr std::size_t kScreenedAtLeast = 8;
constexpr std::size_t kNone = ~std::size_t{0};

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

/// Takes a candidate up; false if it cannot be launched.
bool Race::enter(std::size_t i) {
  Candidate& candidate = report_.candidates[i];
  try {
    numbers_[i] = sampler_.add(code_.plan(candidate.schedule), estimate_);
    return true;
  } catch (const Error& error) {
    if (i == 0)
      throw;
    candidate.eliminated = fmt::format("cannot be launched: {}", error.what());
    return false;
  }
}

double Race::take(std::size_t i) {
  return sampler_.sample(numbers_[i]);
}

void Race::check_noise(double limit) {
  if (!report_.candidates[0].runs())
    throw Error(ErrorCode::internal, "the default schedule " + report_.candidates[0].eliminated);
  estimate_ = sampler_.estimate(code_.plan(report_.candidates[0].schedule));
  enter(0);
  std::vector<double> samples;
  for (int attempt = 0; attempt < kNoiseAttempts; ++attempt) {
    samples.clear();
    take(0); // uploads the graph, warms the code
    for (int i = 0; i < kNoiseSamples; ++i)
      samples.push_back(take(0));
    report_.noise = summarise(samples).spread();
    if (report_.noise <= limit || options_.force)
      return;
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("{} is too busy to tune on: repeated launches of the default schedule "
                          "spread by {:.0f} % of their median ({} to {:.2f} us), at most {:.0f} % "
                          "are allowed; stop what else runs there, or force it",
                          report_.key.device, 100 * report_.noise,
                          fmt::format("{:.2f}", 1e6 * summarise(samples).low),
                          1e6 * summarise(samples).high, 100 * limit));
}

void Race::screen() {
  const std::size_t count = report_.candidates.size();
  for (std::size_t i = 0; i < count; ++i) {
    Candidate& candidate = report_.candidates[i];
    if (!candidate.runs())
      continue;
    if (i >= kScreenedAtLeast && elapsed() > kScreeningShare * budget_) {
      candidate.eliminated = "not measured: the budget was spent on likelier ones";
      continue;
    }
    if (i != 0 && !enter(i))
      continue;
    if (estimate_ < 1e-3)
      take(i); // uploads the graph, warms the code
    candidate.seconds.push_back(take(i));
    ++report_.measured;
    tell(kScreeningShare * static_cast<double>(i + 1) / static_cast<double>(count), "screening");
  }
}

void Race::measure(const std::vector<std::size_t>& order) {
  for (const std::size_t i : order)
    report_.candidates[i].seconds.push_back(take(i));
}

void Race::run() {
  screen();
  for (int round = 1;; ++round) {
    report_.rounds = round;
    eliminate(report_.candidates, round, report_.noise);
    const std::size_t best = best_of(report_.candidates);
    const double seconds = summarise(report_.candidates[best].seconds).median;
    report_.stopped =
        reason_to_stop(report_.candidates,
                       {round, elapsed(), budget_, static_cast<double>(report_.bytes) / seconds,
                        report_.cached_sets > 0 ? 0 : report_.roofline});
    if (!report_.stopped.empty())
      return;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < report_.candidates.size(); ++i)
      if (report_.candidates[i].runs())
        order.push_back(i);
    // Another first one each round: what runs before a candidate must not favour it.
    std::rotate(order.begin(), order.begin() + round % static_cast<int>(order.size()), order.end());
    measure(order);
    tell(std::max(kScreeningShare, std::min(1.0, elapsed() / budget_)), "comparing");
  }
}

void Race::confirm() {
  const std::size_t best = best_of(report_.candidates);
  std::vector<double> base, winner;
  for (int round = 0; round < kConfirmRounds; ++round) {
    if (best != 0 && round % 2 == 0)
      winner.push_back(take(best));
    base.push_back(take(0));
    if (best != 0 && round % 2 == 1)
      winner.push_back(take(best));
  }
  const Summary of_base = summarise(base);
  if (best != 0)
    report_.gain = gain_of(base, winner);
  report_.improved = best != 0 && report_.gain.is_real();
  const Summary of_best = report_.improved ? summarise(winner) : of_base;
  report_.best = report_.candidates[report_.improved ? best : 0].schedule;
  report_.heuristic_seconds = of_base.median;
  report_.seconds = of_best.median;
  report_.spread = of_best.spread();
  tell(1, "done");
}

} // namespace swage::runtime
