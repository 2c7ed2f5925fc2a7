// math_targets_test.cpp -- functions at full accuracy give the same bits on the host and in PTX.
#include "tests/support/catch.hpp"

#include "ir/passes.hpp"
#include "tests/codegen/run.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

using ir::Op;

/// out = op(a, b, c), of as many inputs as the operation takes.
ir::Kernel kernel_of(Op op, DType type) {
  const auto arity = static_cast<std::uint32_t>(ir::info(op).arity);
  std::vector<ir::Param> params;
  for (std::uint32_t i = 0; i < arity; ++i)
    params.push_back({std::string(1, static_cast<char>('a' + i)), ir::ParamKind::in, type});
  const bool test = ir::info(op).rule == ir::TypeRule::test;
  params.push_back({"out", ir::ParamKind::out, test ? boolean : type});
  ir::KernelBuilder builder("k", ir::MathMode::accurate, params);
  std::vector<ir::NodeId> inputs;
  for (std::uint32_t i = 0; i < arity; ++i)
    inputs.push_back(builder.load(i));
  builder.store(arity, builder.make(op, inputs));
  return std::move(builder).build();
}

void check_same_bits(Op op, DType type, int sm) {
  Random random(static_cast<std::uint64_t>(op) * 2 + (type == f64));
  Call call(kernel_of(op, type), random, {.rows = 8, .columns = 100, .random_layouts = false});
  run_on_host(call, HostSchedule{});
  const auto on_host = call.snapshot();
  call.reset();
  run_in_emulator(call, CudaSchedule{.threads = 128}, cuda_target(sm));
  INFO(ir::info(op).spelling << " of " << name_of(type) << " for sm_" << sm);
  CHECK(call.difference(on_host) == "");
}

} // namespace

TEST_CASE("every function at full accuracy gives the same bits on the host and in PTX") {
  for (int i = 0; i < ir::kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    const ir::TypeRule rule = ir::info(op).rule;
    if (rule == ir::TypeRule::real || rule == ir::TypeRule::test)
      for (const DType type : {f32, f64})
        for (const int sm : {75, 90})
          check_same_bits(op, type, sm);
  }
}
