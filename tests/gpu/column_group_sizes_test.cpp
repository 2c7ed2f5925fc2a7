// column_group_sizes_test.cpp -- groups of rows of every size on a CUDA device, of few and of many
// columns, in every layout: the evaluator's bits.
#include <array>
#include <initializer_list>

#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/tile_kernels.hpp"

using namespace swage;
using namespace swage::test;

namespace {

const std::string kTiles = tile_kernel(/*divides=*/false);

/// Reductions down the columns alone, so any number of columns goes.
const std::string kColumns = "kernel k<T, Q>(x: in T, w: in T [col], id: in i32 [row], a: in f32 "
                             "[table], y: out T, q: out Q, "
                             "s: out e8m0 [col group n], u: out i32 [col group n], const n: i32) {"
                             "  let h = f32(x) * w + a[id];"
                             "  let e = e8m0_up(col_group_max(abs(h), n) * (1.0 / 448)); s = e;"
                             "  q = Q(clamp(h * rcp(e), -448, 448)); y = T(h);"
                             "  u = col_group_sum(i32(col_index()) * id, n); }";

RowView layout(std::size_t turn) {
  return std::array{RowView{},
                    RowView{.by_columns = true},
                    RowView{1, 3},
                    RowView{2, 1},
                    RowView{.gap = 5, .skew = 1, .by_columns = true},
                    RowView{1, 2, 1},
                    RowView{.tile = 4},
                    RowView{1, 8, 0}}[turn % 8];
}

/// Calls of kTiles with groups of `n` rows, the `index`-th size, and each of `columns`, of which
/// the first is the `first`-th: layouts, types and groups of columns are dealt by both numbers.
void check_groups(const Device& device, std::size_t index, std::int64_t n,
                  std::initializer_list<std::int64_t> columns_of_calls, std::size_t first) {
  std::size_t turn = 10 * index + first;
  for (const std::int64_t columns : columns_of_calls) {
    const std::size_t now = turn++;
    if (emulated() && n * columns > 40'000 && now % 2 != 0)
      continue;
    const std::int64_t m = std::array{1, 4, 32, 8, 64}[now % 5];
    const DType type = std::array{bf16, f32, f16}[now % 3];
    INFO(n << " rows, groups of " << m << " columns, layout " << now % 8);
    const Kernel kernel = device.kernel(kTiles, "", {{"T", type}, {"n", n}, {"m", m}});
    check_some(device, kernel, {n * (columns > 1000 ? 1 : 3), whole_groups(columns, m)},
               layout(now), schedules_of_call(1, 6), now + 1);
  }
}

/// The same of kColumns, which takes any number of columns.
void check_columns(const Device& device, std::size_t index, std::int64_t n,
                   std::initializer_list<std::int64_t> columns_of_calls, std::size_t first) {
  std::size_t turn = 9 * index + first;
  for (const std::int64_t columns : columns_of_calls) {
    const std::size_t now = turn++;
    if (emulated() && n * columns > 20'000 && now % 4 != 0)
      continue;
    const DType type = std::array{bf16, f32, f16}[now % 3];
    INFO(n << " rows, layout " << now % 8);
    const Kernel kernel =
        device.kernel(kColumns, "", {{"T", type}, {"Q", now % 2 == 0 ? f8e4m3 : f8e5m2}, {"n", n}});
    check_some(device, kernel, {n * (columns > 500 ? 1 : 3), columns}, layout(now),
               schedules_of_call(1, 6), now + 1);
  }
}

} // namespace

// A case for each size and some columns: a GPU's assembler takes most of the time, and cases run
// beside one another.
#define SWAGE_GROUPS(index, n)                                                                     \
  TEST_CASE("groups of " #n " rows of 1 to 3 columns have the evaluator's bits on the device") {   \
    if (const auto device = gpu())                                                                 \
      check_groups(*device, index, n, {1, 2, 3}, 0);                                               \
  }                                                                                                \
  TEST_CASE("groups of " #n " rows of 31 to 33 columns have the evaluator's bits on the device") { \
    if (const auto device = gpu())                                                                 \
      check_groups(*device, index, n, {31, 32, 33}, 3);                                            \
  }                                                                                                \
  TEST_CASE("groups of " #n " rows of 100 and 1000 columns have the evaluator's bits on the "      \
            "device") {                                                                            \
    if (const auto device = gpu())                                                                 \
      check_groups(*device, index, n, {100, 1000}, 6);                                             \
  }                                                                                                \
  TEST_CASE("groups of " #n " rows of many columns have the evaluator's bits on the device") {     \
    if (const auto device = gpu())                                                                 \
      check_groups(*device, index, n, {1025, 4097}, 8);                                            \
  }

SWAGE_GROUPS(0, 1)
SWAGE_GROUPS(1, 2)
SWAGE_GROUPS(2, 3)
SWAGE_GROUPS(3, 4)
SWAGE_GROUPS(4, 8)
SWAGE_GROUPS(5, 16)
SWAGE_GROUPS(6, 32)
SWAGE_GROUPS(7, 64)
SWAGE_GROUPS(8, 100)

#define SWAGE_COLUMNS(index, n)                                                                    \
  TEST_CASE("groups of " #n " rows and 1 to 3 columns that fill no access have the evaluator's "   \
            "bits on the device") {                                                                \
    if (const auto device = gpu())                                                                 \
      check_columns(*device, index, n, {1, 2, 3}, 0);                                              \
  }                                                                                                \
  TEST_CASE("groups of " #n " rows and 31 to 33 columns that fill no access have the "             \
            "evaluator's bits on the device") {                                                    \
    if (const auto device = gpu())                                                                 \
      check_columns(*device, index, n, {31, 32, 33}, 3);                                           \
  }                                                                                                \
  TEST_CASE("groups of " #n " rows and many columns that fill no access have the evaluator's "     \
            "bits on the device") {                                                                \
    if (const auto device = gpu())                                                                 \
      check_columns(*device, index, n, {129, 1000, 1025}, 6);                                      \
  }

SWAGE_COLUMNS(0, 1)
SWAGE_COLUMNS(1, 3)
SWAGE_COLUMNS(2, 4)
SWAGE_COLUMNS(3, 16)
SWAGE_COLUMNS(4, 32)
SWAGE_COLUMNS(5, 64)
