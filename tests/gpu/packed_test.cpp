// packed_test.cpp -- tensors of which two elements share a byte, on a CUDA device: the evaluator's
// bits in every schedule and layout, and nothing written around them.
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
