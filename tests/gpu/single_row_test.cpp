// single_row_test.cpp -- sums over the only row of a call on a CUDA device: the evaluator's bits,
// stored by the first launch where rows are held, and by a second one where they are not.
#include <array>
#include <bit>

#include "codegen/row_geometry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kWidths[] = {1, 3, 31, 33, 1023, 4097};

/// What `schedules` are of: one launch with a row a block, one launch with several, two launches.
enum Way : std::size_t { one_row, several_rows, two_launches };
using Counts = std::array<int, 3>;

/// A call of one row in its default schedule, and in some of each kind, which are counted.
void check_ways(const Device& device, const Kernel& kernel, std::int64_t columns, RowView view,
                std::uint64_t seed, Counts& ran) {
  INFO(columns << " columns, stride " << view.column_stride << ", skew " << view.skew);
  RowCase call(device, kernel, {1, columns}, view, seed);
  REQUIRE(call.run() == "");
  const codegen::Specialization known = launch::describe(kernel, call.arguments()).specialization;
  std::array<std::vector<codegen::Schedule>, 3> ways;
  for (const codegen::Schedule& schedule : call.schedules()) {
    const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
    const bool at_once = codegen::stores_single_row(launch::ir_kernel(kernel), known, cuda);
    ways[!at_once                           ? two_launches
         : cuda.threads == cuda.row_threads ? one_row
                                            : several_rows]
        .push_back(schedule);
  }
  Random random(seed);
  for (std::size_t way = 0; way < ways.size(); ++way)
    for (int i = 0; !ways[way].empty() && i < schedules_of_call(way == two_launches ? 1 : 2, 12);
         ++i) {
      const codegen::Schedule& schedule = random.pick(ways[way]);
      INFO(codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
      ++ran[way];
    }
}

void check_widths(const char* text, const std::vector<Binding>& bindings, RowView view = {}) {
  const auto device = gpu();
  if (!device)
    return;
  INFO(text);
  const Kernel kernel = device->kernel(text, "", bindings);
  Counts ran{};
  std::uint64_t seed = 1;
  for (const std::int64_t columns : kWidths)
    check_ways(*device, kernel, columns, view, seed++, ran);
  CHECK(ran[one_row] > 5);
  CHECK(ran[several_rows] > 5);
  CHECK(ran[two_launches] > 1);
}

/// Sums of columns and for all, beside outputs of every other space; inputs that are needed when
/// the sums are known.
constexpr const char* kSums =
    "kernel k<T>(x: in T, w: in T [col], r: in f32 [row], t: in f32 [tensor], s: f32, y: out T, "
    "m: out f32 [row], dw: out f32 [col], db: out T [col], n: out i64 [col], e: out T [col], "
    "all: out f32 [tensor]) {"
    "  let a = f32(x) * f32(w) + t; let mean = row_mean(a) * s; m = mean * r; y = T(a - mean);"
    "  dw = col_sum((a - mean) * r) + t; db = T(col_sum(a) * f32(w) - col_sum(r) * s);"
    "  n = col_index() * 3; e = T(f32(w) * t + s); all = col_sum(row_sum(a * a) * r) * s + t; }";

} // namespace

TEST_CASE("sums over one row of f32 have the evaluator's bits, stored in one launch and in two") {
  check_widths(kSums, {{"T", f32}});
}

TEST_CASE("sums over one row of bf16 have the evaluator's bits, stored in one launch and in two") {
  check_widths(kSums, {{"T", bf16}});
}

TEST_CASE("sums over one row of f16 have the evaluator's bits in every layout, stored in one "
          "launch and in two") {
  check_widths(kSums, {{"T", f16}}, {2, 1, 1});
  check_widths(kSums, {{"T", f16}}, {1, 0, 3});
}

TEST_CASE("sums over one row of wide and of whole numbers have the evaluator's bits, stored in one "
          "launch and in two") {
  check_widths("kernel k(x: in f64, b: inout f64 [col], n: inout i64 [tensor], s: out f64 "
               "[tensor]) { b = b + col_sum(x * x); s = col_sum(row_sum(x)); n = n + "
               "col_sum(i64(1)); }",
               {});
  check_widths("kernel k(x: in i32, b: in i8, y: out i64, s: inout i32 [col], m: out i8 [col]) {"
               " s = s + col_sum(x * x * 99999); m = i8(col_sum(i32(b))); y = i64(x) * "
               "row_sum(i64(x)); }",
               {});
}

TEST_CASE("sums over one row take the place of what its threads have read") {
  // The double of the driver looks for races where threads do not wait for one another.
  check_widths("kernel k(x: in f32, w: in f32 [col], t: in f32 [tensor], y: out f32, "
               "dw: out f32 [col], all: out f32 [tensor]) { y = x * row_mean(x * w) * t;"
               " dw = col_sum(x * w) + w; all = col_sum(row_sum(x)) * t; }",
               {}, {.in_place = true});
  // Nothing that they add up makes these threads wait.
  check_widths("kernel k(x: in f32, w: in f32 [col], t: inout f32 [tensor], y: out f32, "
               "s: out f32 [col]) { y = x * t; s = w * 2; t = t + col_sum(f32(1)); }",
               {});
}

TEST_CASE("what is stored beside one row without a sum over it has the evaluator's bits") {
  check_widths("kernel k(x: in f32, w: in f32 [col], s: f32, m: out f32 [row], e: out f32 [col], "
               "n: out i64 [tensor]) { m = row_sum(x); e = w * s; n = 7; }",
               {});
}

TEST_CASE("a sum over one row is 0 where its term is -0, in one launch and in two") {
  const auto device = gpu();
  if (!device)
    return;
  constexpr std::int64_t kColumns = 100;
  const std::vector<float> terms(kColumns, -0.0f);
  Buffer x = device->allocate(sizeof(float) * kColumns);
  x.write(terms.data(), sizeof(float) * kColumns);
  for (const char* schedule : {"threads=32 row=32 accesses=4", "threads=128 row=32 accesses=4",
                               "threads=32 row=32 accesses=1 bytes=4"}) {
    INFO(schedule);
    KernelOptions options;
    options.schedule = schedule;
    std::vector<float> got(kColumns + 1, 7);
    Buffer sums = device->allocate(sizeof(float) * got.size());
    sums.write(got.data(), sizeof(float) * got.size());
    device
        ->kernel("kernel k(x: in f32, s: out f32 [col], t: out f32 [tensor]) { s = col_sum(x); t = "
                 "col_sum(row_max(x)); }",
                 "", {}, options)
        .launch(nullptr,
                {Tensor(x.data(), f32, {1, kColumns}), Tensor(sums.data(), f32, {kColumns}),
                 Tensor(static_cast<float*>(sums.data()) + kColumns, f32, {})});
    device->synchronize();
    sums.read(got.data(), sizeof(float) * got.size());
    for (const float sum : got)
      REQUIRE(std::bit_cast<std::uint32_t>(sum) == 0);
  }
}
