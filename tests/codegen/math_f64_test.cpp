// math_f64_test.cpp -- f64 functions against long double on many inputs and MPFR on hard ones.
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

/// Inputs of three kinds: any bit pattern, magnitudes where functions bend, and near 1.
double random_input(std::mt19937_64& random) {
  const std::uint64_t bits = random();
  std::uniform_real_distribution<double> unit(-1, 1);
  switch (random() % 4) {
  case 0: return std::bit_cast<double>(bits);
  case 1: return unit(random) * 750;
  case 2: return unit(random) * 8;
  default: return 1 + unit(random) * std::ldexp(1.0, -static_cast<int>(bits % 54));
  }
}

struct Worst {
  double error = 0; ///< ulp
  double x = 0, y = 0, got = 0;
};

std::string name(Op op) {
  return std::string(ir::info(op).spelling);
}

/// Random inputs a function gets: 10^5 unless SWAGE_TEST_F64_INPUTS says otherwise.
std::size_t input_count() {
  const char* text = std::getenv("SWAGE_TEST_F64_INPUTS");
  return text ? std::strtoull(text, nullptr, 10) : 100'000;
}

Worst measure(const FunctionCase& each, std::size_t count) {
  const MathFunction f({.op = each.op, .is_double = true, .width = 8});
  std::mt19937_64 random(20240607);
  std::vector<double> input(kBatch), output(kBatch);
  Worst worst;
  for (std::size_t done = 0; done < count; done += kBatch) {
    for (double& x : input)
      x = random_input(random);
    f(input.data(), nullptr, nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double error =
          ulp_error(output[i], each.in_long_double(static_cast<long double>(input[i])));
      if (error > worst.error)
        worst = {error, input[i], 0, output[i]};
    }
  }
  return worst;
}

} // namespace

TEST_CASE("every f64 function of one argument stays within its stated bound") {
  for (const FunctionCase& each : one_argument_functions()) {
    const Worst worst = measure(each, input_count());
    if (std::getenv("SWAGE_TEST_F64_INPUTS"))
      std::printf("%-8s %.4f ulp at %a\n", name(each.op).c_str(), worst.error, worst.x);
    INFO(name(each.op) << "(" << worst.x << ") = " << worst.got);
    CHECK(worst.error <= each.bound_f64);
  }
}

} // namespace swage::codegen::test
