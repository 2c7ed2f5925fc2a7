// catalogue_test.cpp -- every kernel of the catalogue, on both back ends, against the evaluator;
// and that no schedule shows in any result.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "codegen/lower.hpp"
#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/strict.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

constexpr DType kFloats[] = {f64, f32, f16, bf16};

/// Every kernel of the catalogue that `kind` offers with its type bound to `type`.
std::vector<ir::Kernel> catalogue(DType type, Target::Kind kind) {
  std::vector<ir::Kernel> kernels;
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const auto& declaration : ir::list_kernels({file.text, file.name})) {
      std::vector<Binding> bindings;
      for (const std::string& generic : declaration.generics)
        bindings.push_back({generic, type});
      ir::Kernel kernel = ir::load_kernel({file.text, file.name}, declaration.name, bindings);
      const bool torch = kernel.math() == ir::MathMode::torch;
      if (ir::is_elementwise(kernel) && (!torch || kind == Target::Kind::host || type != f64))
        kernels.push_back(std::move(kernel));
    }
  return kernels;
}

ir::Kernel catalogue_kernel(std::string_view name, DType type) {
  for (ir::Kernel& kernel : catalogue(type, Target::Kind::cuda))
    if (kernel.name() == name)
      return kernel;
  throw std::runtime_error("no such kernel in the catalogue");
}

/// Relative error that functions may have, as multiples of which the results' errors are allowed:
/// near a zero of the result, rounding of the terms that cancel is what remains.
double function_error(const ir::Kernel& kernel, DType type) {
  if (type == DType::f64)
    return 0x1p-49;
  return owes_full_accuracy(kernel) ? 0x1p-20 : 0x1p-18;
}

/// Compares the buffers of `call`, which has run, with the evaluator on `before`.
void check_against_evaluator(const Call& call, const Call& before, DType type) {
  const ir::Kernel& kernel = call.kernel();
  const ir::Evaluator evaluator(kernel);
  ir::Evaluator::Workspace workspace;
  std::vector<ir::Scalar> arguments(kernel.params().size()), results(kernel.stores().size());
  for (std::int64_t row = 0; row < call.rows(); ++row)
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      const auto bits = before.arguments(row, column);
      long double scale = 1;
      bool ordinary = true;
      for (std::size_t p = 0; p < bits.size(); ++p) {
        arguments[p] = ir::decode(kernel.params()[p].dtype, bits[p]);
        if (kernel.params()[p].kind == ir::ParamKind::out)
          continue;
        const long double magnitude = std::abs(arguments[p].real);
        scale *= std::max(1.0L, magnitude * magnitude);
        ordinary &= magnitude < 64 && (magnitude == 0 || magnitude > 0x1p-10L);
      }
      if (!ordinary)
        continue; // overflow and underflow of intermediates are the strict test's subject
      evaluator(arguments, results, workspace);
      for (std::size_t i = 0; i < results.size(); ++i) {
        const std::uint32_t param = kernel.stores()[i].param;
        const long double got = ir::decode(type, call.load(param, row, column)).real;
        const long double ulps = ir::ulp_error(type, got, results[i].real);
        const long double allowed =
            function_error(kernel, type) * scale + ir::ulp(type, results[i].real);
        if (ulps > 0.52L && std::abs(got - results[i].real) > allowed) {
          INFO(kernel.params()[param].name << "[" << row << ", " << column << "]: " << double(got)
                                           << ", expected " << double(results[i].real));
          FAIL();
        }
      }
    }
}

CudaSchedule some_cuda_schedule(Random& random, const std::vector<Schedule>& all) {
  return std::get<CudaSchedule>(all[random.below(all.size())]);
}

} // namespace

