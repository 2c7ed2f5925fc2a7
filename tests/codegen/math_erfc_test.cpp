// math_erfc_test.cpp -- erfc on approximate instructions that err by all that PTX allows.
#include <bit>
#include <cmath>

#include "ir/source.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/worst_emulator.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

TEST_CASE("erfc at half accuracy is within what is stated on the worst GPU that PTX allows") {
  // Fast mode has the same code, and f32 results show its error.
  const ir::Kernel kernel = ir::load_kernel(
      {"@fast kernel k(x: in f32, y: out f32) { y = erfc(x); }"}, "k", std::vector<Binding>{});
  constexpr std::int64_t kInputs = 1 << 16;
  Random random(1);
  Call call(kernel, random, {.rows = 1, .columns = kInputs, .random_layouts = false});
  const auto input = [](std::int64_t i) { return static_cast<float>(i) * 0x1.2ap-13F; };
  for (std::int64_t i = 0; i < kInputs; ++i)
    call.set(0, 0, i, std::bit_cast<std::uint32_t>(input(i)));
  run_in_worst_emulator(call, CudaSchedule{}, cuda_target(90));
  double near = 0, far = 0;
  for (std::int64_t i = 0; i < kInputs && input(i) <= 9.19F; ++i) {
    const double exact = std::erfc(static_cast<double>(input(i)));
    const double got = std::bit_cast<float>(static_cast<std::uint32_t>(call.load(1, 0, i)));
    double& worst = input(i) <= 4.3F ? near : far;
    worst = std::max(worst, std::fabs(got / exact - 1));
  }
  INFO("2^" << std::log2(near) << ", 2^" << std::log2(far));
  CHECK(near <= std::exp2(-18.5));
  CHECK(far <= std::exp2(-16.75));
  CHECK(near >= std::exp2(-19.3)); // the bounds say something
  CHECK(far >= std::exp2(-17.5));
}
