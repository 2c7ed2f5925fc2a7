// scale_layouts_test.cpp -- views of more dimensions than rows and columns, on a GPU.
#include "tests/support/gpu_rows.hpp"
#include "tests/support/scale_case.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("scales have their places in every layout on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for_all_scale_layouts(*device, [](ScaleCase& of) {
    of.zero();
    CHECK(of.written(0) == "");
    CHECK(of.read() == "");
  });
}

TEST_CASE("tensors in tiles have the evaluator's bits in every schedule on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const int schedules = schedules_of_call(4, 12);
  std::uint64_t seed = 1;
  for (const DType type : {f32, bf16})
    for (const std::int64_t size : {1, 3, 16, 32, 100, 128})
      for (const std::int64_t rows : {1, 4, 9}) {
        INFO("groups of " << size);
        const Kernel kernel = device->kernel(kEverySpace, "", {{"T", type}, {"n", size}});
        check_some(*device, kernel, {rows, 5 * size}, {.gap = 1, .tile = 4}, schedules, seed++,
                   divides_approximately(launch::ir_kernel(kernel)) ? 1 : 0);
      }
}

TEST_CASE("long rows in tiles have the evaluator's bits in blocks and clusters on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(kEverySpace, "", {{"T", f32}, {"n", 64}});
  for (const std::int64_t columns : {4096, 20'480})
    check_some(*device, kernel, {5, columns}, {.tile = 4}, schedules_of_call(4, 12),
               static_cast<std::uint64_t>(columns));
}
