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

double evaluate(Op op, double x, double y = 0) {
  double result = 0;
  MathFunction({.op = op, .is_double = true, .width = 1})(&x, &y, nullptr, &result, 1);
  return result;
}

struct Hard {
  Op op;
  double x, y;
  double bound; ///< ulp
};

/// Where a function of this kind goes wrong first.
const Hard kHard[] = {
    // The doubles closest to multiples of pi / 2, and the largest of all.
    {Op::sin, 0x1.6ac5b262ca1ffp+849, 0, 1},
    {Op::cos, 0x1.6ac5b262ca1ffp+849, 0, 1},
    {Op::sin, 0x1.921fb54442d18p+1, 0, 1},
    {Op::cos, 0x1.921fb54442d18p+0, 0, 1},
    {Op::sin, 0x1.fffffffffffffp+1023, 0, 1},
    {Op::cos, 0x1.fffffffffffffp+1023, 0, 1},
    {Op::sin, 0x1p+1023, 0, 1},
    {Op::sin, 0.785, 0, 1},
    {Op::cos, 0.785, 0, 1},
    {Op::sin, 0x1p-1074, 0, 0},
    // Results next to overflow, to the smallest normal number and to half the smallest of all.
    {Op::exp, 0x1.62e42fefa39efp+9, 0, 1},
    {Op::exp, 0x1.62e42fefa39fp+9, 0, 1},
    {Op::exp, -0x1.6232bdd7abcd3p+9, 0, 1},
    {Op::exp, -0x1.74910d52d3052p+9, 0, 1},
    {Op::exp2, 0x1.fffffffffffffp+9, 0, 1},
    {Op::exp2, -1074.5, 0, 1},
    {Op::sigmoid, -0x1.74910d52d3051p+9, 0, 1},
    {Op::sigmoid, 0x1.2b708872320e2p+5, 0, 1},
    // Neighbours of 1 and of -1, and subnormal numbers.
    {Op::log, 0x1.0000000000001p+0, 0, 1},
    {Op::log, 0x1.fffffffffffffp-1, 0, 1},
    {Op::log, 0x1.0000000000001p-1022, 0, 1},
    {Op::log, 0x1p-1074, 0, 1},
    {Op::log2, 0x1.fffffffffffffp-1, 0, 1},
    {Op::log2, 0x1.ffffffffffffep+1, 0, 1},
    {Op::log2, 0x0.0000000000003p-1022, 0, 1},
    {Op::log1p, 0x1p-53, 0, 1},
    {Op::log1p, -0x1.fffffffffffffp-1, 0, 1},
    {Op::log1p, 0x1.fffffffffffffp+1023, 0, 1},
    {Op::expm1, 0x1p-54, 0, 1},
    {Op::expm1, -0x1p-1074, 0, 0},
    {Op::expm1, 0x1.62e42fefa39efp+9, 0, 1},
    {Op::tanh, 0x1.30fc1931f09c9p+4, 0, 1},
    {Op::erf, 0x1.7744f8f74e94bp+2, 0, 1},
    // A long logarithm times a long exponent.
    {Op::pow, 0x1.0000000000001p+0, 0x1.62e42fefa39efp+61, 1},
    {Op::pow, 0x1.fffffffffffffp-1, 0x1.74910d52d3051p+62, 1},
    {Op::pow, 0x1p-1074, 0.99, 1},
    {Op::pow, 0x1.fffffffffffffp+1023, 0x1.fffffffffffffp-1, 1},
    {Op::pow, 10, -323, 1},
    {Op::pow, -3, 645, 1},
};

} // namespace

TEST_CASE("f64 functions meet MPFR where they are hardest") {
  for (const Hard& each : kHard) {
    const double got = evaluate(each.op, each.x, each.y);
    INFO(name(each.op) << "(" << each.x << ", " << each.y << ") = " << got);
    CHECK(exact_ulp_error(each.op, each.x, each.y, got) <= each.bound);
  }
}

TEST_CASE("every f64 function of one argument meets MPFR on random inputs") {
  for (const FunctionCase& each : one_argument_functions()) {
    const MathFunction f({.op = each.op, .is_double = true, .width = 8});
    std::mt19937_64 random(7);
    std::vector<double> input(kBatch), output(kBatch);
    for (double& x : input)
      x = random_input(random);
    f(input.data(), nullptr, nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      INFO(name(each.op) << "(" << input[i] << ") = " << output[i]);
      REQUIRE(exact_ulp_error(each.op, input[i], 0, output[i]) <= each.bound_f64);
    }
  }
}

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