TEST_CASE("every catalogue kernel agrees with the evaluator on the host") {
  std::uint64_t seed = 0;
  for (const DType type : kFloats)
    for (const ir::Kernel& kernel : catalogue(type, Target::Kind::host)) {
      Random random(++seed), same(seed);
      const CallOptions options{.rows = 3, .columns = 1 + static_cast<std::int64_t>(seed % 90)};
      Call call(kernel, random, options);
      const Call before(kernel, same, options);
      const auto all = all_schedules(kernel, call.specialization(), host_target());
      const auto schedule = std::get<HostSchedule>(all[random.below(all.size())]);
      INFO(kernel.name() << " of " << name_of(type) << ", " << call.describe() << ", "
                         << canonical(schedule));
      run_on_host(call, schedule);
      check_against_evaluator(call, before, type);
    }
}

TEST_CASE("every catalogue kernel agrees with the evaluator in PTX") {
  std::uint64_t seed = 0;
  for (const DType type : kFloats)
    for (const ir::Kernel& kernel : catalogue(type, Target::Kind::cuda)) {
      Random random(++seed), same(seed);
      const CallOptions options{.rows = 3, .columns = 1 + static_cast<std::int64_t>(seed % 90)};
      Call call(kernel, random, options);
      const Call before(kernel, same, options);
      const Target target = cuda_target(random.pick(cuda_architectures()));
      const CudaSchedule schedule =
          some_cuda_schedule(random, all_schedules(kernel, call.specialization(), target));
      INFO(kernel.name() << " of " << name_of(type) << ", " << call.describe() << ", "
                         << canonical(target) << ", " << canonical(schedule));
      run_in_emulator(call, schedule, target);
      check_against_evaluator(call, before, type);
    }
}

TEST_CASE("every host schedule gives the same bits") {
  for (const char* name : {"swiglu", "swiglu_backward_inplace", "geglu"})
    for (const DType type : {f32, bf16}) {
      const ir::Kernel kernel = catalogue_kernel(name, type);
      Random random(7);
      Call call(kernel, random, {.rows = 5, .columns = 203});
      run_on_host(call, {.lanes = 1, .unroll = 1});
      const auto expected = call.snapshot();
      std::set<std::string> seen;
      for (const Schedule& schedule : all_schedules(kernel, call.specialization(), host_target()))
        if (seen.insert(code_line(schedule)).second) {
          call.reset();
          run_on_host(call, std::get<HostSchedule>(schedule), 3);
          INFO(name << " of " << name_of(type) << ", " << canonical(schedule));
          REQUIRE(call.difference(expected) == "");
        }
    }
}

TEST_CASE("every CUDA schedule gives the same bits") {
  const Target target = cuda_target(90);
  for (const char* name : {"swiglu", "swiglu_backward_inplace"})
    for (const DType type : {f32, bf16}) {
      const ir::Kernel kernel = catalogue_kernel(name, type);
      Random random(8);
      Call call(kernel, random, {.rows = 3, .columns = 67});
      run_in_emulator(call, {.threads = 32, .access_bytes = size_of(type)}, target);
      const auto expected = call.snapshot();
      const auto all = all_schedules(kernel, call.specialization(), target);
      for (std::size_t i = random.below(60); i < all.size(); i += 60 + random.below(3)) {
        call.reset();
        INFO(name << " of " << name_of(type) << ", " << canonical(all[i]));
        run_in_emulator(call, std::get<CudaSchedule>(all[i]), target);
        REQUIRE(call.difference(expected) == "");
      }
    }
}

TEST_CASE("what owes full accuracy has the same bits on both back ends") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    swage::test::RandomKernelOptions options;
    options.dtypes = {f64, f32, i32, boolean};
    options.ops = swage::test::all_ops();
    std::erase(options.ops, ir::Op::copysign); // it would show the sign of a NaN
    options.nodes = 12;
    const ir::Kernel kernel = swage::test::random_kernel(seed, options);
    if (!owes_full_accuracy(kernel))
      continue;
    Call call(kernel, random, {.rows = 4, .columns = 33});
    run_on_host(call, {.lanes = 8});
    const auto expected = call.snapshot();
    call.reset();
    const Target target = cuda_target(random.one_in(2) ? 75 : 90);
    run_in_emulator(call, {.threads = 64, .access_bytes = 8}, target);
    INFO("seed " << seed << ", " << canonical(target) << ", " << call.describe());
    CHECK(call.difference(expected) == "");
  }
}
