// gradient_arms_test.cpp -- a derived gradient takes nothing from arms that were not chosen, nor
// from saturated functions: no NaN of 0 times infinity.
#include <cmath>
#include <limits>

#include "ir/differentiate.hpp"
#include "ir/evaluate.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::ir;

namespace {

/// The derivative of order `order` of y = `body`(x) at `x`: every incoming gradient is 1.
double derivative(const std::string& body, double x, DType type = DType::f32, int order = 1) {
  std::string text = "kernel f0(x: in " + std::string(name_of(type)) + ", y: out " +
                     std::string(name_of(type)) + ") { y = " + body + "; }";
  for (int i = 1; i <= order; ++i)
    text += " kernel f" + std::to_string(i) + " = grad f" + std::to_string(i - 1) + "(x);";
  const Kernel kernel = load_kernel({text}, "f" + std::to_string(order), {});
  std::vector<Scalar> arguments(kernel.params().size()), results(1);
  for (std::size_t p = 0; p < arguments.size(); ++p)
    arguments[p].real = kernel.params()[p].name == "x" ? x : 1;
  Evaluator::Workspace workspace;
  Evaluator{kernel}(arguments, results, workspace);
  return static_cast<double>(results[0].real);
}

Kernel derived(const std::string& body) {
  return load_kernel(
      {"kernel f(x: in f32, w: in f32, y: out f32) { y = " + body + "; } kernel g = grad f(x);"},
      "g", {});
}

int count(const Kernel& kernel, Op op) {
  int found = 0;
  for (const Node& node : kernel.nodes())
    found += node.op == op;
  return found;
}

} // namespace

TEST_CASE("an arm that was not chosen gives nothing, whatever its derivative is") {
  struct Case {
    const char* body;
    double x, gradient;
  };
  const Case cases[] = {
      {"x > 0 ? sqrt(x) : 0", 0, 0},
      {"x > 0 ? sqrt(x) : 0", -1, 0},
      {"x > 0 ? sqrt(x) : x", -4, 1},
      {"x > 20 ? x : log1p(exp(x))", 1e30, 1},
      {"min(exp(x), 5)", 1e30, 0},
      {"clamp(exp(x), 0, 1)", 1e30, 0},
      {"relu(log(x))", 0, 0},
      {"relu(-1 / abs(x))", 0, 0},
      {"x == 0 ? 1 : sin(x) / x", 0, 0},
      {"max(-1 / (x * x), 2)", 0, 0},
      {"x > 0 ? (x > 1 ? log(x - 1) : sqrt(1 - x)) : 3 * x", -1, 3},
      {"x > 0 ? (x > 1 ? log(x - 1) : 5 * x) : sqrt(x)", 0.5, 5},
      {"(x > 0 ? sqrt(x) : 0) * (x > 0 ? log(x) : 2)", 0, 0},
      // The shared part has an infinite derivative, and no arm that uses it is chosen.
      {"(x > 1 ? sqrt(x - 1) : 0) + (x > 2 ? 2 * sqrt(x - 1) : 0)", 1, 0},
      {"exp((x > 1 ? sqrt(x - 1) : 0) + (x > 2 ? sqrt(x - 1) : 0)) + x", 1, 1},
      {"abs(x > 0 ? log(x) : -x)", -2, -1},
      {"pow(x, 0)", 0, 0},
      {"pow(0, x)", 3, 0},
  };
  for (const Case& each : cases)
    for (const DType type : {f32, f64}) {
      INFO(each.body << " at " << each.x);
      CHECK(derivative(each.body, each.x, type) == each.gradient);
    }
}

TEST_CASE("nor does it in gradients of gradients") {
  // d_d_x and d_y are 1: the second kernel gives d/dx of d_x.
  CHECK(derivative("x > 0 ? x * x * sqrt(x) : x * x", -3, f64, 2) == 2);
  CHECK(derivative("x > 0 ? x * x * sqrt(x) : x * x * x", -3, f64, 3) == 6);
  CHECK(derivative("min(exp(x), 5)", 1e30, f64, 2) == 0);
}

TEST_CASE("a saturated function takes no part in a gradient, whatever is inside of it") {
  struct Case {
    const char* body;
    double low, high; ///< the gradients at -1e30 and 1e30
  };
  const Case cases[] = {
      {"0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * (x * x * x))))", 0, 1},
      {"0.5 * x * (1 + erf(x * x * x))", 0, 1},
      {"x * sigmoid(1.702 * x)", 0, 1},
      {"x * sigmoid(x)", 0, 1},
      {"x / (1 + exp(-x))", 0, 1},
      {"x / (1 + exp(-1.702 * x))", 0, 1},
      {"x * (exp(x) / (1 + exp(x)))", 0, 1},
      {"x * (1 / (exp(-x) + 1))", 0, 1},
      {"x * exp(-(x * x * x * x * x * x))", 0, 0},
  };
  for (const Case& each : cases)
    for (const double x : {1e3, 1e10, 1e30, 1e38}) {
      INFO(each.body << " at " << x);
      CHECK(std::fabs(derivative(each.body, -x) - each.low) < 1e-12);
      CHECK(std::fabs(derivative(each.body, x) - each.high) < 1e-12);
    }
}

TEST_CASE("forms of sigmoid and erfc that are written out are recognised") {
  const auto form = [](const char* body, const char* mode = "") {
    const std::string text =
        std::string(mode) + " kernel f(x: in f32, y: out f32) { y = " + body + "; }";
    return load_kernel({text}, "f", {});
  };
  for (const char* body :
       {"1 / (1 + exp(-x))", "1 / (exp(-x) + 1)", "exp(x) / (1 + exp(x))", "rcp(1 + exp(-x))"}) {
    INFO(body);
    CHECK(print(form(body)) == print(form("sigmoid(x)")));
  }
  CHECK(print(form("x / (1 + exp(-x))")) == print(form("x * sigmoid(x)")));
  CHECK(print(form("x / (1 + exp(-1.702 * x))")) == print(form("x * sigmoid(1.702 * x)")));
  CHECK(print(form("1 + erf(-x)")) == print(form("erfc(x)")));
  CHECK(print(form("1 - erf(x)")) == print(form("erfc(x)")));
  CHECK(print(form("0.5 * x * (1 + tanh(0.25 * x))")) == print(form("x * sigmoid(0.5 * x)")));
  // A mode whose promise is the formula's own bits keeps it.
  CHECK(count(form("1 / (1 + exp(-x))", "@triton"), Op::sigmoid) == 0);
}

TEST_CASE("conditions cost one choice where the arms meet") {
  const Kernel both = derived("x > 0 ? exp(x) : 3 * x");
  INFO(print(both));
  CHECK(count(both, Op::select) == 1);
  CHECK(count(derived("min(x, w) * w"), Op::select) == 1);
  CHECK(count(derived("x * sigmoid(x)"), Op::select) == 0);
  CHECK(count(derived("tanh(x / 2) * w"), Op::select) == 0);
}

TEST_CASE("the gradient of a long chain of choices is as long as the chain") {
  std::string body;
  for (int i = 0; i < 5000; ++i)
    body += "x < " + std::to_string(i) + " ? x * " + std::to_string(i) + " : ";
  const Kernel kernel = derived(body + "x");
  CHECK(kernel.nodes().size() < 30'000);
}
