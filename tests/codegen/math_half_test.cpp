// math_half_test.cpp -- functions of 16-bit data are within 0.51 ulp after the one rounding at the
// store, on the host and on a GPU whose approximations are as bad as the PTX ISA lets them be.
#include "tests/support/catch.hpp"

#include "ir/number.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/worst_emulator.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

using ir::Op;

ir::Kernel kernel_of(Op op, DType type) {
  ir::KernelBuilder builder("k", ir::MathMode::accurate,
                            {{"x", ir::ParamKind::in, type}, {"y", ir::ParamKind::out, type}});
  builder.store(1, builder.make(op, {builder.load(0)}));
  return std::move(builder).build();
}

struct Worst {
  double error = 0; ///< ulp of the storage type
  double x = 0, got = 0;
};

Worst worst_of(const Call& call, const FunctionCase& function, DType type) {
  Worst worst;
  for (std::int64_t row = 0; row < call.rows(); ++row)
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      const auto x = static_cast<double>(ir::decode(type, call.load(0, row, column)).real);
      const long double got = ir::decode(type, call.load(1, row, column)).real;
      const auto error = static_cast<double>(ir::ulp_error(type, got, function.in_double(x)));
      if (error > worst.error)
        worst = {error, x, static_cast<double>(got)};
    }
  return worst;
}

void check(const FunctionCase& function, DType type) {
  Random random(static_cast<std::uint64_t>(function.op) * 2 + (type == bf16));
  Call call(kernel_of(function.op, type), random,
            {.rows = 16, .columns = 2048, .random_layouts = false});
  const auto check_all = [&](const char* where) {
    const Worst worst = worst_of(call, function, type);
    INFO(ir::info(function.op).spelling << " of " << name_of(type) << " " << where << ": "
                                        << worst.x << " gave " << worst.got);
    CHECK(worst.error <= 0.51);
    call.reset();
  };
  run_on_host(call, HostSchedule{});
  check_all("on the host");
  run_in_worst_emulator(call, CudaSchedule{}, cuda_target(75));
  check_all("for sm_75");
  run_in_worst_emulator(call, CudaSchedule{}, cuda_target(90));
  check_all("for sm_90");
}

} // namespace

TEST_CASE("functions of 16-bit data are within 0.51 ulp on both targets") {
  for (const FunctionCase& function : one_argument_functions())
    for (const DType type : {f16, bf16})
      check(function, type);
}
