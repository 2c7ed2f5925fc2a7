// math_hypot_test.cpp -- hypot in both formats: its error bound, and the special cases of C.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/codegen/math_pair.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

constexpr double kBound = 1.25; ///< ulp, in both formats

/// Of any magnitude, subnormal ones too, and as often as not near each other in size.
template <typename T>
void random_pair(std::mt19937_64& random, T& x, T& y) {
  using Limits = std::numeric_limits<T>;
  std::uniform_real_distribution<double> unit(-1, 1);
  const int lowest = Limits::min_exponent - Limits::digits;
  const int range = Limits::max_exponent - lowest;
  const int exponent = lowest + static_cast<int>(random() % static_cast<unsigned>(range + 1));
  const int apart = static_cast<int>(random() % 61) - 30;
  x = static_cast<T>(std::ldexp(unit(random), exponent));
  y = static_cast<T>(std::ldexp(unit(random), exponent + (random() % 2 ? apart : 0)));
}

template <typename T, typename Wide>
void check_bound() {
  const WorstPair worst = measure_pairs<T, Wide>(Op::hypot, 7, random_pair<T>,
                                                 [](Wide x, Wide y) { return std::hypot(x, y); });
  INFO("hypot(" << worst.x << ", " << worst.y << ") = " << worst.got);
  CHECK(worst.error <= kBound);
  CHECK(worst.error > 0.5);
}

template <typename T>
void check_specials() {
  using Limits = std::numeric_limits<T>;
  const std::vector<T> values = {0,
                                 -T(0),
                                 Limits::denorm_min(),
                                 -Limits::min(),
                                 1,
                                 -3,
                                 4,
                                 Limits::max(),
                                 -Limits::max(),
                                 Limits::infinity(),
                                 -Limits::infinity(),
                                 Limits::quiet_NaN()};
  check_special_pairs<T>(Op::hypot, values, kBound, [](T x, T y) { return std::hypot(x, y); });
}

} // namespace

TEST_CASE("hypot keeps its bound at every magnitude") {
  check_bound<float, double>();
  check_bound<double, long double>();
}

TEST_CASE("hypot has the special values of the C standard") {
  check_specials<float>();
  check_specials<double>();
}

} // namespace swage::codegen::test
