// steps_test.cpp -- kernels that are computed in steps on the CPU: the evaluator's bits.
#include <algorithm>

#include "codegen/steps.hpp"
#include "ir/passes.hpp"
#include "runtime/launch/inspect.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/row_case.hpp"
#include "tests/support/step_kernels.hpp"

using namespace swage;
using namespace swage::test;
using Catch::Matchers::ContainsSubstring;

namespace {

Device cpu() {
  return Device::open("cpu");
}

Kernel made(const StepKernel& kernel, DType type, const KernelOptions& options = {}) {
  return cpu().kernel(kernel.text, kernel.name, {{"T", type}}, options);
}

const std::vector<std::string> kSchedules = {"", "grain=256 threads=2", "lanes=4 grain=64"};

} // namespace

TEST_CASE("kernels that are computed in steps have the evaluator's bits") {
  std::uint64_t turn = 0;
  for (const StepKernel& kernel : kStepKernels)
    for (const ir::CallSize size : {ir::CallSize{1, 4}, {6, 8}, {300, 36}, {18, 1500}})
      for (const RowView view : {RowView{}, RowView{2, 1, 0}, RowView{.in_place = true}}) {
        if (size.rows == 1 && kernel.has_groups_of_rows())
          continue;
        KernelOptions options;
        options.schedule = kSchedules[turn % kSchedules.size()];
        INFO(kernel.text << ' ' << size.rows << " x " << size.columns << ' ' << options.schedule
                         << (view.in_place ? " in place" : ""));
        const Kernel on_cpu = made(kernel, turn % 2 == 0 ? f32 : bf16, options);
        CHECK(RowCase(cpu(), on_cpu, size, view, ++turn).run() == "");
      }
}

TEST_CASE("a kernel has the steps that it needs, and no more") {
  for (const StepKernel& each : kStepKernels) {
    INFO(each.text);
    const Kernel kernel = made(each, f32);
    const codegen::Steps steps = codegen::make_steps(launch::ir_kernel(kernel));
    CHECK(steps.steps.size() == each.steps);
    for (const codegen::Step& step : steps.steps) {
      ir::verify(step.kernel);
      CHECK(codegen::runs_by_itself(step.kernel));
      CHECK(step.sources.size() == step.kernel.params().size());
    }
  }
}

TEST_CASE("counts of rows leave rows out of every step") {
  std::uint64_t turn = 0;
  for (const StepKernel& each : kStepKernels)
    for (const std::vector<std::int64_t>& counts :
         std::vector<std::vector<std::int64_t>>{{7}, {0}, {3, 0, 9, 4}}) {
      INFO(each.text);
      const Kernel kernel = made(each, turn % 2 == 0 ? f32 : bf16);
      RowCase call(cpu(), kernel, {36, 20}, {}, ++turn);
      call.count_rows(counts, turn % 3 == 0 ? i64 : i32);
      CHECK(call.run() == "");
    }
}

TEST_CASE("steps of no rows, and of rows of no columns") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, c: in f32 [col], y: out f32, d: out f32 [col], t: out f32 [tensor]) {"
      " let s = col_sum(x); y = x - s; d = s + c * row_sum(c); t = row_sum(s) + row_sum(f32(1)); }",
      "");
  float c[] = {1, 2, 3}, d[] = {9, 9, 9}, t = 9;
  kernel.launch(nullptr, {Tensor(nullptr, f32, {0, 3}), Tensor(c, f32, {3}),
                          Tensor(nullptr, f32, {0, 3}), Tensor(d, f32, {3}), Tensor(&t, f32, {})});
  CHECK(d[0] == 6);
  CHECK(d[2] == 18);
  CHECK(t == 3);
  kernel.launch(nullptr,
                {Tensor(nullptr, f32, {5, 0}), Tensor(nullptr, f32, {0}),
                 Tensor(nullptr, f32, {5, 0}), Tensor(nullptr, f32, {0}), Tensor(&t, f32, {})});
  CHECK(t == 0);
  const Kernel extreme =
      cpu().kernel("kernel k(x: in f32, t: out f32 [tensor]) { t = row_max(col_sum(x)); }", "");
  t = 9;
  CHECK_THAT(refusal([&] {
               extreme.launch(nullptr, {Tensor(nullptr, f32, {5, 0}), Tensor(&t, f32, {})});
             }),
             ContainsSubstring("0 columns"));
  CHECK(t == 9);
}

