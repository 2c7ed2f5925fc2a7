// finite_gradient_test.cpp -- compiled kernels give a finite, right result wherever the exact one
// is finite: the whole catalogue at every 16-bit value, and gradients of random kernels.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>

#include "ir/differentiate.hpp"
#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/worst_emulator.hpp"
#include "tests/support/catalogue.hpp"
#include "tests/support/exact_gradient.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

using ir::Kernel;
using ir::ParamKind;

double largest(DType type) {
  return type == f16 ? 65504 : type == f64 ? 0x1.fffffffffffffp1023 : 0x1.fep127;
}

/// As large as can be, with room for the product of the others: partial products are f32.
double extreme(DType type) {
  return largest(type) / 16;
}

std::uint64_t bits_of(DType type, double value) {
  return ir::encode(type, {.real = value});
}

/// Runs `call` on the host or, for a `target`, in the emulator with the worst approximations.
void run(const Call& call, const Target* target) {
  if (target)
    run_in_worst_emulator(call, CudaSchedule{}, *target);
  else
    run_on_host(call, HostSchedule{});
}

/// What one column of a call holds: the bits of argument `swept`, the others at `ordinary`, but for
/// one (if it is a parameter's index) that is as large as can be.
struct Column {
  std::size_t swept;
  std::uint64_t bits;
  double ordinary;
  std::size_t extreme;
};

bool is_input(const ir::Param& param) {
  return param.is_tensor() && param.is_read();
}

/// Every `step`-th value of each argument in turn, the others at ordinary, extreme and zero values.
std::vector<Column> all_columns(const Kernel& kernel, std::uint64_t step) {
  const std::size_t none = kernel.params().size();
  std::vector<Column> columns;
  const auto sweep = [&](std::size_t swept, double ordinary, std::size_t extreme) {
    for (std::uint64_t bits = 0; bits < 0x10000; bits += step)
      columns.push_back({swept, bits, ordinary, extreme});
  };
  for (std::size_t swept = 0; swept < none; ++swept) {
    if (!is_input(kernel.params()[swept]))
      continue;
    sweep(swept, 0, none);
    sweep(swept, 0.75, none);
    for (std::size_t extreme = 0; extreme < none; ++extreme)
      if (extreme != swept && is_input(kernel.params()[extreme]))
        sweep(swept, 0.75, extreme);
  }
  return columns;
}

void fill(Call& call, const std::vector<Column>& columns) {
  const auto params = call.kernel().params();
  for (std::size_t i = 0; i < columns.size(); ++i)
    for (std::size_t p = 0; p < params.size(); ++p) {
      if (!is_input(params[p]))
        continue;
      const Column& column = columns[i];
      const double other = p == column.extreme ? extreme(params[p].dtype) : column.ordinary;
      call.set(p, 0, static_cast<std::int64_t>(i),
               p == column.swept ? column.bits : bits_of(params[p].dtype, other));
    }
}

/// Compares every output with the evaluator on the arguments of `before`.
void check(const Call& call, const std::vector<std::vector<std::uint64_t>>& before,
           const std::vector<Column>& columns) {
  const Kernel& kernel = call.kernel();
  const ir::Evaluator evaluator(kernel);
  ir::Evaluator::Workspace workspace;
  std::vector<ir::Scalar> arguments(kernel.params().size()), results(kernel.stores().size());
  for (std::size_t column = 0; column < columns.size(); ++column) {
    long double size = 1; // of what the result is proportional to
    bool finite = true;
    std::string at;
    for (std::size_t p = 0; p < arguments.size(); ++p) {
      arguments[p] = ir::decode(kernel.params()[p].dtype, before[column][p]);
      if (kernel.params()[p].kind == ParamKind::out)
        continue;
      finite = finite && std::isfinite(arguments[p].real);
      if (p != columns[column].swept)
        size *= std::max(1.0L, std::fabs(arguments[p].real));
      at += " " + kernel.params()[p].name + "=" + std::to_string(double(arguments[p].real));
    }
    if (!finite)
      continue;
    evaluator(arguments, results, workspace);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::uint32_t param = kernel.stores()[i].param;
      const DType type = kernel.params()[param].dtype;
      const long double exact = results[i].real;
      if (!std::isfinite(exact) || std::fabs(exact) > extreme(type))
        continue;
      const long double got =
          ir::decode(type, call.load(param, 0, static_cast<std::int64_t>(column))).real;
      const long double allowed = 0x1p-6L * std::max(std::fabs(exact), size) + ir::ulp(type, exact);
      INFO(kernel.name() << " of " << name_of(type) << ":" << at << " gave "
                         << kernel.params()[param].name << " = " << double(got) << ", expected "
                         << double(exact));
      const bool right = std::isfinite(got) && std::fabs(got - exact) <= allowed;
      if (!right)
        CHECK(right);
    }
  }
}

