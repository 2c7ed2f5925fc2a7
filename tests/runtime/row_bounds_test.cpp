// row_bounds_test.cpp -- the bounds that docs/numbers.md states for sums and for log_softmax.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

using namespace swage;
using swage::test::Random;

namespace {

constexpr double kHalfUlp = 0x1p-24; // of f32, in parts of the value

Kernel on_cpu(const std::string& text, std::vector<Binding> bindings = {}) {
  return Device::open("cpu").kernel(text, "", bindings);
}

float near_normal(Random& random) {
  float sum = -6;
  for (int i = 0; i < 12; ++i)
    sum += static_cast<float>(random.below(1 << 20)) * 0x1p-20f;
  return sum;
}

/// Rows to try the bounds on: ordinary, of far apart sizes, terms that cancel, one that outweighs
/// all.
std::vector<float> row_of(int kind, std::int64_t columns, Random& random) {
  std::vector<float> row(static_cast<std::size_t>(columns));
  for (float& x : row)
    x = near_normal(random);
  if (kind == 1)
    for (float& x : row)
      x *= std::exp2(static_cast<float>(random.below(40)) - 20);
  if (kind == 2)
    for (std::size_t i = 1; i < row.size(); i += 2)
      row[i] = -row[i - 1] * (1 + 0x1p-20f);
  if (kind == 3)
    row[random.below(row.size())] += 40;
  return row;
}

double ulp_of(double value) {
  const float f = std::max(std::fabs(static_cast<float>(value)), 0x1p-126f);
  return static_cast<double>(std::nextafter(f, INFINITY)) - static_cast<double>(f);
}

} // namespace

TEST_CASE("a sum is off by log2 of its terms half ulp of the absolute terms at most") {
  const Kernel kernel = on_cpu("kernel s(x: in f32, y: out f32 [row]) { y = row_sum(x); }");
  Random random(5);
  double worst = 0;
  for (const std::int64_t columns : {1, 2, 3, 31, 33, 1000, 1023, 1024, 1025, 4097, 14336, 100003})
    for (int kind = 0; kind < 4; ++kind)
      for (int turn = 0; turn < 5; ++turn) {
        std::vector<float> row = row_of(kind, columns, random);
        float sum = 0;
        kernel.launch(nullptr, {Tensor(row.data(), f32, {1, columns}), Tensor(&sum, f32, {1})});
        long double exact = 0, absolute = 0;
        for (const float x : row) {
          exact += x;
          absolute += std::fabs(x);
        }
        const double additions = std::ceil(std::log2(static_cast<double>(columns)));
        const double error = std::fabs(static_cast<double>(sum - exact));
        const double bound = additions * kHalfUlp * static_cast<double>(absolute);
        INFO(columns << " columns, kind " << kind << ": " << error << " of " << bound);
        CHECK(error <= bound);
        if (bound > 0)
          worst = std::max(worst, error / bound);
      }
  CHECK(worst > 0.01); // the errors were there to be seen
  CHECK(std::ceil(std::log2(14336.0)) * kHalfUlp <= 0x1p-20);
}

TEST_CASE("log_softmax is within the bound of its difference and its logarithm") {
  const Kernel kernel = on_cpu("kernel l(x: in f32, y: out f32) {"
                               "  let c = x - row_max(x); y = c - log(row_sum(exp(c))); }");
  Random random(6);
  double worst = 0;
  for (const std::int64_t columns : {1, 2, 5, 64, 1000, 4097, 14336, 50257})
    for (int kind = 0; kind < 4; ++kind)
      for (int turn = 0; turn < 4; ++turn) {
        std::vector<float> row = row_of(kind, columns, random), out(row.size());
        kernel.launch(nullptr, {Tensor(row.data(), f32, {1, columns}),
                                Tensor(out.data(), f32, {1, columns})});
        const long double most = *std::ranges::max_element(row);
        long double sum = 0;
        for (const float x : row)
          sum += std::exp(static_cast<long double>(x) - most);
        const long double logarithm = std::log(sum);
        const double n = static_cast<double>(columns);
        for (std::size_t i = 0; i < row.size(); ++i) {
          const double c = static_cast<double>(row[i] - most);
          const double exact = static_cast<double>(row[i] - most - logarithm);
          const double bound = kHalfUlp * std::fabs(c) +
                               kHalfUlp * (std::log2(n) + std::log(n) + 2) +
                               ulp_of(static_cast<double>(logarithm)) + kHalfUlp * std::fabs(exact);
          const double error = std::fabs(static_cast<double>(out[i]) - exact);
          if (error > bound)
            FAIL(columns << " columns, kind " << kind << ", x " << row[i] << ": " << error << " of "
                         << bound);
          worst = std::max(worst, error / bound);
        }
      }
  CHECK(worst > 0.1);
}
