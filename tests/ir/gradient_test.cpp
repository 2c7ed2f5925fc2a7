// gradient_test.cpp -- derived gradients: signatures, values against differences, lean code,
// errors.
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "ir/differentiate.hpp"
#include "ir/evaluate.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "swage/error.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catalogue.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::ir;

namespace {

constexpr const char* kSwiglu = R"(
fn silu(x) = x * sigmoid(x);
kernel swiglu<T>(gate: in T, up: in T, h: out T) { h = silu(gate) * up; }
kernel out_of_place = grad swiglu(gate, up);
kernel in_place = grad swiglu(h -> d_h, up -> gate, gate -> up);
kernel second = grad out_of_place(gate);
)";

Kernel load(const std::string& text, const std::string& name, DType type = DType::f64) {
  std::vector<Binding> bindings;
  for (const KernelDeclaration& declaration : list_kernels({text}))
    if (declaration.name == name && !declaration.generics.empty())
      bindings.push_back({"T", type});
  return load_kernel({text}, name, bindings);
}

std::string signature(const Kernel& kernel) {
  constexpr const char* kinds[] = {"in", "out", "inout", "scalar"};
  std::string text;
  for (const Param& param : kernel.params())
    text += (text.empty() ? "" : ", ") + param.name + " " + kinds[static_cast<int>(param.kind)];
  return text;
}