TEST_CASE("what is wrong with a call of a kernel in steps is said of its own parameters") {
  const Kernel kernel = made(kStepKernels[0], f32);
  float memory[64] = {};
  const auto tensor = [&](int at, std::initializer_list<std::int64_t> shape) {
    return Tensor(memory + at, f32, shape);
  };
  CHECK_THAT(refusal([&] {
               kernel.launch(nullptr, {tensor(0, {2, 4}), tensor(8, {2, 4}), tensor(16, {3}),
                                       tensor(24, {2, 4}), tensor(32, {4})});
             }),
             ContainsSubstring("tensor 'w' has shape [3]"));
  CHECK_THAT(refusal([&] {
               kernel.launch(nullptr, {tensor(0, {2, 4}), tensor(8, {2, 4}), tensor(16, {4}),
                                       tensor(24, {2, 4}), tensor(26, {4})});
             }),
             ContainsSubstring("'d_w'"));
  KernelOptions options;
  options.schedule = "lanes=3";
  CHECK_THAT(refusal([&] { made(kStepKernels[0], f32, options); }), ContainsSubstring("lanes=3"));
}

TEST_CASE("steps with more parameters than a kernel may have are refused") {
  std::string params, sums;
  for (int i = 0; i < 33; ++i) {
    params += "x" + std::to_string(i) + ": in f32, ";
    sums += " + x" + std::to_string(i) + " * col_sum(x" + std::to_string(i) + ")";
  }
  CHECK_THAT(refusal([&] {
               cpu().kernel("kernel k(" + params + "y: out f32) { y = x0" + sums + "; }", "");
             }),
             ContainsSubstring("step 1 of kernel 'k' takes 66 tensors and scalars"));
}

TEST_CASE("a function has the same bits in every step that computes it") {
  // Of one row a sum over rows is its term, and the largest of a row is one of it.
  for (const char* function : {"exp(x)", "sigmoid(x)", "tanh(x)", "x * sigmoid(x)", "1 / (x + 3)"})
    for (const DType type : {bf16, f16}) {
      INFO(function);
      const std::string f = function;
      std::vector<std::uint16_t> x(64), y(64, 1);
      for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<std::uint16_t>(0x3400 + 11 * i);
      cpu()
          .kernel("kernel k<T>(x: in T, y: out T) { let e = " + f + "; y = e - col_sum(e); }", "",
                  {{"T", type}})
          .launch(nullptr, {Tensor(x.data(), type, {1, 64}), Tensor(y.data(), type, {1, 64})});
      CHECK(y == std::vector<std::uint16_t>(64, 0));
      std::vector<float> most(64, 1);
      cpu()
          .kernel("kernel k<T>(x: in T, y: out T, s: out f32 [col group 3]) { let e = " + f +
                      "; y = e - row_max(e); s = col_group_max(e, 3); }",
                  "", {{"T", type}})
          .launch(nullptr, {Tensor(x.data(), type, {3, 16}), Tensor(y.data(), type, {3, 16}),
                            Tensor(most.data(), f32, {1, 16})});
      for (std::size_t row = 0; row < 3; ++row) // the largest is among them, and none is above it
        CHECK(std::ranges::count_if(&y[16 * row], &y[16 * row] + 16,
                                    [](std::uint16_t bits) { return bits == 0; }) >= 1);
      for (std::size_t i = 0; i < 48; ++i)
        CHECK((y[i] == 0 || y[i] >= 0x8000));
    }
}
