// math_pow_test.cpp -- pow in both formats: error bounds, and every special case of the C standard.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/codegen/math_pair.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

constexpr double kBound = 1.25; ///< ulp, in both formats

/// A base of any magnitude or near 1, and an exponent that keeps the result mostly in range, with
/// overflow and subnormal results among them.
template <typename T>
void random_pair(std::mt19937_64& random, T& x, T& y) {
  constexpr int kTop = std::numeric_limits<T>::max_exponent;
  std::uniform_real_distribution<double> unit(-1, 1);
  const int digits = std::numeric_limits<T>::digits;
  if (random() % 2)
    x = static_cast<T>(
        std::ldexp(1.5 + unit(random) / 2, static_cast<int>(random() % (2 * kTop)) - kTop));
  else
    x = static_cast<T>(1 + unit(random) * std::ldexp(1.0, -static_cast<int>(random() % digits)));
  const double log = std::fabs(std::log2(static_cast<double>(x)));
  y = static_cast<T>(unit(random) * 1.1 * kTop / (log > 0 ? log : 1));
}

template <typename T, typename Wide>
void check_bound() {
  const WorstPair worst = measure_pairs<T, Wide>(Op::pow, 411, random_pair<T>,
                                                 [](Wide x, Wide y) { return std::pow(x, y); });
  INFO("pow(" << worst.x << ", " << worst.y << ") = " << worst.got);
  CHECK(worst.error <= kBound);
}

template <typename T>
void check_specials() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values;
  for (const T v :
       {T(0), Limits::denorm_min(), Limits::min(), T(0.5), T(1), std::nextafter(T(1), T(0)),
        std::nextafter(T(1), T(2)), T(1.5), T(2), T(3), T(4), T(1e10), T(1e10) + 1,
        std::ldexp(T(1), Limits::digits - 1) + 1, std::ldexp(T(1), Limits::digits), Limits::max(),
        Limits::infinity(), Limits::quiet_NaN()}) {
    values.push_back(v);
    values.push_back(-v);
  }
  check_special_pairs<T>(Op::pow, values, kBound, [](T x, T y) { return std::pow(x, y); });
}

} // namespace

TEST_CASE("f32 pow stays within its stated bound") {
  check_bound<float, double>();
}

TEST_CASE("f64 pow stays within its stated bound") {
  check_bound<double, long double>();
}

TEST_CASE("pow of special values is what the C standard says") {
  check_specials<float>();
  check_specials<double>();
}

} // namespace swage::codegen::test
