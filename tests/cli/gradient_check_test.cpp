// gradient_check_test.cpp -- wrong derivative rules are found by differences of the forward kernel.
#include "runtime/verify/gradient_check.hpp"

#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::verify;

namespace {

struct Fault {
  const char* forward; ///< of x and b
  const char* wrong;   ///< gradient by x, from d
};

/// A planted fault in the rule of each operation: dropped factors, swapped arms, signs.
constexpr Fault kFaults[] = {
    {"x * b", "d"},
    {"x - b", "-d"},
    {"b - x", "d"},
    {"x / b", "d * b"},
    {"b / x", "d * b / (x * x)"},
    {"x > 0 ? x * b : b", "x > 0 ? 0 : d * b"},
    {"x > b ? 3 * x : x", "d"},
    {"abs(x)", "d"},
    {"min(x, b)", "x <= b ? 0 : d"},
    {"max(x, b)", "x >= b ? 0 : d"},
    {"clamp(x, -1, b)", "x >= -1 ? d : 0"},
    {"relu(x)", "x >= 0 ? 0 : d"},
    {"fma(x, b, x)", "d * b"},
    {"exp(x)", "d"},
    {"exp2(x)", "d * exp2(x)"},
    {"expm1(x)", "d * expm1(x)"},
    {"log(abs(x))", "d / abs(x)"},
    {"log2(abs(x))", "d / x"},
    {"log1p(x * x)", "d * 2 * x / (x * x)"},
    {"sqrt(abs(x))", "d / sqrt(abs(x))"},
    {"rsqrt(1 + x * x)", "d * x * rsqrt(1 + x * x)"},
    {"rcp(x)", "d * rcp(x) * rcp(x)"},
    {"sigmoid(x)", "d * sigmoid(x) * (1 + sigmoid(x))"},
    {"tanh(x)", "d * (1 - tanh(x))"},
    {"erf(x)", "d * exp(-(x * x))"},
    {"erfc(x)", "d * 1.1283791670955126 * exp(-(x * x))"},
    {"sin(x)", "-(d * cos(x))"},
    {"cos(x)", "d * sin(x)"},
    {"pow(abs(x), 2.5)", "d * pow(abs(x), 1.5)"},
    {"copysign(x, b)", "d"},
    // Off by 2^-11, and a term of two that is missing.
    {"tanh(x)", "d * (1 - tanh(x) * tanh(x)) * 1.00048828125"},
    {"x * sigmoid(x) * b", "d * b * sigmoid(x)"},
    {"0.5 * x * erfc(-0.70710678118654752 * x)", "d * 0.5 * erfc(-0.70710678118654752 * x)"},
};

ir::Kernel kernel(const std::string& text, const char* name) {
  return ir::load_kernel({text}, name, std::vector<Binding>{});
}

GradientCheck check(const Fault& fault, bool planted) {
  const std::string forward =
      std::string("kernel f(x: in bf16, b: in bf16, y: out bf16) { y = ") + fault.forward + "; }\n";
  const std::string derived =
      planted
          ? std::string("kernel g(d: in bf16, x: in bf16, b: in bf16, d_x: out bf16) { d_x = ") +
                fault.wrong + "; }\n"
          : "kernel g = grad f(x);\n";
  const std::vector<ir::KernelDeclaration::GradientItem> items = {{"x", ""}};
  return check_gradient(kernel(forward, "f"), kernel(forward + derived, "g"), items);
}

} // namespace

TEST_CASE("derived gradients are the slopes of their forward kernels") {
  for (const Fault& fault : kFaults) {
    INFO(fault.forward);
    const GradientCheck found = check(fault, false);
    CHECK(found.wrong == 0);
    CHECK(found.checked > 1500);
  }
}

TEST_CASE("every fault planted in a derivative is found by differences") {
  for (const Fault& fault : kFaults) {
    INFO(fault.forward << ": " << fault.wrong);
    const GradientCheck found = check(fault, true);
    CHECK(found.wrong > 0);
    CHECK(found.first.has_value());
  }
}

TEST_CASE("rounding points, buffers in place and gradients of gradients are checked too") {
  const std::string text =
      "kernel f<T>(x: in T, b: in T, y: out T, z: out f32) { y = T(x * sigmoid(x)) * b; z = x; }\n"
      "kernel g = grad f(x -> d_y, b);\n"
      "kernel p(x: in f32, y: out f32) { y = x * x * x; }\n"
      "kernel q = grad p(x);\n"
      "kernel r = grad q(x, d_y);\n";
  const std::vector<Binding> at_bf16 = {{"T", DType::bf16}};
  const auto declared = ir::list_kernels({text});
  const auto checked = [&](const char* name) {
    for (const ir::KernelDeclaration& each : declared)
      if (each.name == name)
        return check_gradient(
            ir::load_kernel({text}, each.gradient_of,
                            each.generics.empty() ? std::vector<Binding>{} : at_bf16),
            ir::load_kernel({text}, name, each.generics.empty() ? std::vector<Binding>{} : at_bf16),
            each.gradient_items);
    return GradientCheck{};
  };
  for (const char* name : {"g", "q", "r"}) {
    INFO(name);
    CHECK(checked(name).checked > 3000);
    CHECK(checked(name).wrong == 0);
  }
}

TEST_CASE("verify says how a derived gradient stands to differences") {
  const test::Outcome outcome = test::run_swage(
      {"verify", "silu_backward", "-D", "T=bf16", "--samples", "1000", "--device", "cpu"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("gradient of silu: ") != std::string::npos);
  CHECK(outcome.out.find(" 0 wrong\n") != std::string::npos);
}
