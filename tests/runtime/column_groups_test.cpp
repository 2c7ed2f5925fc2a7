// column_groups_test.cpp -- groups of rows on the CPU: the bits of the evaluator in every schedule
// and layout, and what a call is refused for.
#include <fmt/format.h>

#include "codegen/row_plan.hpp"
#include "ir/passes.hpp"
#include "runtime/launch/inspect.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/row_case.hpp"
#include "tests/support/tile_kernels.hpp"
#include "tests/support/valid_rows_case.hpp"

namespace swage::test {

namespace {

using Catch::Matchers::ContainsSubstring;

Device cpu() {
  return Device::open("cpu");
}

const std::vector<std::string> kSchedules = {
    "lanes=1 grain=64 threads=1", "lanes=4 grain=4096",      "lanes=16",
    "lanes=64 grain=1",           "lanes=8 store=streaming",
};

const std::string kTiles = tile_kernel(/*divides=*/true);

} // namespace

TEST_CASE("groups of rows have the evaluator's bits, whatever the sizes and the columns") {
  std::size_t turn = 0;
  for (const std::int64_t n : {1, 2, 3, 4, 8, 16, 32, 64, 100})
    for (const std::int64_t columns : {1, 2, 3, 31, 32, 33, 511, 512, 513, 1000, 1025, 4097}) {
      const std::int64_t m = std::array{1, 4, 3, 32, 128, 600}[turn % 6];
      const RowView view = std::array{RowView{},
                                      RowView{1, 3},
                                      RowView{2, 1},
                                      RowView{1, 2, 1},
                                      RowView{.by_columns = true},
                                      RowView{.gap = 5, .by_columns = true},
                                      RowView{.tile = 4}}[turn % 7];
      KernelOptions options;
      options.schedule = kSchedules[turn % kSchedules.size()];
      const DType type = std::array{f32, bf16, f16}[turn % 3];
      INFO(n << " rows, " << whole_groups(columns, m) << " columns in groups of " << m << ", "
             << options.schedule << ", layout " << turn % 7);
      const Kernel kernel = cpu().kernel(kTiles, "", {{"T", type}, {"n", n}, {"m", m}}, options);
      CHECK(RowCase(cpu(), kernel, {n * (columns > 2000 ? 1 : 3), whole_groups(columns, m)}, view,
                    ++turn)
                .run() == "");
    }
}

TEST_CASE("random kernels with groups of rows have the evaluator's bits") {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const auto n = std::array{1u, 2u, 4u, 8u, 16u, 32u, 64u}[seed % 7];
    const auto m = std::array{1u, 4u, 12u, 32u}[seed % 4];
    const std::optional<ir::Kernel> graph = random_tile_kernel(seed, n, m);
    if (!graph)
      continue;
    ++compared;
    KernelOptions options;
    options.schedule = kSchedules[seed % kSchedules.size()];
    const Kernel kernel = cpu().kernel(ir::print(*graph), graph->name(), {}, options);
    const std::int64_t columns = std::array{1, 3, 32, 33, 100}[seed % 5];
    INFO(ir::print(*graph));
    CHECK(RowCase(cpu(), kernel, {n * 2, whole_groups(columns, m)},
                  {.gap = static_cast<std::int64_t>(seed % 3), .by_columns = seed % 2 == 0}, seed)
              .run() == "");
  }
  CHECK(compared > 100);
}

TEST_CASE("codes and scales of eight bits are those of the evaluator, along both dimensions") {
  const std::string text =
      "kernel k<T, Q>(x: in T, q: out Q, s: out e8m0 [group 32], p: out Q, u: out e8m0 [col group "
      "32]) { let a = e8m0_up(group_max(abs(x), 32) / 448); s = a; q = Q(clamp(x * rcp(a), -448, "
      "448)); let c = e8m0_up(col_group_max(abs(x), 32) / 448); u = c; p = Q(clamp(x * rcp(c), "
      "-448, 448)); }";
  for (const DType type : {bf16, f32})
    for (const RowView view : {RowView{}, RowView{.by_columns = true}, RowView{.gap = 1, .skew = 1},
                               RowView{.skew = 1, .by_columns = true}}) {
      const Kernel kernel = cpu().kernel(text, "", {{"T", type}, {"Q", f8e4m3}});
      CHECK(RowCase(cpu(), kernel, {96, 1056}, view).run() == "");
    }
}

