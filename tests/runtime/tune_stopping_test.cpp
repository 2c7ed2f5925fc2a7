// tune_stopping_test.cpp -- who drops out of a search, when it ends, and what counts as a gain.
#include "runtime/base/statistics.hpp"
#include "runtime/tune/stopping.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::base;
using namespace swage::tune;
using Catch::Matchers::Contains;

namespace {

std::vector<Candidate> racers(std::initializer_list<double> seconds) {
  std::vector<Candidate> result;
  for (const double time : seconds)
    result.push_back({.schedule = codegen::CudaSchedule{}, .seconds = {time}});
  return result;
}

Candidate measured(const std::vector<double>& in_memory, const std::vector<double>& in_cache) {
  Candidate result{
      .schedule = codegen::CudaSchedule{}, .in_memory = in_memory, .in_cache = in_cache};
  for (std::size_t i = 0; i < in_memory.size(); ++i)
    result.seconds.push_back((in_memory[i] + in_cache[i]) / 2);
  return result;
}

} // namespace

TEST_CASE("a candidate far behind the best drops out with the reason, the default never") {
  std::vector<Candidate> candidates = racers({9e-6, 1e-6, 1.1e-6, 2e-6});
  eliminate(candidates, 1, 0.01);
  CHECK(candidates[0].runs());
  CHECK(candidates[1].runs());
  CHECK(candidates[2].runs());
  CHECK_THAT(candidates[3].eliminated, Contains("2.00 us") && Contains("100 % behind"));
}

TEST_CASE("noise of the default is not held against a candidate") {
  std::vector<Candidate> candidates = racers({1e-6, 1.5e-6});
  eliminate(candidates, 1, 0.3);
  CHECK(candidates[1].runs());
  eliminate(candidates, 1, 0.1);
  CHECK_FALSE(candidates[1].runs());
}

TEST_CASE("no more candidates run on than a round allows") {
  std::vector<Candidate> candidates;
  for (int i = 0; i < 50; ++i)
    candidates.push_back({.schedule = codegen::CudaSchedule{}, .seconds = {1e-6 + 1e-10 * i}});
  eliminate(candidates, 1, 0.01);
  CHECK(candidates[1].runs());
  CHECK_THAT(candidates[49].eliminated, Contains("outranked"));
}

TEST_CASE("one slow sample of the first two does not outrank a candidate that once was fastest") {
  std::vector<Candidate> candidates;
  for (int i = 0; i < 40; ++i)
    candidates.push_back({.schedule = codegen::CudaSchedule{}, .seconds = {1e-6, 1e-6}});
  candidates.push_back({.schedule = codegen::CudaSchedule{}, .seconds = {1.1e-6, 0.95e-6}});
  eliminate(candidates, 2, 0.01);
  CHECK(candidates.back().runs());
  candidates.back().seconds = {1.1e-6, 0.95e-6, 1.1e-6};
  for (Candidate& candidate : candidates)
    candidate.eliminated.clear();
  eliminate(candidates, 3, 0.01);
  CHECK_FALSE(candidates.back().runs()); // by then all samples count
}

TEST_CASE("a candidate surely loses if three rounds show a loss in one place, two show nothing") {
  const Candidate base = measured({1, 1, 1}, {1, 1, 1});
  CHECK(surely_loses(base, measured({1.02, 1.02, 1.02}, {0.9, 0.9, 0.9})));
  CHECK(surely_loses(base, measured({0.9, 0.9, 0.9}, {1.02, 1.02, 1.02})));
  CHECK_FALSE(surely_loses(base, measured({1.02, 1.02}, {0.9, 0.9})));
  CHECK_FALSE(surely_loses(base, measured({0.9, 0.9, 0.9}, {0.99, 0.99, 0.99})));
  CHECK_FALSE(surely_loses(base, measured({1.002, 1.002, 1.002}, {0.9, 0.9, 0.9})));
  CHECK_FALSE(surely_loses(base, measured({0.95, 1.02, 1.1}, {0.9, 0.9, 0.9}))); // noise
}

TEST_CASE("what gives and takes drops nobody that does not") {
  const auto steady = [](double in_memory, double in_cache, std::size_t rounds) {
    return measured(std::vector(rounds, in_memory), std::vector(rounds, in_cache));
  };
  for (const std::size_t rounds : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    // Default; 5 % slower in memory and half the time in the cache; 2 % faster in memory alone.
    std::vector<Candidate> candidates = {steady(2.0, 1.8, rounds), steady(2.1, 0.9, rounds),
                                         steady(1.96, 1.8, rounds)};
    eliminate(candidates, static_cast<int>(rounds), 0.005);
    CHECK(candidates[1].runs() == (rounds < 3)); // until it is sure
    CHECK(candidates[2].runs());
    if (rounds == 3)
      CHECK_THAT(candidates[1].eliminated,
                 Contains("5.0 % slower in memory, 50.0 % faster in the cache"));
    // Nor do many.
    candidates.resize(1);
    for (int i = 0; i < 60; ++i)
      candidates.push_back(steady(2.1, 0.9, rounds));
    candidates.push_back(steady(1.96, 1.8, rounds));
    eliminate(candidates, static_cast<int>(rounds), 0.005);
    CHECK(candidates.back().runs());
  }
  // Where there is one place, the reason names none.
  std::vector<Candidate> candidates = {steady(2.0, 2.0, 3), steady(2.02, 2.02, 3)};
  eliminate(candidates, 3, 0.005);
  CHECK(candidates[1].eliminated == "1.0 % slower than the default");
}