void check_kernel(const Kernel& kernel, std::uint64_t step, const Target* target) {
  const std::vector<Column> columns = all_columns(kernel, step);
  Random random(1);
  const auto count = static_cast<std::int64_t>(columns.size());
  Call call(kernel, random, {.rows = 1, .columns = count, .random_layouts = false});
  fill(call, columns);
  std::vector<std::vector<std::uint64_t>> before;
  for (std::int64_t column = 0; column < count; ++column)
    before.push_back(call.arguments(0, column));
  run(call, target);
  check(call, before, columns);
}

/// Calls `body(kernel)` for the elementwise kernels of the catalogue, or those of `names`.
template <class Body>
void for_catalogue(DType type, const std::vector<std::string>& names, Body body) {
  std::size_t found = 0;
  for (const swage::test::CatalogueKernel& each : swage::test::catalogue_kernels())
    if (names.empty() || std::ranges::find(names, each.name) != names.end()) {
      const Kernel kernel = ir::load_kernel({each.text}, each.name, each.bindings(type));
      if (!ir::is_elementwise(kernel))
        continue; // rows are the runtime tests' subject
      if (kernel.math() == ir::MathMode::torch)
        continue; // PyTorch's numbers, its NaN included, and on CUDA alone
      body(kernel);
      ++found;
    }
  CHECK(found >= std::max<std::size_t>(1, names.size()));
}

void check_catalogue(DType type, std::uint64_t step, const Target* target,
                     const std::vector<std::string>& names = {}) {
  for_catalogue(type, names, [&](const Kernel& kernel) { check_kernel(kernel, step, target); });
}

/// Gradients of random kernels, compiled, at points where every step that takes part is of ordinary
/// size for f32.
void check_random_gradients(std::uint64_t count) {
  using swage::test::RandomKernelOptions;
  const Target target = cuda_target(90);
  int points = 0;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    RandomKernelOptions options;
    options.nodes = 14;
    options.outputs = 1;
    options.scalars = 0;
    options.broadcasts = false;
    options.special_constants = false;
    options.dtypes = {f32};
    options.ops = swage::test::gradient_ops();
    const Kernel forward = ir::simplify(swage::test::random_kernel(seed, options));
    const Kernel gradient = ir::contract(ir::simplify(
        ir::differentiate(forward, {.name = "g", .items = {{"x0", {}}, {"x1", {}}, {"x2", {}}}})));
    Random random(seed);
    Call call(gradient, random, {.rows = 1, .columns = 64, .random_layouts = false});
    static constexpr double kValues[] = {0,   -0.0, 1,    -1,   0.5,  2,     -2,    3.25,
                                         100, -100, 1e10, 1e30, 3e38, -1e30, 1e-30, 1e-40};
    std::vector<std::vector<double>> inputs;
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      std::vector<double> at(forward.params().size(), 0);
      call.set(0, 0, column, bits_of(f32, 1));
      for (std::size_t p = 0; p < 3; ++p) {
        at[p] = static_cast<double>(static_cast<float>(random.pick(kValues)));
        call.set(1 + p, 0, column, bits_of(f32, at[p]));
      }
      inputs.push_back(std::move(at));
    }
    swage::test::ExactGradient<float> exact(forward, 1e6L);
    for (const Target* where : {static_cast<const Target*>(nullptr), &target}) {
      run(call, where);
      for (std::int64_t column = 0; column < call.columns(); ++column) {
        const auto& at = inputs[static_cast<std::size_t>(column)];
        const auto expected = exact(at);
        if (!expected)
          continue;
        ++points;
        for (std::size_t p = 0; p < 3; ++p) {
          const long double got = ir::decode(f32, call.load(4 + p, 0, column)).real;
          INFO(ir::print(forward) << ir::print(gradient) << "seed " << seed
                                  << (where ? ", in PTX" : ", on the host") << ", by x" << p
                                  << " at " << at[0] << ", " << at[1] << ", " << at[2] << ": "
                                  << double(got) << ", expected " << double(expected->by_param[p]));
          REQUIRE(std::fabs(got - expected->by_param[p]) <= 1e-3L * expected->scale[p] + 0x1p-126L);
        }
      }
    }
  }
  CHECK(points > static_cast<int>(5 * count));
}

} // namespace

