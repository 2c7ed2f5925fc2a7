// math_hypot_test.cpp -- hypot in both formats: its error bound, and the special cases of C.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "tests/codegen/math_jit.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

constexpr std::size_t kBatch = 1 << 12;
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
void check_bound(const char* format) {
  const char* const text = std::getenv("SWAGE_TEST_F64_INPUTS");
  const std::size_t count = text ? std::strtoull(text, nullptr, 10) : 400'000;
  const MathFunction hypot({.op = Op::hypot, .is_double = sizeof(T) == 8, .width = 8});
  std::mt19937_64 random(7);
  std::vector<T> x(kBatch), y(kBatch), output(kBatch);
  double worst = 0;
  T at_x = 0, at_y = 0;
  for (std::size_t done = 0; done < count; done += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i)
      random_pair(random, x[i], y[i]);
    hypot(x.data(), y.data(), nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double error = ulp_error(output[i], std::hypot(Wide(x[i]), Wide(y[i])));
      if (error > worst) {
        worst = error;
        at_x = x[i];
        at_y = y[i];
      }
    }
  }
  if (text)
    std::printf("%s hypot  %.4f ulp at %a, %a\n", format, worst, double(at_x), double(at_y));
  INFO("hypot(" << at_x << ", " << at_y << ")");
  CHECK(worst <= kBound);
  CHECK(worst > 0.5);
}

/// Every special value against every other, as the C library (Annex F) has them.
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
  const MathFunction hypot({.op = Op::hypot, .is_double = sizeof(T) == 8, .width = 1});
  for (const T x : values)
    for (const T y : values) {
      T got = 0;
      hypot(&x, &y, nullptr, &got, 1);
      const T expected = std::hypot(x, y);
      INFO("hypot(" << x << ", " << y << ")");
      CHECK(((std::isnan(got) && std::isnan(expected)) ||
             (got == expected || std::fabs(got / expected - 1) < 2 * Limits::epsilon())));
    }
}

} // namespace

TEST_CASE("hypot keeps its bound at every magnitude") {
  check_bound<float, double>("f32");
  check_bound<double, long double>("f64");
}

TEST_CASE("hypot has the special values of the C standard") {
  check_specials<float>();
  check_specials<double>();
}

} // namespace swage::codegen::test