TEST_CASE("scales of the transposed matrix are written in tiles of 128x4") {
  constexpr std::int64_t kHeight = 256, kColumns = 384, kGroups = kHeight / 32;
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, s: out f32 [col group 32]) { s = "
                                     "col_group_max(x, 32); }",
                                     "");
  std::vector<float> x(kHeight * kColumns), plain(kGroups * kColumns), tiles(plain.size(), -1);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i * 2654435761u % 100'003);
  const Tensor in(x.data(), f32, {kHeight, kColumns});
  kernel.launch(nullptr, {in, Tensor(plain.data(), f32, {kGroups, kColumns})});
  kernel.launch(nullptr, {in, Tensor(tiles.data(), f32, {kHeight / 128, 4, kColumns / 128, 4, 32},
                                     {512, 1, 512 * (kHeight / 128), 4, 16})});
  int wrong = 0;
  for (std::int64_t g = 0; g < kGroups; ++g)
    for (std::int64_t c = 0; c < kColumns; ++c)
      wrong += tiles[static_cast<std::size_t>(512 * (c / 128 * (kGroups / 4) + g / 4) +
                                              c % 32 * 16 + c % 128 / 32 * 4 + g % 4)] !=
               plain[static_cast<std::size_t>(g * kColumns + c)];
  CHECK(wrong == 0);
}

TEST_CASE("an input may be overwritten in place by a kernel with groups of rows") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: inout f32, v: inout f32 [col group 4], g: inout f32 [group 4]) {"
      " let c = col_group_max(abs(x), 4); x = x / c * v * g; v = col_group_sum(x, 4) * v;"
      " g = group_sum(x * v, 4) + g; }",
      "");
  for (const std::int64_t columns : {4, 100, 1032})
    CHECK(RowCase(cpu(), kernel, {12, columns}).run() == "");
}

TEST_CASE("what has one value a row is written beside groups of rows") {
  std::size_t turn = 0;
  for (const bool groups : {false, true})
    for (const std::int64_t n : {1, 3, 32})
      for (const std::int64_t columns : {8, 512, 1032}) {
        KernelOptions options;
        options.schedule = kSchedules[turn++ % kSchedules.size()];
        const Kernel kernel = cpu().kernel(rows_by_tiles(groups), "",
                                           {{"T", turn % 2 == 0 ? f32 : bf16}, {"n", n}}, options);
        INFO(n << " rows, " << columns << " columns, " << options.schedule);
        RowCase call(cpu(), kernel, {4 * n, columns}, {.gap = 1, .tile = turn % 3 == 0 ? 4 : 0},
                     turn);
        REQUIRE(call.run() == "");
        RowCase counted(cpu(), kernel, {4 * n, columns}, {}, turn);
        counted.count_rows({2 * n - 1, n / 2});
        REQUIRE(counted.run() == "");
      }
  const Kernel kernel =
      cpu().kernel(rows_by_tiles(false), "", {{"T", f32}, {"n", std::int64_t{2}}});
  std::vector<float> x(8), r(4), t(1), y(8), m(4), s(4);
  std::vector<std::int32_t> id(4), e(4);
  const auto launch = [&](float* written, std::int64_t columns) {
    return refusal([&] {
      kernel.launch(nullptr, {Tensor(x.data(), f32, {4, columns}), Tensor(r.data(), f32, {4}),
                              Tensor(id.data(), i32, {4}), Tensor(t.data(), f32, {1}), 1.0,
                              Tensor(y.data(), f32, {4, columns}), Tensor(written, f32, {4}),
                              Tensor(e.data(), i32, {4}), Tensor(s.data(), f32, {2, columns})});
    });
  };
  CHECK(launch(m.data(), 2) == "");
  CHECK_THAT(launch(r.data(), 2),
             ContainsSubstring("tensor 'm', an output [row] of a kernel with groups of rows, lies "
                               "where 'r' is read by several tiles; give it memory of its own"));
  CHECK_THAT(launch(m.data(), 0), ContainsSubstring("rows of 0 columns, which no tile has"));
}

