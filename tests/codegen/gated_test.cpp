// gated_test.cpp -- gated activations are rounded as their exact results are, to 0.51 ulp, wherever
// these are normal numbers: also where the activation by itself is too small for f32.
#include "tests/support/catch.hpp"

#include <cmath>

#include <fmt/format.h>

#include "codegen/wide_products.hpp"
#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/worst_emulator.hpp"
#include "tests/support/catalogue.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

constexpr const char* kGates[] = {"swiglu", "geglu", "geglu_tanh", "geglu_quick", "glu", "reglu"};

ir::Kernel gate_kernel(std::string_view name, DType type) {
  for (const swage::test::CatalogueKernel& each : swage::test::catalogue_kernels())
    if (each.name == name)
      return ir::load_kernel({each.text}, each.name, each.bindings(type));
  throw std::runtime_error("no such kernel in the catalogue");
}

/// Any bits, and as often a gate that activations vanish at with a factor that makes up for it.
void fill(Call& call, Random& random, DType type) {
  const double largest = type == f16 ? 65504 : 0x1.fep127;
  for (std::int64_t column = 0; column < call.columns(); ++column) {
    std::uint64_t gate = random.bits() & 0xffff, up = random.bits() & 0xffff;
    if (random.one_in(2)) {
      const double unit = static_cast<double>(random.below(1 << 20)) * 0x1p-20;
      gate = ir::encode(type, {.real = -180 * unit * unit});
      up = ir::encode(type, {.real = largest * std::exp2(-20 * unit)});
    }
    call.set(0, 0, column, gate);
    call.set(1, 0, column, up);
  }
}

/// `least_gated`: results are looked at where they are at least so many times `up`.
void check(const Call& call, DType type, long double least_gated) {
  const ir::Evaluator evaluator(call.kernel());
  ir::Evaluator::Workspace workspace;
  std::vector<ir::Scalar> arguments(3), results(1);
  const long double least = type == f16 ? 0x1p-14L : 0x1p-126L;
  const long double largest = type == f16 ? 65504 : 0x1.fep127L;
  double worst = 0, gate = 0, up = 0;
  int normal = 0;
  for (std::int64_t column = 0; column < call.columns(); ++column) {
    const auto bits = call.arguments(0, column);
    for (std::size_t p = 0; p < 3; ++p)
      arguments[p] = ir::decode(type, bits[p]);
    if (!std::isfinite(arguments[0].real) || !std::isfinite(arguments[1].real))
      continue;
    evaluator(arguments, results, workspace);
    const long double exact = results[0].real;
    if (!(std::fabs(exact) >= least) || std::fabs(exact) > largest ||
        std::fabs(exact) < least_gated * std::fabs(arguments[1].real))
      continue;
    ++normal;
    const auto error = static_cast<double>(ir::ulp_error(type, arguments[2].real, exact));
    if (!(error <= worst)) {
      worst = error;
      gate = static_cast<double>(arguments[0].real);
      up = static_cast<double>(arguments[1].real);
    }
  }
  INFO("at gate " << gate << ", up " << up);
  CHECK(worst <= 0.51);
  CHECK(normal > call.columns() / 16);
}

} // namespace

TEST_CASE("gated activations are within 0.51 ulp wherever the result is normal") {
  for (const char* name : kGates)
    for (const DType type : {bf16, f16}) {
      INFO(name << " of " << name_of(type));
      Random random(5);
      Call call(gate_kernel(name, type), random,
                {.rows = 1, .columns = 8192, .random_layouts = false});
      fill(call, random, type);
      // On a CPU sigmoid is one factor, which has all its bits where it is normal.
      run_on_host(call, HostSchedule{});
      check(call, type, 0x1p-118L);
      run_in_worst_emulator(call, CudaSchedule{}, cuda_target(90));
      check(call, type, 0);
    }
}

TEST_CASE("only products that can outgrow their sigmoid are computed in two factors") {
  const auto wide = [](const char* body, const char* params = "x: in bf16, u: in bf16") {
    const std::string text = fmt::format("kernel k({}, y: out bf16) {{ y = {}; }}", params, body);
    const ir::Kernel kernel = ir::load_kernel({text}, "k", {});
    int count = 0;
    for (const auto& product : find_wide_products(kernel))
      count += product.has_value();
    return count;
  };
  CHECK(wide("x * sigmoid(x) * u") == 1);
  CHECK(wide("u * (x * sigmoid(x))") == 1);
  CHECK(wide("u * x * sigmoid(x)") == 1);
  CHECK(wide("sigmoid(x) * u") == 1);
  CHECK(wide("0.5 * x * erfc(x) * u") == 1);
  const char* const table = "t: in bf16 [table], id: in i32 [row]";
  CHECK(wide("sigmoid(t[id]) * t[id + 1]", table) == 1);
  CHECK(wide("sigmoid(x) * row_max(x)", "x: in bf16") == 1);
  CHECK(wide("x * sigmoid(x) + u") == 0);
  CHECK(wide("sigmoid(t[id]) * t[id]", table) == 0);
  CHECK(wide("x * sigmoid(x) * u + sigmoid(x)") == 0);
}
