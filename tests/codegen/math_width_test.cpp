// math_width_test.cpp -- the bits of a function do not depend on the vector width, nor on the
// instruction set that the width is made of.
#include <bit>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include <llvm/TargetParser/Host.h>

#include "tests/codegen/math_jit.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::Op;

constexpr std::size_t kCount = 1024;

constexpr Op kOps[] = {
    Op::fma,   Op::exp,  Op::exp2,    Op::expm1, Op::log,   Op::log2, Op::log1p,    Op::sqrt,
    Op::rsqrt, Op::rcp,  Op::sigmoid, Op::tanh,  Op::erf,   Op::erfc, Op::sin,      Op::cos,
    Op::floor, Op::ceil, Op::round,   Op::trunc, Op::isnan, Op::pow,  Op::copysign, Op::div,
    Op::abs,   Op::neg,  Op::min,     Op::max,   Op::clamp, Op::relu, Op::hypot};

template <typename T>
std::vector<T> inputs(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<T> unit(-1, 1);
  std::vector<T> values(kCount);
  for (T& value : values) {
    const std::uint64_t bits = random();
    if (random() % 2)
      std::memcpy(&value, &bits, sizeof(T));
    else
      value = unit(random) * T(16);
  }
  return values;
}

template <typename T>
std::vector<T> evaluate(const MathForm& form) {
  const std::vector<T> a = inputs<T>(1), b = inputs<T>(2), c = inputs<T>(3);
  std::vector<T> result(kCount);
  MathFunction{form}(a.data(), b.data(), c.data(), result.data(), kCount);
  return result;
}

/// Index of the first difference, NaN for NaN; kCount if there is none.
template <typename T>
std::size_t first_difference(const std::vector<T>& a, const std::vector<T>& b) {
  std::size_t i = 0;
  while (i < kCount &&
         ((a[i] != a[i] && b[i] != b[i]) || std::memcmp(&a[i], &b[i], sizeof(T)) == 0))
    ++i;
  return i;
}

/// The instruction sets to compare that this machine can run.
std::vector<std::string> cpus() {
  // x86-64-v2 has no fused multiply-add: the C library does it there.
  std::vector<std::string> names = {""};
  const auto features = llvm::sys::getHostCPUFeatures();
  if (features.lookup("sse4.2"))
    names.push_back("x86-64-v2");
  if (features.lookup("avx2") && features.lookup("fma"))
    names.push_back("x86-64-v3");
  if (features.lookup("avx512vl") && features.lookup("avx512dq"))
    names.push_back("x86-64-v4");
  return names;
}

template <typename T>
void check_widths(Accuracy accuracy, std::span<const Op> ops) {
  for (const Op op : ops) {
    MathForm form{.op = op, .is_double = sizeof(T) == 8, .width = 1, .accuracy = accuracy};
    const std::vector<T> scalar = evaluate<T>(form);
    for (const std::string& cpu : cpus())
      for (const unsigned width : {1u, 2u, 4u, 8u, 16u}) {
        if (!cpu.empty() && width != 8)
          continue; // every width on this machine's own set, one on the others
        form.width = width;
        form.cpu = cpu;
        INFO(ir::info(op).spelling << " at width " << width << " on " << cpu);
        CHECK(first_difference(scalar, evaluate<T>(form)) == kCount);
      }
  }
}

} // namespace

TEST_CASE("f32 results have the same bits at every vector width") {
  check_widths<float>(Accuracy::full, kOps);
  constexpr Op of_their_own[] = {Op::exp, Op::exp2, Op::sigmoid, Op::tanh, Op::erf, Op::erfc};
  check_widths<float>(Accuracy::half, of_their_own);
}

TEST_CASE("f64 results have the same bits at every vector width") {
  check_widths<double>(Accuracy::full, kOps);
}

} // namespace swage::codegen::test
