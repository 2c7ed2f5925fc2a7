// column_groups_left_out_test.cpp -- groups of rows on a CUDA device of which rows are left out, by
// a count or by the kernel: they are made of the others, and what is left out stays as it was.
#include <array>

#include <fmt/ranges.h>

#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/valid_rows_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

void check_counts(const Device& device, const Kernel& kernel, ir::CallSize size,
                  const std::vector<std::int64_t>& counts, std::uint64_t seed) {
  INFO(size.rows << " x " << size.columns << ", counts "
                 << fmt::format("{}", fmt::join(counts, " ")));
  RowCase call(device, kernel, size,
               {.gap = static_cast<std::int64_t>(seed % 3), .by_columns = seed % 2 == 0}, seed);
  call.count_rows(counts, seed % 2 == 0 ? DType::i32 : DType::i64);
  REQUIRE(call.run() == "");
  const std::vector<codegen::Schedule> schedules = call.schedules();
  Random random(seed);
  for (int i = 0; i < schedules_of_call(seed % 4 == 0, 1); ++i) {
    const codegen::Schedule& schedule = random.pick(schedules);
    INFO(codegen::canonical(schedule));
    REQUIRE(call.run(&schedule) == "");
  }
}

} // namespace

TEMPLATE_TEST_CASE_SIG(
    "groups of rows that a count cuts are made of the rows that count on the device", "",
    ((std::size_t part), part), 0, 1, 2) {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 1 + 100 * part;
  const std::string text = std::array{kByTiles, kTilesInPlace, skipping(kByTiles)}[part];
  for (const std::int64_t n : {1, 3, 32, 100}) {
    const Kernel kernel = device->kernel(text, "", {{"T", seed % 2 == 0 ? f32 : bf16}, {"n", n}});
    INFO(text << n);
    for (const std::vector<std::int64_t>& counts : one_count(3 * n))
      check_counts(*device, kernel, {3 * n, seed % 5 == 0 ? 200 : 40}, counts, seed), ++seed;
    for (const std::vector<std::int64_t>& counts : counts_of_batches(2 * n))
      check_counts(*device, kernel, {6 * n, 40}, counts, seed), ++seed;
  }
}

TEST_CASE("rows that a kernel skips are no part of their groups on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 300;
  for (const std::int64_t n : {1, 2, 32, 40})
    for (const std::int64_t columns : {8, 264})
      for (const std::string& text : {skipping(kByTiles), skipping(kTilesInPlace)}) {
        const Kernel kernel = device->kernel(text, "", {{"T", f32}, {"n", n}});
        INFO(text << n);
        check_some(*device, kernel, {6 * n, columns}, {}, schedules_of_call(1, 6), ++seed);
      }
}

TEST_CASE("rows left out of tiles that warps share are no part of their groups on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const std::string text =
      "kernel k<T>(x: in T, y: out f32, s: out f32 [col group "
      "32]) { let m = col_group_max(abs(f32(x)), 32); s = m; y = f32(x) + m; }";
  std::uint64_t seed = 900;
  for (const std::string& each : {text, skipping(text)})
    for (const std::int64_t columns : {64, 128, 320}) { // multiples of 64: whole accesses
      const Kernel kernel = device->kernel(each, "", {{"T", columns == 128 ? f32 : bf16}});
      RowCase call(*device, kernel, {96, columns}, {}, ++seed);
      call.count_rows({70});
      REQUIRE(call.run() == "");
      for (const codegen::Schedule& schedule : call.schedules()) {
        const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
        const bool usual = cuda.load == codegen::LoadPolicy::automatic &&
                           cuda.store == codegen::StorePolicy::automatic &&
                           cuda.dependent_launch == codegen::DependentLaunch::at_start;
        if (cuda.row_threads == 32 || !usual || cuda.accesses > 2)
          continue;
        INFO(each << columns << ", " << codegen::canonical(schedule));
        REQUIRE(call.run(&schedule) == "");
      }
    }
}

TEST_CASE("what has one value a row is written beside groups of rows on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 600;
  for (const bool groups : {false, true})
    for (const std::int64_t n : {1, 3, 32, 100}) {
      const Kernel kernel =
          device->kernel(rows_by_tiles(groups), "", {{"T", seed % 2 == 0 ? f32 : bf16}, {"n", n}});
      for (const std::int64_t columns : {8, 40, 520}) {
        INFO(n << " rows, " << columns << " columns");
        ++seed;
        check_some(*device, kernel, {3 * n, columns}, {.gap = 1, .tile = seed % 3 == 0 ? 4 : 0},
                   schedules_of_call(1, 3), seed);
      }
      for (const std::int64_t columns : {5, 33}) // which fill no access
        if (!groups)
          check_some(*device, kernel, {2 * n, columns}, {}, schedules_of_call(1, 3), ++seed);
      check_counts(*device, kernel, {4 * n, 40}, {2 * n - 1, n / 2}, ++seed);
    }
}

TEST_CASE("a whole catalogue kernel of both directions takes counts of its rows on the device") {
  const auto device = gpu();
  if (!device)
    return;
  constexpr long double kAny = 1e30L; // how exact codes are is another test's subject
  for (const char* name : {"mxfp8_both", "swiglu_mxfp8_columns", "swiglu_mxfp8_both_scaled",
                           "swiglu_mxfp8_both_experts", "swiglu_mxfp8_columns_experts"}) {
    const Kernel kernel = device->catalogue_kernel(name, {{"T", bf16}, {"Q", f8e4m3}});
    RowCase call(*device, kernel, {128, 96}, {.by_columns = true}, 5);
    call.count_rows({37});
    CHECK(call.run(nullptr, kAny) == "");
  }
}

TEST_CASE("groups of rows of several experts take the largest of their scales on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k<T>(x: in T, expert: in i32 [row], global: in f32 [table], q: out f32, "
      "scale: out f8e4m3 [col group 16]) { skip where expert < 0; "
      "let shared = col_group_max(abs(global[expert]), 16); "
      "let t = f8e4m3(min(col_group_max(abs(f32(x)), 16) / 6 * shared, 448)); "
      "scale = t; q = x * (t == 0 ? 0 : shared / t); }",
      "", {{"T", bf16}});
  std::uint64_t seed = 900;
  for (const std::int64_t columns : {8, 72}) {
    check_some(*device, kernel, {64, columns}, {}, schedules_of_call(1, 3), ++seed);
    check_counts(*device, kernel, {64, columns}, {21, 32}, ++seed);
  }
}

TEST_CASE("random kernels with groups of rows leave out rows on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto n = std::array{2u, 4u, 8u, 32u}[seed % 4];
    const std::optional<ir::Kernel> graph = random_tile_kernel(seed, n, 4);
    if (!graph)
      continue;
    const std::string text = seed % 2 == 0 ? skipping_some(ir::print(*graph)) : ir::print(*graph);
    const ir::Kernel parsed = ir::load_kernel({text}, "", {});
    const std::optional<Kernel> kernel = kernel_with_bits(*device, parsed);
    if (!kernel)
      continue;
    ++compared;
    INFO("seed " << seed << ": " << text);
    Random random(seed);
    std::vector<std::int64_t> counts;
    for (std::uint64_t batch = 0; batch < 1 + seed % 3; ++batch)
      counts.push_back(static_cast<std::int64_t>(random.below(2 * n + 2)));
    check_counts(*device, *kernel, {2 * n * static_cast<std::int64_t>(counts.size()), 36}, counts,
                 seed);
  }
  CHECK(compared > 15);
}
