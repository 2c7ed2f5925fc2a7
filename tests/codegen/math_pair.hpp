// math_pair.hpp -- functions of two arguments against the C library in a wider format, at random
// pairs and at every pair of special values.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/codegen/math_jit.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {

/// The worst error, in ulp, and where it is.
struct WorstPair {
  double error = 0;
  double x = 0, y = 0, got = 0;
};

/// Compares `op` in T with `reference` in Wide at pairs that `random_pair(random, x, y)` makes: 400
/// thousand of them, or as many as SWAGE_TEST_F64_INPUTS says, which also prints the worst.
template <typename T, typename Wide, typename RandomPair, typename Reference>
WorstPair measure_pairs(ir::Op op, std::uint64_t seed, const RandomPair& random_pair,
                        const Reference& reference) {
  constexpr std::size_t kBatch = 1 << 12;
  const char* const text = std::getenv("SWAGE_TEST_F64_INPUTS");
  const std::size_t count = text ? std::strtoull(text, nullptr, 10) : 400'000;
  const MathFunction function({.op = op, .is_double = sizeof(T) == 8, .width = 8});
  std::mt19937_64 random(seed);
  std::vector<T> x(kBatch), y(kBatch), output(kBatch);
  WorstPair worst;
  for (std::size_t done = 0; done < count; done += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i)
      random_pair(random, x[i], y[i]);
    function(x.data(), y.data(), nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double error = ulp_error(output[i], reference(Wide(x[i]), Wide(y[i])));
      if (error > worst.error)
        worst = {error, x[i], y[i], output[i]};
    }
  }
  if (text)
    std::printf("%s %s  %.4f ulp at %a, %a\n", sizeof(T) == 8 ? "f64" : "f32",
                std::string(ir::info(op).id).c_str(), worst.error, worst.x, worst.y);
  return worst;
}

/// Every value against every other, as the C library (Annex F) has them, whose own last bit may
/// differ.
template <typename T, typename Reference>
void check_special_pairs(ir::Op op, std::span<const T> values, double bound,
                         const Reference& reference) {
  const MathFunction function({.op = op, .is_double = sizeof(T) == 8, .width = 1});
  for (const T x : values)
    for (const T y : values) {
      T got = 0;
      function(&x, &y, nullptr, &got, 1);
      const T expected = reference(x, y);
      INFO(ir::info(op).id << '(' << x << ", " << y << ") = " << got << ", expected " << expected);
      CHECK(ulp_error(got, static_cast<long double>(expected)) <= bound + 0.5);
    }
}

} // namespace swage::codegen::test
