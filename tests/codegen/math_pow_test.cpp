// math_pow_test.cpp -- pow in both formats: error bounds, and every special case of the C standard.
#include <bit>
#include <cstdio>
#include <cstdlib>
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

struct Worst {
  double error = 0; ///< ulp
  double x = 0, y = 0, got = 0;
};

template <typename T, typename Wide>
Worst measure(std::size_t count) {
  const MathFunction pow({.op = Op::pow, .is_double = sizeof(T) == 8, .width = 8});
  std::mt19937_64 random(411);
  std::vector<T> x(kBatch), y(kBatch), output(kBatch);
  Worst worst;
  for (std::size_t done = 0; done < count; done += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i)
      random_pair(random, x[i], y[i]);
    pow(x.data(), y.data(), nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double error = ulp_error(output[i], std::pow(Wide(x[i]), Wide(y[i])));
      if (error > worst.error)
        worst = {error, x[i], y[i], output[i]};
    }
  }
  return worst;
}

std::size_t input_count() {
  const char* text = std::getenv("SWAGE_TEST_F64_INPUTS");
  return text ? std::strtoull(text, nullptr, 10) : 400'000;
}

template <typename T, typename Wide>
void check_bound(const char* format) {
  const Worst worst = measure<T, Wide>(input_count());
  if (std::getenv("SWAGE_TEST_F64_INPUTS"))
    std::printf("%s pow  %.4f ulp at %a, %a\n", format, worst.error, worst.x, worst.y);
  INFO("pow(" << worst.x << ", " << worst.y << ") = " << worst.got);
  CHECK(worst.error <= kBound);
}

/// Every special value against every other, as the C library (Annex F) has them.
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
  std::vector<T> x, y;
  for (const T a : values)
    for (const T b : values) {
      x.push_back(a);
      y.push_back(b);
    }
  std::vector<T> output(x.size());
  MathFunction({.op = Op::pow, .is_double = sizeof(T) == 8, .width = 1})(
      x.data(), y.data(), nullptr, output.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T expected = std::pow(x[i], y[i]);
    INFO("pow(" << x[i] << ", " << y[i] << ") = " << output[i] << ", expected " << expected);
    // Where the C library's own value is finite, its last bit may differ.
    CHECK(ulp_error(output[i], static_cast<long double>(expected)) <= kBound + 0.5);
  }
}

} // namespace

TEST_CASE("f32 pow stays within its stated bound") {
  check_bound<float, double>("f32");
}

TEST_CASE("f64 pow stays within its stated bound") {
  check_bound<double, long double>("f64");
}

TEST_CASE("pow of special values is what the C standard says") {
  check_specials<float>();
  check_specials<double>();
}

} // namespace swage::codegen::test
