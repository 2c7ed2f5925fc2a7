// column_groups_left_out_test.cpp -- groups of rows on the CPU of which rows are left out, by a
// count or by the kernel: they are made of the others, and rows and groups that are left out stay.
#include "ir/passes.hpp"
#include "tests/runtime/counts_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/row_case.hpp"
#include "tests/support/valid_rows_case.hpp"

namespace swage::test {

namespace {

const std::vector<std::string> kSchedules = {"lanes=1 grain=64 threads=1", "lanes=16",
                                             "lanes=64 grain=1", "lanes=8 store=streaming"};

Device cpu() {
  return Device::open("cpu");
}

/// Every set of counts in one schedule after the other.
void check_counts(const std::string& text, const std::vector<Binding>& bindings, ir::CallSize size,
                  const std::vector<std::vector<std::int64_t>>& all, std::size_t turn) {
  for (const std::vector<std::int64_t>& counts : all) {
    const std::string& schedule = kSchedules[turn++ % kSchedules.size()];
    check_call_with_counts(
        text, bindings, size, counts, schedule,
        {.gap = static_cast<std::int64_t>(turn % 3), .by_columns = turn % 2 == 0}, turn);
  }
}

} // namespace

TEST_CASE("groups of rows that a count cuts are made of the rows that count") {
  std::size_t turn = 0;
  for (const std::string& text : {kByTiles, kTilesInPlace, skipping(kByTiles)})
    for (const std::int64_t n : {1, 2, 3, 32, 100})
      for (const std::int64_t columns : {8, 40, 1032}) {
        if (n * columns > 100'000 && text != kByTiles)
          continue; // what takes longest, once
        const std::vector<Binding> bindings{{"T", turn % 2 == 0 ? f32 : bf16}, {"n", n}};
        check_counts(text, bindings, {3 * n, columns}, one_count(3 * n), ++turn);
        check_counts(text, bindings, {6 * n, columns}, counts_of_batches(2 * n), ++turn);
      }
}

TEST_CASE("rows that a kernel skips are no part of their groups") {
  std::size_t turn = 0;
  for (const std::int64_t n : {1, 2, 4, 32, 40})
    for (const std::int64_t columns : {8, 1032})
      for (const std::string& text : {skipping(kByTiles), skipping(kTilesInPlace)}) {
        KernelOptions options;
        options.schedule = kSchedules[turn++ % kSchedules.size()];
        const Kernel kernel = cpu().kernel(text, "", {{"T", f32}, {"n", n}}, options);
        INFO(n << " rows, " << columns << " columns, " << options.schedule);
        REQUIRE(RowCase(cpu(), kernel, {6 * n, columns}, {}, turn).run() == "");
      }
}

TEST_CASE("random kernels with groups of rows leave out the rows that do not count") {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto n = std::array{2u, 4u, 8u, 32u, 64u}[seed % 5];
    const std::optional<ir::Kernel> graph = random_tile_kernel(seed, n, 4);
    if (!graph)
      continue;
    ++compared;
    Random random(seed);
    std::vector<std::int64_t> counts;
    for (std::uint64_t batch = 0; batch < 1 + seed % 3; ++batch)
      counts.push_back(static_cast<std::int64_t>(random.below(2 * n + 2)));
    check_counts(seed % 2 == 0 ? skipping_some(ir::print(*graph)) : ir::print(*graph), {},
                 {2 * n * static_cast<std::int64_t>(counts.size()), 36}, {counts}, seed);
  }
  CHECK(compared > 60);
}

TEST_CASE("a maximum of a group of rows does not see what it leaves out") {
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, y: out f32, s: out f32 [col group 4]) { "
                                     "s = col_group_max(x, 4); y = x; }",
                                     "");
  const std::vector<float> x = {-3, -5, 9, 9, 9, 9, 9, 9};
  std::vector<float> y(8, 77), s(2, 77);
  std::int32_t count = 2;
  LaunchOptions options;
  options.valid_rows = Tensor(&count, i32, {1});
  kernel.launch(nullptr,
                std::vector<Arg>{Tensor(const_cast<float*>(x.data()), f32, {8, 1}),
                                 Tensor(y.data(), f32, {8, 1}), Tensor(s.data(), f32, {2, 1})},
                options);
  CHECK(s == std::vector<float>{-3, 77});
  CHECK(y == std::vector<float>{-3, -5, 77, 77, 77, 77, 77, 77});
}

} // namespace swage::test
