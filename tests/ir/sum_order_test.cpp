// sum_order_test.cpp -- the order of a sum against its statement in docs/numbers.md, done slowly.
#include "ir/sum_order.hpp"

#include <optional>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

const auto add = [](float a, float b) { return a + b; };

/// By bits of the index: an absent term is no term. `order` says which bit is added up first.
float by_bits(const std::vector<float>& terms, const std::vector<int>& order) {
  std::size_t size = 1;
  for (std::size_t i = 0; i < order.size(); ++i)
    size *= 2;
  REQUIRE(size >= terms.size());
  std::vector<std::optional<float>> at(size);
  for (std::size_t i = 0; i < terms.size(); ++i)
    at[i] = terms[i];
  for (const int bit : order)
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t other = i | std::size_t{1} << bit;
      if (i == other || !at[other])
        continue;
      at[i] = at[i] ? *at[i] + *at[other] : *at[other];
      at[other].reset();
    }
  return *at[0] + 0.0f;
}

/// The bits of the pass from the lowest up, then those of the lane.
std::vector<int> column_order(std::size_t count) {
  std::vector<int> order;
  for (int bit = 10; count > std::size_t{1} << bit; ++bit)
    order.push_back(bit);
  for (int bit = 0; bit < 10; ++bit)
    order.push_back(bit);
  return order;
}

std::vector<float> random_terms(std::size_t count, std::uint64_t seed) {
  test::Random random(seed);
  std::vector<float> terms(count);
  for (float& term : terms)
    term = static_cast<float>(static_cast<double>(random.bits() % 2000001) / 1e6 - 1);
  return terms;
}

} // namespace

TEST_CASE("a sum along columns is the tree of the numbers page") {
  for (const std::size_t count :
       {1,    2,    3,    5,    16,   31,   32,   33,    1000,   1023,
        1024, 1025, 2048, 3000, 4096, 4097, 5121, 14336, 100003, 262144}) {
    INFO(count);
    const std::vector<float> terms = random_terms(count, count);
    const float sum = sum_columns<float>(
        static_cast<std::int64_t>(count), 0,
        [&](std::int64_t i) { return terms[static_cast<std::size_t>(i)]; }, add);
    CHECK(sum == by_bits(terms, column_order(count)));
  }
}

TEST_CASE("another order of the same terms gives other bits, so the test can tell") {
  const std::vector<float> terms = random_terms(4097, 1);
  float straight = 0;
  for (const float term : terms)
    straight += term;
  CHECK(straight != by_bits(terms, column_order(terms.size())));
}

TEST_CASE("zeros behind the terms change nothing, whatever their sign") {
  for (const std::size_t count : {1, 7, 100, 1025, 5000}) {
    std::vector<float> terms = random_terms(count, count);
    const float sum = by_bits(terms, column_order(count));
    for (const float zero : {0.0f, -0.0f}) {
      std::vector<float> padded = terms;
      padded.resize(8192, zero);
      CHECK(by_bits(padded, column_order(8192)) == sum);
    }
  }
}

TEST_CASE("a sum of no terms and a sum of negative zeros are 0") {
  const auto term = [](std::int64_t) { return -0.0f; };
  for (const std::int64_t count : {0, 1, 2, 3000}) {
    CHECK(!std::signbit(sum_columns<float>(count, 0, term, add)));
    CHECK(!std::signbit(sum_rows<float>(count, 0, term, add)));
  }
}

TEST_CASE("a row in aligned runs of passes gives the subtrees of the whole row") {
  // As a block of several groups of threads adds a row up.
  const std::size_t count = 14 * 1024 + 5;
  const std::vector<float> terms = random_terms(count, 3);
  const auto whole = by_bits(terms, column_order(count));
  for (const std::size_t run : {1, 2, 4, 8}) {
    std::vector<float> lanes(kSumLanes);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      PairwiseSum<float> runs;
      for (std::size_t first = lane; first < count; first += run * 1024) {
        PairwiseSum<float> passes;
        for (std::size_t i = first; i < std::min(count, first + run * 1024); i += 1024)
          passes.push(terms[i], add);
        runs.push(passes.total(add), add);
      }
      lanes[lane] = runs.total(add);
    }
    CHECK(add_lanes(lanes.data(), kSumLanes, add) + 0.0f == whole);
  }
}

TEST_CASE("neighbouring lanes of all passes are a subtree of the whole row") {
  // As the blocks of a cluster add a row up.
  for (const std::size_t count : {14 * 1024 + 5, 700}) {
    const std::vector<float> terms = random_terms(count, 4);
    const auto whole = by_bits(terms, column_order(count));
    for (const std::size_t blocks : {2, 4, 8}) {
      const std::size_t each = 1024 / blocks;
      std::vector<float> values;
      for (std::size_t block = 0; block < blocks; ++block) {
        std::vector<float> lanes(each);
        for (std::size_t lane = 0; lane < each; ++lane) {
          PairwiseSum<float> passes;
          for (std::size_t i = block * each + lane; i < count; i += 1024)
            passes.push(terms[i], add);
          if (block * each + lane < count)
            lanes[lane] = passes.total(add);
        }
        values.push_back(add_lanes(lanes.data(), static_cast<std::int64_t>(each), add));
      }
      CHECK(add_lanes(values.data(), static_cast<std::int64_t>(blocks), add) + 0.0f == whole);
    }
  }
}

TEST_CASE("a sum over rows adds strands of every 256th row, then the strands") {
  for (const std::size_t count : {1, 2, 255, 256, 257, 1000, 5000}) {
    INFO(count);
    const std::vector<float> terms = random_terms(count, count);
    std::vector<float> strands;
    for (std::size_t s = 0; s < std::min<std::size_t>(count, 256); ++s) {
      float sum = terms[s];
      for (std::size_t i = s + 256; i < count; i += 256)
        sum += terms[i];
      strands.push_back(sum);
    }
    std::vector<int> order{0, 1, 2, 3, 4, 5, 6, 7};
    CHECK(sum_rows<float>(
              static_cast<std::int64_t>(count), 0,
              [&](std::int64_t i) { return terms[static_cast<std::size_t>(i)]; },
              add) == by_bits(strands, order));
  }
}

} // namespace swage::ir
