// packed_tiles_test.cpp -- floats of four bits beside groups of rows on a CUDA device: by rows, and
// transposed, where two rows share a byte.
#include <array>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/packed_kernels.hpp"
#include "tests/support/valid_rows_case.hpp"

using namespace swage;
using namespace swage::test;

TEMPLATE_TEST_CASE_SIG(
    "tensors of four bits have the evaluator's bits beside groups of rows on the device", "",
    ((bool in_place), in_place), false, true) {
  const auto device = gpu();
  if (!device)
    return;
  std::size_t turn = 0;
  for (const std::int64_t n : {1, 2, 3, 6, 16, 32, 100})
    for (const std::int64_t columns : {2, 8, 30, 136, 514}) {
      const std::string text = packed_tiles(columns % 8 == 0, in_place);
      const Kernel kernel =
          device->kernel(text, "", {{"T", ++turn % 2 == 0 ? f32 : bf16}, {"n", n}});
      const RowView view{.gap = static_cast<std::int64_t>(turn % 3),
                         .skew = static_cast<std::int64_t>(turn % 2 * 2),
                         .by_columns = turn % 4 < 2,
                         .reads_by_columns = turn % 3 == 0};
      INFO(text << n << " rows, " << columns << " columns, " << turn);
      check_some(*device, kernel, {n * 3, columns}, view, schedules_of_call(1, 3), turn);
      RowCase counted(*device, kernel, {n * 4, columns}, view, turn);
      counted.count_rows({2 * n - 1, n / 2 + 1}); // odd, some of them
      REQUIRE(counted.run() == "");
    }
}

TEST_CASE("of two rows that share a byte the one that is skipped stays as it was on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const std::int64_t n : {2, 6, 32})
    for (const std::int64_t columns : {2, 40, 130}) {
      const Kernel kernel = device->kernel(skipping_some(packed_tiles(columns == 40, false)), "",
                                           {{"T", f32}, {"n", n}});
      check_some(*device, kernel, {n * 4, columns}, {.by_columns = true}, schedules_of_call(1, 4),
                 static_cast<std::uint64_t>(n + columns));
      check_some(*device, kernel, {n * 4, columns},
                 {.by_columns = true, .reads_by_columns = true, .in_place = true},
                 schedules_of_call(1, 4), static_cast<std::uint64_t>(n + columns));
    }
}

TEST_CASE(
    "transposed codes of four bits are read, and are overwritten where they lie, on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 1;
  for (const std::int64_t n : {2, 6, 32, 100})
    for (const std::int64_t columns : {2, 8, 130})
      for (const RowView view :
           {RowView{.reads_by_columns = true},
            RowView{.gap = 4, .skew = 2, .reads_by_columns = true},
            RowView{.by_columns = true, .reads_by_columns = true, .in_place = true}}) {
        const Kernel kernel = device->kernel(packed_tiles(columns == 8, seed % 4 == 0), "",
                                             {{"T", ++seed % 2 == 0 ? f32 : bf16}, {"n", n}});
        check_some(*device, kernel, {n * 3, columns}, view, schedules_of_call(2, 4), seed);
      }
}

TEST_CASE("every geometry of tiles packs codes of four bits in both directions") {
  const auto device = gpu();
  if (!device)
    return;
  for (const std::int64_t n : {32, 72}) { // which is too many to be held
    const Kernel kernel = device->kernel(packed_tiles(true, false), "", {{"T", bf16}, {"n", n}});
    RowCase call(*device, kernel, {n * 2, 264}, {.by_columns = true, .reads_by_columns = true}, 9);
    int ran = 0;
    std::set<std::array<int, 2>> seen;
    for (const codegen::Schedule& schedule : call.schedules()) {
      const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
      if (!seen.insert({cuda.access_bytes, cuda.accesses}).second)
        continue;
      INFO(codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
      ++ran;
    }
    CHECK(ran >= 6);
  }
}
