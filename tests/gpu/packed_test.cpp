// packed_test.cpp -- tensors of which two elements share a byte, on a CUDA device: the evaluator's
// bits in every schedule and layout, and nothing written around them.
#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/packed_kernels.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("tensors of four bits have the evaluator's bits in every schedule on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const int schedules = schedules_of_call(3, 6);
  std::uint64_t seed = 1;
  for (const std::int64_t columns : kEvenColumns)
    for (const std::string& text : {kPackedElements, kPackedRows}) {
      const RowView view = kPackedViews[seed % std::size(kPackedViews)];
      const Kernel kernel = device->kernel(text, "", {{"T", seed % 2 == 0 ? f32 : bf16}});
      check_some(*device, kernel, {columns > 2000 ? 2 : 5, columns}, view, schedules, seed++);
    }
  const Kernel over_rows = device->kernel(kPackedOverRows, "");
  for (const std::int64_t columns : {2, 30, 258, 1024})
    check_some(*device, over_rows, {37, columns}, {}, schedules, seed++);
}

TEST_CASE("groups of tensors of four bits have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const int schedules = schedules_of_call(2, 4);
  std::uint64_t seed = 1;
  for (const std::int64_t group : {2, 6, 16, 32, 48, 514})
    for (const RowView view : kPackedViews) {
      const Kernel kernel =
          device->kernel(kPackedGroups, "", {{"T", seed % 2 == 0 ? f32 : bf16}, {"n", group}});
      check_some(*device, kernel, {3, 4 * group}, view, schedules, seed++);
    }
}

TEST_CASE("codes of four bits of a product that a thread keeps have the evaluator's bits") {
  const auto device = gpu();
  if (!device)
    return;
  // The product of two numbers of 16 bits is held in place of both while the row is reduced.
  const int schedules = schedules_of_call(2, 6);
  std::uint64_t seed = 1;
  for (const DType type : {bf16, f16})
    for (const char* use : {"y = f32(f4e2m1(h)) * m", "y = f32(f4e2m1(h)) + row_sum(h) * m"}) {
      const Kernel kernel = device->kernel(
          fmt::format("kernel k<T>(x: in T, z: in T, y: out f32) {{ let h = f32(x) * "
                      "f32(z); let m = row_max(abs(h)); {}; }}",
                      use),
          "", {{"T", type}});
      for (const std::int64_t columns : {4096, 5120}) {
        INFO(use);
        check_some(*device, kernel, {3, columns}, {}, schedules, seed++);
        RowCase call(*device, kernel, {3, columns}, {}, seed++);
        const codegen::Schedule schedule = codegen::parse_schedule(
            "threads=64 row=64 bytes=8 accesses=16", codegen::CudaSchedule{});
        REQUIRE(call.run(&schedule) == "");
      }
    }
}
