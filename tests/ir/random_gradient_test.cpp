// random_gradient_test.cpp -- gradients of random kernels at special and extreme inputs, against
// the exact gradient.
#include <cmath>
#include <cstdlib>

#include "ir/differentiate.hpp"
#include "ir/evaluate.hpp"
#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/exact_gradient.hpp"
#include "tests/support/random_kernel.hpp"

using namespace swage;
using namespace swage::ir;
using namespace swage::test;

namespace {

struct Tried {
  int points = 0;  ///< compared
  int special = 0; ///< of these, with a value somewhere in the kernel that is not finite
};

/// Values that derivatives are infinite, zero or huge at, and ordinary ones.
double input(Random& random) {
  static constexpr double kValues[] = {0,   -0.0, 1,    -1,   0.5,  2,     -2,    3.25, 88,
                                       -88, 100,  -100, 1e10, 1e30, -1e30, 1e-30, 3e38, 1e-40};
  return static_cast<double>(static_cast<float>(random.pick(kValues)));
}

void try_kernel(std::uint64_t seed, Tried& tried) {
  RandomKernelOptions options;
  options.nodes = 14;
  options.inputs = 3;
  options.outputs = 1;
  options.scalars = 0;
  options.broadcasts = false;
  options.special_constants = false;
  options.dtypes = {f32};
  options.ops = gradient_ops();
  const Kernel forward = simplify(random_kernel(seed, options));
  const Kernel gradient = contract(simplify(
      differentiate(forward, {.name = "g", .items = {{"x0", {}}, {"x1", {}}, {"x2", {}}}})));
  verify(gradient);
  const Evaluator evaluator(gradient);
  Evaluator::Workspace workspace;
  ExactGradient<double> exact(forward, 1e80L);
  Random random(seed);
  for (int point = 0; point < 20; ++point) {
    std::vector<double> inputs(forward.params().size(), 0);
    std::vector<Scalar> arguments(gradient.params().size()), results(3);
    arguments[0].real = 1; // the gradient that arrives
    for (std::size_t p = 0; p < 3; ++p)
      arguments[1 + p].real = inputs[p] = input(random);
    const auto expected = exact(inputs);
    if (!expected)
      continue;
    ++tried.points;
    tried.special += exact.holds_nonfinite();
    evaluator(arguments, results, workspace);
    for (std::size_t p = 0; p < 3; ++p) {
      const long double got = results[p].real, want = expected->by_param[p];
      INFO(print(forward) << print(gradient) << "seed " << seed << ", by x" << p << " at "
                          << inputs[0] << ", " << inputs[1] << ", " << inputs[2] << ": "
                          << double(got) << ", expected " << double(want));
      REQUIRE(std::fabs(got - want) <= 1e-4L * expected->scale[p] + 1e-290L);
    }
  }
}

void try_kernels(std::uint64_t count) {
  Tried tried;
  for (std::uint64_t seed = 0; seed < count; ++seed)
    try_kernel(seed, tried);
  CHECK(static_cast<std::uint64_t>(tried.points) > 5 * count);
  CHECK(static_cast<std::uint64_t>(tried.special) > count / 4);
}

} // namespace

TEST_CASE("gradients of random kernels are those of the chosen arms") {
  try_kernels(1000);
}

TEST_CASE("gradients of a hundred thousand random kernels are those of the chosen arms",
          "[.exhaustive]") {
  try_kernels(100'000);
}
