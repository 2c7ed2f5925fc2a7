// overhead_rounds_test.cpp -- how often a launch is repeated to see what it adds.
#include "tests/support/catch.hpp"

#include "runtime/measure/timing.hpp"

using swage::measure::overhead_rounds;

TEST_CASE("short launches are repeated often to see what they add, long ones for seconds at most") {
  for (const double seconds : {0.0, 1e-7, 2e-5, 4e-5}) {
    CHECK(overhead_rounds(seconds).launches == 200);
    CHECK(overhead_rounds(seconds).rounds == 101);
  }
  for (double seconds = 1e-6; seconds < 1e3; seconds *= 1.3) {
    const auto sizes = overhead_rounds(seconds);
    INFO(seconds << " s: " << sizes.rounds << " rounds of " << sizes.launches);
    CHECK(sizes.launches >= 1);
    CHECK(sizes.rounds >= 3);
    // A launch and a bare one a round.
    CHECK((2 * sizes.rounds * sizes.launches * seconds <= 2 || sizes.launches * sizes.rounds == 3));
  }
}