TEST_CASE("rows that are no whole groups, and shapes that are no groups, are refused by numbers") {
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, y: out f32, s: out f32 [col group 4]) { "
                                     "s = col_group_max(x, 4); y = x; }",
                                     "");
  std::vector<float> memory(4096);
  const auto launch = [&](Tensor x, Tensor y, Tensor s) {
    return refusal([&] { kernel.launch(nullptr, {x, y, s}); });
  };
  const auto tensor = [&](std::initializer_list<std::int64_t> shape, std::size_t from) {
    return Tensor(memory.data() + from, f32, shape);
  };
  CHECK_THAT(launch(tensor({6, 5}, 0), tensor({6, 5}, 100), tensor({1, 5}, 200)),
             ContainsSubstring("kernel 'k' has groups of 4 rows, which do not divide the 6 rows of "
                               "shape [6, 5]"));
  CHECK_THAT(
      launch(tensor({2, 6, 5}, 0), tensor({2, 6, 5}, 100), tensor({3, 5}, 200)),
      ContainsSubstring("groups of 4 rows, which do not divide the 6 rows of shape [2, 6, 5]"));
  CHECK_THAT(
      launch(tensor({8, 5}, 0), tensor({8, 5}, 100), tensor({5, 2}, 200)),
      ContainsSubstring("tensor 's' has shape [5, 2], but 'x' has [8, 5]; expected one value "
                        "for 4 rows of a column"));
  CHECK(launch(tensor({8, 5}, 0), tensor({8, 5}, 100), tensor({2, 5}, 200)) == "");
  CHECK(launch(tensor({3, 8, 5}, 0), tensor({3, 8, 5}, 200), tensor({3, 2, 5}, 400)) == "");
  CHECK(launch(tensor({3, 8, 5}, 0), tensor({3, 8, 5}, 200), tensor({6, 5}, 400)) == "");
  CHECK(launch(tensor({0, 5}, 0), tensor({0, 5}, 200), tensor({0, 5}, 400)) == "");
}

TEST_CASE("what has no code beside groups of rows is refused when the kernel is made, by name") {
  const auto made = [](const std::string& text) {
    return refusal([&] { cpu().kernel(text, ""); });
  };
  const std::string head =
      "kernel k(x: in f32, r: in f32 [row], y: out f32, s: out f32 [col group 4]";
  CHECK_THAT(made(head + ") { s = col_group_max(x, 4); y = row_sum(x / col_group_max(x, 4)); }"),
             ContainsSubstring("uses row_sum, which no CPU code is made for yet beside groups of "
                               "rows where it needs what these have"));
  CHECK_THAT(made(head + ", c: out f32 [col]) { let m = col_group_max(x, 4); s = m; y = x; "
                         "c = col_sum(x / m); }"),
             ContainsSubstring("uses col_sum, which no CPU code is made for yet beside"));
  CHECK_THAT(made(head + ", m: inout f32 [row]) { s = col_group_max(x, 4); y = x; m = m + r; }"),
             ContainsSubstring("kernel 'k' uses 'm', an inout [row], which no CPU code"));
  CHECK_THAT(made(head + ") { s = col_group_max(x, 4); y = col_group_sum(x, 8); }"),
             ContainsSubstring("uses groups of 4 and of 8 rows, which no CPU code is made for yet: "
                               "one kernel has groups of rows of one size"));
}

} // namespace swage::test