TEST_CASE("a candidate of two modes is not outranked by a few slow samples") {
  std::vector<Candidate> candidates;
  for (int i = 0; i < 30; ++i) {
    const double seconds = 6.70e-6 + 1e-9 * i;
    candidates.push_back(
        {.schedule = codegen::CudaSchedule{}, .seconds = {seconds, seconds + 1e-8, seconds}});
  }
  candidates.push_back(
      {.schedule = codegen::CudaSchedule{}, .seconds = {6.45e-6, 6.87e-6, 6.88e-6}});
  eliminate(candidates, 3, 0.001);
  CHECK(candidates.back().runs());
  candidates.back() = {.schedule = codegen::CudaSchedule{}, .seconds = {6.87e-6, 6.88e-6, 6.87e-6}};
  for (Candidate& candidate : candidates)
    candidate.eliminated.clear();
  eliminate(candidates, 3, 0.001);
  CHECK_FALSE(candidates.back().runs());
}

TEST_CASE("a search ends at the roofline, with its budget, its rounds, or its candidates") {
  const std::vector<Candidate> two = racers({1e-6, 1e-6});
  CHECK(reason_to_stop(two, {1, 0.1, 1, 1e12, 4e12}).empty());
  CHECK_THAT(reason_to_stop(two, {kRoundsBeforeRoofline, 0.1, 1, 3.95e12, 4e12}),
             Contains("roofline"));
  CHECK_THAT(reason_to_stop(two, {1, 1.1, 1, 1e12, 4e12}), Contains("budget"));
  CHECK_THAT(reason_to_stop(two, {kMaxRounds, 0.1, 1, 1e12, 0}), Contains("rounds"));
  CHECK_THAT(reason_to_stop(racers({1e-6}), {1, 0.1, 1, 1e12, 0}), Contains("default"));
}

TEST_CASE("a gain is real beyond the noise of the pairs alone") {
  CHECK(gain_of(std::vector{1.0, 2.0, 1.0, 2.0}, std::vector{0.9, 1.8, 0.9, 1.8}, Middle::median)
            .is_real());
  CHECK_FALSE(
      gain_of(std::vector{1.0, 1.0, 1.0, 1.0}, std::vector{0.7, 1.2, 0.8, 1.1}, Middle::median)
          .is_real());
  CHECK_FALSE(gain_of(std::vector{1.0, 1.0}, std::vector{0.999, 0.999}, Middle::median).is_real());
  CHECK_FALSE(gain_of(std::vector{1.0, 1.0}, std::vector{1.1, 1.1}, Middle::median).is_real());
}

TEST_CASE("launches of two modes count by their mean on a GPU, by the more frequent one on a CPU") {
  const std::vector<double> two_modes = {6, 6, 6, 6, 6, 6, 8, 8, 8, 8, 20};
  CHECK(estimate_of(two_modes, Middle::median).middle == 6);
  CHECK(estimate_of(two_modes, Middle::mean).middle == Approx(62.0 / 9)); // without the 20 and a 6
  CHECK(estimate_of(std::vector{1.0, 4.0}, Middle::mean).middle == 2.5);
  CHECK(estimate_of({}, Middle::mean).middle == 0);
  std::vector<Candidate> candidates = {
      {.schedule = codegen::CudaSchedule{}, .seconds = std::vector<double>(11, 6.5)},
      {.schedule = codegen::CudaSchedule{}, .seconds = two_modes}};
  CHECK(best_of(candidates) == 0);
  for (Candidate& candidate : candidates)
    candidate.schedule = codegen::HostSchedule{};
  CHECK(best_of(candidates) == 1);
  // Slow in two of fifteen pairs by chance, of a schedule that is no slower: nothing real.
  std::vector<double> by_chance(15, 6.0), same(15);
  for (std::size_t i = 0; i < same.size(); ++i)
    same[i] = i % 2 == 0 ? 6.01 : 5.99;
  by_chance[3] = by_chance[9] = 7.2;
  CHECK(gain_of(by_chance, same, Middle::mean).middle > 0.01);
  CHECK_FALSE(gain_of(by_chance, same, Middle::mean).is_real());
  const std::vector<double> steady(11, 6.5);
  CHECK(gain_of(steady, two_modes, Middle::mean).middle < 0);
  CHECK(gain_of(steady, two_modes, Middle::median).middle > 0);
}

TEST_CASE(
    "a loss in one place is borne if a gain in the other pays for it, and never a hundredth") {
  const auto change = [](double ratio) {
    return gain_of(std::vector{1.0, 1.0}, std::vector{ratio, ratio}, Middle::median);
  };
  CHECK(change(1.01).is_loss_beside(change(0.5)));
  CHECK_FALSE(change(1.008).is_loss_beside(change(0.9)));
  CHECK(change(1.008).is_loss_beside(change(0.99)));
  CHECK_FALSE(change(1.002).is_loss_beside(change(1.002)));
  CHECK(change(1.004).is_loss_beside(change(0.995)));
  CHECK_FALSE(change(0.9).is_loss_beside(change(1.5)));
}
