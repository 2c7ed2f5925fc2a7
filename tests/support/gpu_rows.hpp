// gpu_rows.hpp -- kernels along rows on a GPU: how many schedules a test takes, and their bits.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "ir/passes.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"
#include "tests/support/row_case.hpp"

namespace swage::test {

/// Legal schedules to try of a call, picked at random; SWAGE_TEST_SCHEDULES says otherwise.
inline int schedules_of_call(int on_emulator, int on_gpu) {
  const char* wanted = std::getenv("SWAGE_TEST_SCHEDULES");
  return wanted ? std::atoi(wanted) : emulated() ? on_emulator : on_gpu;
}

/// The default schedule and `count` legal ones, to the bit or, of results that are no exact bits,
/// within `ulps`.
inline void check_some(const Device& device, const Kernel& kernel, ir::CallSize size, RowView view,
                       int count, std::uint64_t seed, long double ulps = 0) {
  INFO(size.rows << " x " << size.columns << ", stride " << view.column_stride << ", gap "
                 << view.gap << ", skew " << view.skew);
  RowCase call(device, kernel, size, view, seed);
  REQUIRE(call.run(nullptr, ulps) == "");
  const std::vector<codegen::Schedule> schedules = call.schedules();
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    const codegen::Schedule& schedule = random.pick(schedules);
    INFO(codegen::canonical(schedule));
    REQUIRE(call.run(&schedule, ulps) == "");
  }
}

/// `graph` made on `device` from its text; none where the device has no code for it, which has to
/// be said to be unsupported, or where no bits are promised.
inline std::optional<Kernel> kernel_with_bits(const Device& device, const ir::Kernel& graph) {
  std::optional<Kernel> kernel;
  try {
    kernel = device.kernel(ir::print(graph), "");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    return std::nullopt;
  }
  if (divides_approximately(launch::ir_kernel(*kernel)))
    return std::nullopt;
  return kernel;
}

} // namespace swage::test