std::string errors_of(const std::string& text, const std::string& name) {
  try {
    load(text, name);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

int count(const Kernel& kernel, Op op) {
  int found = 0;
  for (const Node& node : kernel.nodes())
    found += node.op == op;
  return found;
}

int operations(const Kernel& kernel) {
  int found = 0;
  for (const Node& node : kernel.nodes())
    found += info(node.op).form != OpForm::leaf;
  return found;
}

/// The value of the forward kernel's output `s` at `inputs` (by parameter).
long double value_at(const Evaluator& forward, std::vector<Scalar> inputs, std::size_t s) {
  Evaluator::Workspace workspace;
  std::vector<Scalar> results(forward.kernel().stores().size());
  forward(inputs, results, workspace);
  return results[s].real;
}

/// Holds every gradient of `derived` to central differences of `forward` at random points.
void check_differences(const Kernel& forward, const Kernel& derived, int points) {
  const Evaluator f(forward), g(derived);
  Evaluator::Workspace workspace;
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(0, 2);
  std::vector<Scalar> at(forward.params().size()), arguments(derived.params().size());
  std::vector<Scalar> results(derived.stores().size());
  int compared = 0;
  for (int point = 0; point < points; ++point) {
    for (std::size_t p = 0; p < at.size(); ++p)
      at[p].real = forward.params()[p].kind == ParamKind::scalar ? std::fabs(normal(random)) + 0.1
                                                                 : normal(random);
    for (std::size_t p = 0; p < arguments.size(); ++p) {
      const std::string& name = derived.params()[p].name;
      if (!derived.params()[p].is_tensor() || derived.params()[p].is_read()) {
        bool incoming = true;
        for (std::size_t q = 0; q < at.size(); ++q)
          if (forward.params()[q].name == name && !forward.params()[q].is_written()) {
            arguments[p] = at[q];
            incoming = false;
          }
        if (incoming)
          arguments[p].real = 1;
      }
    }
    g(arguments, results, workspace);
    for (std::size_t s = 0; s < results.size(); ++s) {
      const std::string name = derived.params()[derived.stores()[s].param].name.substr(2);
      const std::size_t variable = testing::index_of(forward, name);
      long double difference = 0, coarse = 0;
      const long double h = 1e-5L;
      for (std::size_t output = 0; output < forward.stores().size(); ++output) {
        const auto slope = [&](long double step) {
          std::vector<Scalar> above = at, below = at;
          above[variable].real += step;
          below[variable].real -= step;
          return (value_at(f, above, output) - value_at(f, below, output)) / (2 * step);
        };
        difference += slope(h);
        coarse += slope(4 * h);
      }
      // A kink within the step: the two differences disagree, and neither is the derivative.
      const long double scale = 1 + std::fabs(results[s].real);
      if (std::fabs(difference - coarse) > 1e-6L * scale)
        continue;
      ++compared;
      INFO(name << " at point " << point << ": " << static_cast<double>(results[s].real) << " vs "
                << static_cast<double>(difference));
      REQUIRE(std::fabs(results[s].real - difference) <= 1e-7L * scale);
    }
  }
  CHECK(compared > points / 2);
}

} // namespace

TEST_CASE("a gradient takes the incoming gradients, then the inputs, and gives d_NAME") {
  CHECK(signature(load(kSwiglu, "out_of_place")) == "d_h in, gate in, up in, d_gate out, d_up out");
  CHECK(signature(load(kSwiglu, "in_place")) == "d_h inout, gate inout, up inout");
  CHECK(signature(load(kSwiglu, "second")) ==
        "d_d_gate in, d_d_up in, d_h in, gate in, up in, d_gate out");
  CHECK(signature(load("kernel f(x: in f32, a: f32, b: in f32 [col], y: out f32) { y = a * x * b; }"
                       "kernel g = grad f(x, y);",
                       "g")) == "d_y in, x in, a scalar, b in, d_x out, y out");
}

TEST_CASE("gradients of gradients go to order 8, each parameter with a name of its own") {
  std::string text = "kernel f0(x: in f64, y: out f64) { y = exp(x); }\n";
  for (int i = 1; i <= 9; ++i)
    text += "kernel f" + std::to_string(i) + " = grad f" + std::to_string(i - 1) + "(x);\n";
  CHECK(signature(load(text, "f3")) == "d_d_d_x in, d_d_x in, d_y in, x in, d_x out");
  CHECK(load(text, "f8").params().size() == 10);
  CHECK_FALSE(errors_of(text, "f9").empty());
  CHECK(signature(load("kernel f(x: in f64, y: out f64, d_y: out f64) { y = x; d_y = x; }"
                       "kernel g = grad f(x);",
                       "g")) == "d_y in, d_d_y in, x in, d_x out");
}

TEST_CASE("the derived gradient of swiglu is no longer than the hand-written one") {
  const kernels::CatalogueFile* file = kernels::find("swiglu_backward");
  REQUIRE(file != nullptr);
  const Kernel written =
      load_kernel({file->text, file->name}, "swiglu_backward", {{"T", DType::bf16}});
  const Kernel derived = load(kSwiglu, "out_of_place", DType::bf16);
  INFO(print(derived));
  CHECK(operations(derived) <= operations(written));
  CHECK(count(derived, Op::sigmoid) == 1);
  CHECK(count(derived, Op::exp) == 0);
  CHECK(count(derived, Op::div) + count(derived, Op::rcp) == 0);
}

TEST_CASE("in place and out of place give the same values") {
  const Kernel apart = load(kSwiglu, "out_of_place"), within = load(kSwiglu, "in_place");
  const Evaluator a(apart), b(within);
  Evaluator::Workspace workspace;
  std::vector<Scalar> arguments(5), apart_results(2), within_results(3);
  for (double d : {1.0, -0.25})
    for (double gate : {-3.0, 0.5, 9.0})
      for (double up : {0.0, 2.0}) {
        arguments = {{.real = d}, {.real = gate}, {.real = up}, {}, {}};
        a(arguments, apart_results, workspace);
        arguments.resize(3);
        b(arguments, within_results, workspace);
        arguments.resize(5);
        CHECK(within_results[1].real == apart_results[1].real); // gate <- d_up
        CHECK(within_results[2].real == apart_results[0].real); // up <- d_gate
        CHECK(within_results[0].real ==
              Approx(gate / (1 + std::exp(-gate)) * up).epsilon(1e-12)); // d_h <- h
      }
}

TEST_CASE("every catalogue gradient agrees with central differences in f64") {
  int derived = 0;
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const KernelDeclaration& declaration : list_kernels({file.text, file.name})) {
      const Kernel forward =
          parse_kernel({file.text, file.name}, declaration.name, test::bind_all(declaration, f64));
      if (!is_elementwise(forward))
        continue; // row_gradient_test.cpp
      GradRequest request{.name = "g", .items = {}};
      bool in_place = false;
      for (const Param& param : forward.params()) {
        in_place = in_place || param.kind == ParamKind::inout;
        if (param.kind == ParamKind::in)
          request.items.push_back({param.name, {}});
      }
      // Rounding points differentiate as the identity, which differences cannot see through; in f64
      // they are the identity.
      if (in_place || declaration.name.find("backward") != std::string::npos)
        continue;
      INFO(file.name << ": " << declaration.name);
      const Kernel gradient = differentiate(forward, request);
      if (!is_elementwise(gradient))
        continue; // of a [row] input
      check_differences(forward, gradient, 10'000);
      ++derived;
    }
  CHECK(derived >= 15);
}

TEST_CASE("every differentiable operation has the derivative of its table row") {
  // Away from poles and with arguments in every function's domain.
  const char* bodies[] = {"exp(x)",
                          "exp2(x)",
                          "expm1(x)",
                          "log(x * x + 1)",
                          "log2(x*x+1)",
                          "log1p(x * x)",
                          "sqrt(x * x + 1)",
                          "rsqrt(x * x + 1)",
                          "rcp(x*x+1)",
                          "sigmoid(x)",
                          "tanh(x)",
                          "erf(x)",
                          "erfc(x)",
                          "sin(x)",
                          "cos(x)",
                          "abs(x)",
                          "relu(x)",
                          "min(x, y)",
                          "max(x, y)",
                          "clamp(x, -1, y)",
                          "pow(x * x + 1, y)",
                          "fma(x, y, x)",
                          "copysign(x, y)",
                          "x / (y * y + 1)",
                          "x > y ? x * x : y",
                          "-x * y - x",
                          "x * y * x + y"};
  for (const char* body : bodies) {
    INFO(body);
    const std::string text = std::string("kernel f(x: in f64, y: in f64, z: out f64) { z = ") +
                             body + "; } kernel g = grad f(x, y);";
    check_differences(parse_kernel({text}, "f", {}), load(text, "g"), 500);
  }
}

TEST_CASE("at a bound the gradient passes") {
  const auto at = [](const char* body, double x) {
    const std::string text =
        std::string("kernel f(x: in f64, y: out f64) { y = ") + body + "; } kernel g = grad f(x);";
    const Kernel g = load(text, "g");
    Evaluator::Workspace workspace;
    std::vector<Scalar> arguments = {{.real = 1}, {.real = x}, {}}, results(1);
    Evaluator{g}(arguments, results, workspace);
    return static_cast<double>(results[0].real);
  };
  CHECK(at("relu(x)", 0) == 1);
  CHECK(at("relu(x)", -1) == 0);
  CHECK(at("min(x, 7)", 7) == 1);
  CHECK(at("min(x, 7)", 7.5) == 0);
  CHECK(at("max(x, 7)", 7) == 1);
  CHECK(at("clamp(x, -7, 7)", 7) == 1);
  CHECK(at("clamp(x, -7, 7)", -7) == 1);
  CHECK(at("clamp(x, -7, 7)", 8) == 0);
  CHECK(at("abs(x)", 0) == 1);
  CHECK(at("floor(x)", 0.5) == 0);
}

TEST_CASE("gradients that cannot be are refused by name") {
  const std::string f = "kernel f(x: in f32, n: in i32, a: f32, b: in f32 [row], y: out f32)"
                        " { y = a * x * b; } ";
  CHECK_THAT(errors_of(f + "kernel g = grad f(n);", "g"), Catch::Contains("'n' is i32"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(z);", "g"),
             Catch::Contains("'z' is no parameter of 'f'"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(x, x);", "g"),
             Catch::Contains("'x' is asked for twice"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(y);", "g"),
             Catch::Contains("no gradient is asked for"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(x -> n);", "g"),
             Catch::Contains("holds i32, the result is f32"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(x -> b);", "g"),
             Catch::Contains("the buffer of 'b' holds one value a row, the result is one an "
                             "element"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(x -> a);", "g"),
             Catch::Contains("no buffer to overwrite"));
  CHECK_THAT(errors_of(f + "kernel g = grad f(x -> d_y, y -> d_y);", "g"),
             Catch::Contains("two results would overwrite the buffer of 'd_y'"));
  CHECK_THAT(errors_of(f + "kernel g = grad ff(x);", "g"), Catch::Contains("did you mean 'f'?"));
  CHECK_THAT(errors_of("kernel a = grad b(x); kernel b = grad a(x);", "a"),
             Catch::Contains("'a' is a gradient of itself"));
  CHECK_THAT(errors_of("kernel f(x: inout f32) { x = x * x; } kernel g = grad f(x);", "g"),
             Catch::Contains("it overwrites 'x'"));
  CHECK_THAT(
      errors_of("kernel f(x: in f32, y: out i32) { y = i32(x); } kernel g = grad f(x);", "g"),
      Catch::Contains("output 'y' of 'f' is i32"));
}

TEST_CASE(
    "the catalogue's gradients named _backward or _grad run with T bound alone, on tensors of T") {
  int seen = 0;
  for (const swage::test::CatalogueKernel& each : swage::test::catalogue_kernels()) {
    if (!each.name.ends_with("_backward") && !each.name.ends_with("_grad"))
      continue;
    INFO(each.name);
    ++seen;
    const Kernel kernel = load_kernel({each.text}, each.name, {{"T", f32}});
    for (const Param& param : kernel.params())
      CHECK((!param.is_tensor() || param.dtype == f32));
  }
  CHECK(seen > 40);
}

TEST_CASE("a gradient whose name an input has gets another d_ in front") {
  const std::string text =
      "kernel back(d_y: in f64, y: in f64, d_x: out f64) { d_x = d_y * y * y; }"
      "kernel twice = grad back(d_y, y);";
  const Kernel kernel = load(text, "twice");
  CHECK(signature(kernel) == "d_d_x in, d_y in, y in, d_d_y out, d_d_d_y out");
  CHECK(load_kernel({print(kernel)}, "", {}) == kernel);
}