TEST_CASE("catalogue kernels are finite and right wherever the exact result is") {
  check_catalogue(bf16, 73, nullptr);
}

TEST_CASE("a slope of 0 leaves nothing of inputs whose product overflows") {
  const Target target = cuda_target(90);
  for (const swage::test::CatalogueKernel& each : swage::test::catalogue_kernels()) {
    // Those that are derived; swiglu_backward has the order of the kernels whose bits it has.
    const bool gated = each.name.find("glu") != std::string::npos && each.name != "glu_backward";
    if (!gated || !each.name.ends_with("_backward") || each.name == "swiglu_backward" ||
        each.name.find("torch") != std::string::npos)
      continue;
    const Kernel kernel = ir::load_kernel({each.text}, each.name, each.bindings(bf16));
    if (!ir::is_elementwise(kernel))
      continue; // rows are the runtime tests' subject
    for (const Target* where : {static_cast<const Target*>(nullptr), &target}) {
      Random random(1);
      Call call(kernel, random, {.rows = 1, .columns = 16, .random_layouts = false});
      for (std::int64_t column = 0; column < call.columns(); ++column)
        for (std::size_t p = 0; p < kernel.params().size(); ++p) {
          const std::string& name = kernel.params()[p].name;
          if (!is_input(kernel.params()[p]))
            continue;
          const double sign = column % 2 == 0 ? 1 : -1;
          const double value = name == "d_h"  ? 8.0
                               : name == "up" ? sign * largest(bf16)
                                              : -std::pow(10.0, 2 + double(column));
          call.set(p, 0, column, bits_of(bf16, value));
        }
      run(call, where);
      for (const ir::Store& store : kernel.stores())
        for (std::int64_t column = 0; column < call.columns(); ++column) {
          INFO(each.name << (where ? " in PTX" : " on the host") << ", column " << column << ", "
                         << kernel.params()[store.param].name);
          CHECK(std::isfinite(ir::decode(bf16, call.load(store.param, 0, column)).real));
        }
    }
  }
}

TEST_CASE("gradients are finite and right on the worst GPU that PTX allows") {
  const Target target = cuda_target(90);
  check_catalogue(bf16, 331, &target,
                  {"gelu_tanh_backward", "geglu_tanh_backward", "gelu_quick_backward",
                   "swiglu_grad", "situ_backward", "xielu_backward"});
}

TEST_CASE("catalogue kernels are finite and right at every value of 16 bits", "[.exhaustive]") {
  // One section a type and target, and within it one a kernel: `-c "bf16 on the host"` runs all of
  // one target, `-c "bf16 on sm_90" -c swiglu` one kernel alone.
  for (const DType type : {bf16, f16}) {
    const auto check_each = [&](const Target* target) {
      for_catalogue(type, {}, [&](const Kernel& kernel) {
        SECTION(kernel.name()) {
          check_kernel(kernel, 1, target);
        }
      });
    };
    SECTION(std::string(name_of(type)) + " on the host") {
      check_each(nullptr);
    }
    for (const int arch : {75, 90})
      SECTION(std::string(name_of(type)) + " on sm_" + std::to_string(arch)) {
        const Target target = cuda_target(arch);
        check_each(&target);
      }
  }
}

TEST_CASE("compiled gradients of random kernels are those of the chosen arms") {
  check_random_gradients(20);
}

TEST_CASE("a thousand compiled gradients of random kernels are those of the chosen arms",
          "[.exhaustive]") {
  check_random_gradients(1000);
}
