// math_f32_test.cpp -- f32 functions of one argument against double precision: strided over all bit
// patterns in every run, all 2^32 of them on request (tag [.exhaustive]), and their worst inputs.
#include <bit>
#include <cstdio>
#include <thread>
#include <vector>

#include "tests/codegen/math_jit.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

struct Worst {
  double error = 0; ///< ulp, or relative
  float input = 0, got = 0;
};

constexpr std::size_t kBatch = 1 << 14;

/// The worst error over bit patterns begin, begin + stride... below end.
Worst sweep(const MathFunction& f, double (*reference)(double), std::uint64_t begin,
            std::uint64_t end, std::uint64_t stride) {
  std::vector<float> input(kBatch), output(kBatch);
  Worst worst;
  for (std::uint64_t at = begin; at < end;) {
    std::size_t count = 0;
    for (; count < kBatch && at < end; at += stride)
      input[count++] = std::bit_cast<float>(static_cast<std::uint32_t>(at));
    f(input.data(), nullptr, nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < count; ++i) {
      const double exact = reference(input[i]);
      // Rounded correctly: nothing worse than what is known, and most results are.
      const auto rounded = std::bit_cast<std::uint32_t>(static_cast<float>(exact));
      if (worst.error >= 0.5 && std::bit_cast<std::uint32_t>(output[i]) == rounded)
        continue;
      const double error = ulp_error(output[i], exact);
      if (error > worst.error)
        worst = {error, input[i], output[i]};
    }
  }
  return worst;
}

Worst sweep_everything(const MathFunction& f, double (*reference)(double)) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Worst> worst(threads);
  std::vector<std::thread> pool;
  const std::uint64_t all = std::uint64_t{1} << 32;
  for (unsigned t = 0; t < threads; ++t)
    pool.emplace_back(
        [&, t] { worst[t] = sweep(f, reference, all * t / threads, all * (t + 1) / threads, 1); });
  for (std::thread& thread : pool)
    thread.join();
  return *std::max_element(worst.begin(), worst.end(),
                           [](const Worst& a, const Worst& b) { return a.error < b.error; });
}

/// The worst relative error at half accuracy on the host, among results that are normal in f32.
Worst worst_at_half(const FunctionCase& each, std::uint64_t stride) {
  const MathFunction f({.op = each.op, .accuracy = Accuracy::half});
  std::vector<float> input(kBatch), output(kBatch);
  Worst worst;
  for (std::uint64_t bits = 0; bits >> 32 == 0;) {
    for (float& x : input) {
      x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      bits += stride;
    }
    f(input.data(), nullptr, nullptr, output.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double exact = each.in_double(input[i]);
      const double error = std::fabs(output[i] - exact) / std::fabs(exact);
      // Comparisons with NaN are false.
      if (std::fabs(exact) >= 0x1p-126 && std::fabs(exact) < 0x1.fffffep127 && error > worst.error)
        worst = {error, input[i], output[i]};
    }
  }
  return worst;
}

std::string name(Op op) {
  return std::string(ir::info(op).spelling);
}

/// The worst input of each function and its error, found among all 2^32. Of a function that rounds
/// correctly the first of many.
struct Known {
  Op op;
  float input;
  double error; ///< ulp
};
constexpr Known kKnownWorst[] = {
    {Op::exp, -0x1.765026p+2f, 0.8913},  {Op::exp2, -0x1.f9fc6ap+6f, 0.8784},
    {Op::expm1, 0x1.100814p+4f, 1.4391}, {Op::log, 0x1.69b14cp-1f, 0.9229},
    {Op::log2, 0x1.658cd0p+0f, 1.1318},  {Op::log1p, 0x1.c4e6fap-2f, 1.5226},
    {Op::sqrt, 0x1.fffffep-125f, 0.5},   {Op::rsqrt, 0x1.019566p-126f, 1.4903},
    {Op::rcp, 0x1.f8646ep-126f, 0.5},    {Op::sigmoid, -0x1.0a2bd8p+4f, 2.4807},
    {Op::tanh, 0x1.205368p+2f, 2.4984},  {Op::erf, 0x1.0a1aa2p+0f, 1.2939},
    {Op::erfc, 0x1.28f9fp-1f, 3.0188},   {Op::sin, 0x1.aca316p+67f, 1.5353},
    {Op::cos, 0x1.7b9146p+37f, 1.5398},
};

} // namespace

TEST_CASE("the worst inputs of the f32 functions err as when they were found") {
  for (const Known& known : kKnownWorst) {
    float got = 0;
    MathFunction({.op = known.op, .width = 1})(&known.input, nullptr, nullptr, &got, 1);
    const double error = ulp_error(got, function_case(known.op).in_double(known.input));
    INFO(name(known.op) << "(" << known.input << ") = " << got);
    CHECK(std::fabs(error - known.error) < 0.0001);
  }
}

TEST_CASE("every f32 function of one argument stays within its stated bound") {
  for (const FunctionCase& each : one_argument_functions()) {
    const MathFunction f({each.op});
    // An odd stride visits every exponent and every low bit: two million inputs.
    const Worst worst = sweep(f, each.in_double, 0, std::uint64_t{1} << 32, 2047);
    INFO(name(each.op) << "(" << worst.input << ") = " << worst.got);
    CHECK(worst.error <= each.bound_f32);
  }
}

TEST_CASE("f32 functions at half accuracy err by at most 2^-19 on the host") {
  for (const FunctionCase& each : one_argument_functions()) {
    const Worst worst = worst_at_half(each, 10007);
    INFO(name(each.op) << "(" << worst.input << ") is off by " << worst.error);
    CHECK(worst.error <= 0x1p-19);
  }
}

TEST_CASE("f32 functions at half accuracy err by at most 2^-19 on all inputs", "[.exhaustive]") {
  for (const FunctionCase& each : one_argument_functions())
    SECTION(name(each.op)) {
      const Worst worst = worst_at_half(each, 1);
      std::printf("%-8s 2^%.2f at %a\n", name(each.op).c_str(), std::log2(worst.error),
                  worst.input);
      std::fflush(stdout);
      CHECK(worst.error <= 0x1p-19);
    }
}

TEST_CASE("every f32 function of one argument stays within its bound on all inputs",
          "[.exhaustive]") {
  // One section a function: `-c cos` runs that of cos alone.
  for (const FunctionCase& each : one_argument_functions())
    SECTION(name(each.op)) {
      const Worst worst = sweep_everything(MathFunction({each.op}), each.in_double);
      std::printf("%-8s %.4f ulp at %a\n", name(each.op).c_str(), worst.error, worst.input);
      std::fflush(stdout);
      INFO(name(each.op) << "(" << worst.input << ") = " << worst.got);
      CHECK(worst.error <= each.bound_f32);
    }
}

} // namespace swage::codegen::test
