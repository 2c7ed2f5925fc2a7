// column_groups_test.cpp -- groups of rows on a CUDA device: the evaluator's bits in every schedule
// and layout.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "codegen/tile_plan.hpp"
#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/tile_kernels.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Of all legal schedules, which a GPU would take minutes to compile: with every width of accesses
/// and number of rows at once each cache policy, dealt to the sizes of blocks in turn. On the
/// emulator, which has no caches, each geometry once, and each number of warps that share a tile.
std::vector<codegen::Schedule> dealt(const std::vector<codegen::Schedule>& all) {
  using Geometry = std::array<int, 3>; // bytes, accesses, whether warps share a tile
  std::map<Geometry, std::map<int, std::vector<codegen::Schedule>>> by_threads;
  for (const codegen::Schedule& schedule : all) {
    const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
    by_threads[{cuda.access_bytes, cuda.accesses, cuda.row_threads > 32}][cuda.threads].push_back(
        schedule);
  }
  std::vector<codegen::Schedule> some;
  for (const auto& [geometry, blocks] : by_threads) {
    std::size_t block = 0;
    for (const auto& [threads, schedules] : blocks) {
      const std::size_t count = !emulated() ? schedules.size() : geometry[2] ? block + 1 : 1;
      for (std::size_t i = block; i < std::min(count, schedules.size()); i += blocks.size())
        some.push_back(schedules[i]);
      ++block;
    }
  }
  return some;
}

} // namespace

TEMPLATE_TEST_CASE_SIG("every schedule of groups of rows gives the evaluator's bits", "",
                       ((int part), part), 0, 1, 2, 3, 4, 5, 6, 7) {
  const auto device = gpu();
  if (!device)
    return;
  const std::string text =
      "kernel k<T, Q>(x: in T, q: out Q, s: out e8m0 [group 32], p: out Q, u: out e8m0 [col group "
      "32]) { let h = f32(T(f32(x) * 3)); let a = e8m0_up(group_max(abs(h), 32) * (1.0 / 448)); s "
      "= "
      "a; q = Q(clamp(h * rcp(a), -448, 448)); let c = e8m0_up(col_group_max(abs(h), 32) * (1.0 / "
      "448)); u = c; p = Q(clamp(h * rcp(c), -448, 448)); }";
  constexpr bool by_columns = part % 2 == 0;
  const Kernel kernel = device->kernel(text, "", {{"T", by_columns ? bf16 : f32}, {"Q", f8e4m3}});
  RowCase call(*device, kernel, {32, 160}, {.by_columns = by_columns});
  REQUIRE(call.run() == "");
  const std::vector<codegen::Schedule> schedules = dealt(call.schedules());
  std::set<std::string> seen;
  for (std::size_t i = part / 2; i < schedules.size(); i += 4) {
    INFO(codegen::canonical(schedules[i]));
    seen.insert(codegen::canonical(schedules[i]));
    REQUIRE(call.run(&schedules[i]) == "");
  }
  CHECK(seen.size() > (emulated() ? 4 : 60));
}

constexpr int kParts = 8; // which run beside one another: a GPU's assembler takes most of the time

TEMPLATE_TEST_CASE_SIG("random kernels with groups of rows have the evaluator's bits on the device",
                       "", ((std::uint64_t part), part), 1, 2, 3, 4, 5, 6, 7, 8) {
  const auto device = gpu();
  if (!device)
    return;
  int compared = 0;
  const std::uint64_t last = emulated() ? 80 : 400;
  for (std::uint64_t seed = part; seed <= last; seed += kParts) {
    const auto n = std::array{1u, 2u, 4u, 8u, 16u, 32u, 64u}[seed % 7];
    const auto m = std::array{1u, 4u, 8u, 32u}[seed / kParts % 4];
    const std::optional<ir::Kernel> graph = random_tile_kernel(seed, n, m);
    const std::optional<Kernel> kernel = graph ? kernel_with_bits(*device, *graph) : std::nullopt;
    if (!kernel)
      continue;
    ++compared;
    INFO("seed " << seed << ": " << ir::print(*graph));
    const std::int64_t columns = std::array{1, 3, 32, 33, 100}[seed % 5];
    check_some(*device, *kernel, {n * 2, whole_groups(columns, m)},
               {.gap = static_cast<std::int64_t>(seed % 3), .by_columns = seed / kParts % 2 == 0},
               schedules_of_call(1, 4), seed);
  }
  CHECK(compared > (emulated() ? 2 : 25));
}

TEST_CASE("an input may be overwritten in place on the device by a kernel with groups of rows") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: inout f32, v: inout f32 [col group 4], g: in f32 [group 4], y: inout bf16) {"
      " let c = col_group_max(abs(x), 4) + col_group_sum(y, 4); x = x * c * v * g;"
      " v = col_group_sum(x, 4) * v; y = bf16(c + y * g); }",
      "");
  for (const std::int64_t columns : {4, 100, 1032})
    check_some(*device, kernel, {12, columns}, {}, schedules_of_call(4, 12), 7);
}

TEST_CASE("what has no CUDA code beside groups of rows is refused when the kernel is made") {
  const auto device = gpu();
  if (!device)
    return;
  const auto made = [&](const std::string& group, const std::string& type) {
    return device->kernel("kernel k(x: in " + type + ", y: out " + type + ") { y = " + type +
                              "(col_group_max(x, 4) - group_max(x, " + group + ")); }",
                          "");
  };
  using Catch::Matchers::ContainsSubstring;
  REQUIRE_THROWS_WITH(made("24", "f32"),
                      ContainsSubstring("uses groups of 24 columns beside groups of rows, which "
                                        "CUDA code takes as powers of two up to 128"));
  REQUIRE_THROWS_WITH(made("256", "f32"), ContainsSubstring("powers of two up to 128"));
  REQUIRE_THROWS_WITH(
      device->kernel("kernel k(x: in f32, g: inout f32 [group 4], y: out f32) { y = "
                     "col_group_max(x, 4); g = g + 1; }",
                     ""),
      ContainsSubstring("an inout [group 4]"));
  const Kernel wide = made("256", "bf16");
  check_some(*device, wide, {8, 768}, {}, 3, 3);
  KernelOptions options;
  options.schedule = "row=64";
  REQUIRE_THROWS_WITH(
      device->kernel("kernel k(x: in f32, y: out f32) { y = x * col_group_max(x, 4); }", "", {},
                     options),
      ContainsSubstring("row=64 is not 32"));
  options.schedule = "bytes=16";
  REQUIRE_THROWS_WITH(
      device->kernel("kernel k(x: in f32, s: out f32 [group 2], y: out f32) { s = group_max(x, 2);"
                     " y = x * col_group_max(x, 4); }",
                     "", {}, options),
      ContainsSubstring("bytes=16 make accesses of 4 columns"));
}
