// math_torch_test.cpp -- torch mode computes what CUDA's compiler makes of PyTorch's operators: the
// same bits in the interpreter of PTX, whose approximate instructions both go through.
#include <algorithm>
#include <bit>
#include <cmath>

#include "ir/source.hpp"
#include "tests/codegen/math_jit.hpp"
#include "tests/codegen/math_reference.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/codegen/run.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

using ir::Op;

constexpr std::int64_t kInputs = 1 << 16;

/// The i-th input: all signs, exponents and high bits of the significand, low bits mixed.
std::uint32_t input_bits(std::int64_t i) {
  const auto number = static_cast<std::uint32_t>(i);
  const std::uint32_t low = number * 40503u & 0xffff;
  return number << 16 | (number % 4 == 0 ? 0 : low);
}

float input(std::int64_t i) {
  return std::bit_cast<float>(input_bits(i));
}

/// What `kernel`, all inputs of which are input(i), gives for every i in the interpreter.
std::vector<float> results_of(const ir::Kernel& kernel, int sm) {
  Random random(1);
  Call call(kernel, random, {.rows = 1, .columns = kInputs, .random_layouts = false});
  const std::size_t result = kernel.params().size() - 1;
  for (std::size_t param = 0; param < result; ++param)
    for (std::int64_t i = 0; i < kInputs; ++i)
      call.set(param, 0, i, input_bits(i));
  run_in_emulator(call, CudaSchedule{.threads = 128}, cuda_target(sm));
  std::vector<float> results;
  for (std::int64_t i = 0; i < kInputs; ++i)
    results.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(call.load(result, 0, i))));
  return results;
}

ir::Kernel kernel_of(Op op) {
  ir::KernelBuilder builder("k", ir::MathMode::torch,
                            {{"x", ir::ParamKind::in, f32}, {"y", ir::ParamKind::out, f32}});
  builder.store(1, builder.make(op, {builder.load(0)}));
  return std::move(builder).build();
}

ir::Kernel catalogue_kernel(const char* name) {
  return codegen::test::catalogue(name, f32);
}

/// 64-bit FNV-1a of the bytes of `values`, every NaN as 0x7fc00000.
std::uint64_t digest(const std::vector<float>& values) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const float value : values) {
    const auto bits = std::isnan(value) ? 0x7fc00000 : std::bit_cast<std::uint32_t>(value);
    for (int byte = 0; byte < 4; ++byte)
      hash = (hash ^ (bits >> 8 * byte & 0xff)) * 0x100000001b3;
  }
  return hash;
}

struct Function {
  Op op;
  std::uint64_t digest;
};
// Of the results of nvcc 13.0's PTX for sm_90, in the interpreter, over the same inputs.
constexpr Function kFunctions[] = {
    {Op::exp, 0x818af0733004164e},   {Op::exp2, 0x3075159546f8b82b},
    {Op::expm1, 0x68036183d550a909}, {Op::log, 0x48496cbc1d146f37},
    {Op::log2, 0x991333c9c6ae9239},  {Op::log1p, 0x2a4e911b1142f98e},
    {Op::rsqrt, 0xa312ed659d1b8306}, {Op::sqrt, 0x0f0edddc66099ea1},
    {Op::rcp, 0xb54d5d8ea0fd1012},   {Op::sigmoid, 0x5646467ee5550955},
    {Op::tanh, 0x0e1cae58dc55150e},  {Op::erf, 0xedaea8b9671b4bf4},
};

struct Activation {
  const char* kernel;
  std::uint64_t digest;
};
// The same for PyTorch's formulas. In the last one 1 - t * t is an fma, which it becomes when the
// PTX is assembled.
constexpr Activation kActivations[] = {
    {"silu_torch", 0x2f1054c28f0dad8f},          {"gelu_torch", 0xad795d3d079f38d2},
    {"gelu_tanh_torch", 0xfe7b86b5bbf4d213},     {"silu_torch_backward", 0xc74ea63c8366ad83},
    {"gelu_torch_backward", 0x86d9f2830f9d4b2e}, {"gelu_tanh_torch_backward", 0xa62324d6dce018ae},
};

} // namespace

TEST_CASE("functions of torch mode have the bits that nvcc's code has in the interpreter") {
  for (const Function& function : kFunctions)
    for (const int sm : {75, 90}) {
      INFO(ir::info(function.op).spelling << " for sm_" << sm);
      CHECK(digest(results_of(kernel_of(function.op), sm)) == function.digest);
    }
}

TEST_CASE("PyTorch's activations have the bits that nvcc's code has in the interpreter") {
  for (const Activation& activation : kActivations) {
    INFO(activation.kernel);
    CHECK(digest(results_of(catalogue_kernel(activation.kernel), 90)) == activation.digest);
  }
}

TEST_CASE("functions of torch mode err by what CUDA documents") {
  for (const Function& function : kFunctions) {
    const auto results = results_of(kernel_of(function.op), 90);
    double worst = 0;
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < kInputs; ++i) {
      if (function.op == Op::sigmoid && input(i) < -87)
        continue; // 1 / (1 + e^-x) has no subnormal results
      const double error = ulp_error(results[static_cast<std::size_t>(i)],
                                     function_case(function.op).in_double(input(i)));
      if (error > worst) {
        worst = error;
        at = i;
      }
    }
    INFO(ir::info(function.op).spelling << " of " << input(at));
    CHECK(worst <= (function.op == Op::sigmoid ? 3 : 2));
  }
}

TEST_CASE(
    "torch mode computes at full accuracy on the host, f64 and functions of no bits included") {
  for (const Op op : {Op::exp, Op::sigmoid, Op::erf, Op::sin})
    for (const bool is_double : {false, true}) {
      INFO(ir::info(op).spelling);
      const MathFunction torch({.op = op,
                                .is_double = is_double,
                                .width = 4,
                                .accuracy = Accuracy::half,
                                .mode = ir::MathMode::torch});
      const MathFunction accurate({.op = op, .is_double = is_double, .width = 4});
      const double values[] = {0.5, -3, 20, -90};
      const float singles[] = {0.5F, -3, 20, -90};
      const void* const in = is_double ? static_cast<const void*>(values) : singles;
      double got[4] = {}, expected[4] = {};
      torch(in, nullptr, nullptr, got, 4);
      accurate(in, nullptr, nullptr, expected, 4);
      CHECK(std::equal(std::begin(got), std::end(got), std::begin(expected)));
    }
}
