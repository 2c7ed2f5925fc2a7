// row_sums_test.cpp -- sums over rows on a CUDA device: the evaluator's bits in every schedule, for
// any number of rows, with memory of the caller's, of the stream's and of a graph's.
#include "codegen/row_plan.hpp"
#include "ir/arithmetic.hpp"
#include "ir/passes.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Sums of each kind: of elements, of rows, beside outputs of every other space.
const std::string kSums =
    "kernel k<T>(x: in T, w: in T [col], r: in f32 [row], t: in f32 [tensor], s: f32, y: out T, "
    "m: out f32 [row], dw: out f32 [col], db: out T [col], all: out f32 [tensor]) {"
    "  let a = f32(x) * f32(w) + t; let mean = row_mean(a) * s; m = mean * r;"
    "  y = T(a - mean); dw = col_sum((a - mean) * r) + t; db = T(col_sum(a) * f32(w));"
    "  all = col_sum(row_sum(a * a) * r) * s + t; }";

/// Terms of one value a row lie before those of columns, which are stored several at once.
const std::string kOneBefore =
    "kernel k<A, B>(x: in A, v: in B, all: out A [tensor], other: out B [tensor], dw: out A [col], "
    "dv: out B [col]) {"
    "  all = col_sum(row_sum(x)); other = col_sum(row_sum(v) * row_sum(v));"
    "  dw = col_sum(x); dv = col_sum(v * v); }";

constexpr std::int64_t kWidths[] = {1, 3, 8, 33, 64, 200, 1000, 1025, 4096, 14336};

/// `rows` rows of kWidths `first` to `last`.
void check_sums(const Device& device, DType type, std::int64_t rows, std::size_t first,
                std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    if (rows * kWidths[i] > (emulated() ? 60'000 : 300'000)) // the evaluator takes its time
      continue;
    const Kernel kernel = device.kernel(kSums, "", {{"T", type}});
    check_some(device, kernel, {rows, kWidths[i]}, {}, schedules_of_call(2, 8),
               static_cast<std::uint64_t>(10 * rows) + 2 * i + (type == bf16 ? 1 : 0));
  }
}

} // namespace

// A case for each number of rows and type, of narrow and of wide rows: they run beside one another.
#define SWAGE_SUMS(rows, type)                                                                     \
  TEST_CASE("sums over " #rows " short rows of " #type " have the evaluator's bits in every "      \
            "schedule on the device") {                                                            \
    if (const auto device = gpu())                                                                 \
      check_sums(*device, type, rows, 0, 4);                                                       \
  }                                                                                                \
  TEST_CASE("sums over " #rows " rows of " #type " have the evaluator's bits in every "            \
            "schedule on the device") {                                                            \
    if (const auto device = gpu())                                                                 \
      check_sums(*device, type, rows, 4, 10);                                                      \
  }

SWAGE_SUMS(1, f32)
SWAGE_SUMS(2, f32)
SWAGE_SUMS(255, f32)
SWAGE_SUMS(256, f32)
SWAGE_SUMS(257, f32)
SWAGE_SUMS(700, f32)
SWAGE_SUMS(1, bf16)
SWAGE_SUMS(2, bf16)
SWAGE_SUMS(255, bf16)
SWAGE_SUMS(256, bf16)
SWAGE_SUMS(257, bf16)
SWAGE_SUMS(700, bf16)

TEST_CASE("sums over many rows, and over long ones, have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(kSums, "", {{"T", bf16}});
  check_some(*device, kernel, {emulated() ? 3000 : 100'000, 16}, {}, schedules_of_call(2, 8), 50);
  check_some(*device, kernel, {emulated() ? 2 : 20, emulated() ? 40'001 : 100'003}, {},
             emulated() ? 1 : 4, 51);
}

TEST_CASE("sums over rows of every layout and type have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 100;
  for (const RowView view :
       {RowView{1, 0, 1}, RowView{1, 3, 2}, RowView{2, 1, 0}, RowView{3, 5, 1}})
    for (const DType type : {f32, f16}) {
      const Kernel kernel = device->kernel(kSums, "", {{"T", type}});
      check_some(*device, kernel, {300, 70}, view, schedules_of_call(2, 8), seed++);
    }
  const Kernel wide = device->kernel(
      "kernel k(x: in f64, b: inout f64 [col], n: inout i64 [tensor], s: out f64 [tensor]) {"
      " b = b + col_sum(x * x); s = col_sum(row_sum(x)); n = n + col_sum(i64(1)); }",
      "");
  const Kernel whole = device->kernel(
      "kernel k(x: in i32, b: in i8, y: out i64, s: out i32 [col], m: out i8 [col]) {"
      " s = col_sum(x * x * 99999); m = i8(col_sum(i32(b))); y = i64(x) * row_sum(i64(x)); }",
      "");
  for (const std::int64_t columns : {1, 7, 65, 1100}) {
    check_some(*device, wide, {emulated() ? 20 : 520, columns}, {}, schedules_of_call(2, 8),
               seed++);
    check_some(*device, whole, {emulated() ? 20 : 520, columns}, {}, schedules_of_call(2, 8),
               seed++);
  }
}

TEST_CASE("random kernels with sums over rows have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int ran = 0;
  for (std::uint64_t seed = 0; seed < (emulated() ? 120u : 600u); ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, true);
    if (!graph)
      continue;
    INFO("seed " << seed << "\n" << ir::print(*graph));
    const std::optional<Kernel> kernel = kernel_with_bits(*device, *graph);
    if (!kernel || ir::is_elementwise(launch::ir_kernel(*kernel)) ||
        !codegen::stores_after_rows(launch::ir_kernel(*kernel)))
      continue;
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(60) + 1);
    check_some(*device, *kernel, {static_cast<std::int64_t>(random.below(600)) + 1, columns},
               {random.one_in(3) ? 2 : 1, static_cast<std::int64_t>(random.below(3)), 0},
               emulated() ? 1 : 3, seed);
    ++ran;
  }
  CHECK(ran > (emulated() ? 5 : 30));
}

TEST_CASE(
    "sums of one value a row before sums of columns have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 0;
  for (const auto& [a, b] : {std::pair{f32, f32}, {f32, f64}, {i32, i64}, {f64, i32}})
    for (const auto& [rows, columns] :
         {std::pair<std::int64_t, std::int64_t>{4, 100}, {3, 127}, {40, 65}, {16, 96}}) {
      const Kernel usual = device->kernel(kOneBefore, "", {{"A", a}, {"B", b}});
      check_some(*device, usual, {rows, columns}, {}, schedules_of_call(2, 8), ++seed);
      for (const char* schedule : {"threads=64 row=32 accesses=8", "threads=96 row=32 accesses=8",
                                   "threads=128 row=64 accesses=8"}) {
        KernelOptions options;
        options.schedule = schedule; // two and three rows a block
        const Kernel kernel = device->kernel(kOneBefore, "", {{"A", a}, {"B", b}}, options);
        check_some(*device, kernel, {rows, columns}, {}, 0, ++seed);
      }
    }
}

TEST_CASE("a value for all that outputs of columns are made of is not overwritten on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, t: in f32 [tensor], d: out f32 [col], a: out f32 [tensor]) {"
      " d = col_sum(x) * t; a = col_sum(row_sum(x)); }",
      "");
  CHECK(RowCase(*device, kernel, {7, 3000}, {}, 1).run() == "");
  CHECK_THAT(RowCase(*device, kernel, {7, 3000}, {.in_place = true}, 1).run(),
             Catch::Matchers::Contains("'t', one value for all, is overwritten in place"));
}

TEST_CASE("what fills up a strand behind its last column is stored by one thread") {
  const auto device = gpu();
  if (!device)
    return;
  // The double of the driver looks for races where threads do not wait for one another.
  for (const char* skip : {"", "skip where id < 0;"})
    for (const char* loads : {"x: in i16", "x: in i32", "x: in i64"})
      for (const std::int64_t columns : {1, 5, 130, 1029}) {
        KernelOptions options; // of one row a block, held and not
        options.schedule = "threads=64 row=64 accesses=1 bytes=16";
        const std::string text = fmt::format(
            "kernel k(id: in i32 [row], {}, s: out i64 [col]) {{ {} s = col_sum(i64(x) + 1); }}",
            loads, skip);
        INFO(text << columns);
        const Kernel kernel = device->kernel(text, "", {}, options);
        CHECK(RowCase(*device, kernel, {7, columns}, {}, 3).run() == "");
      }
}

TEST_CASE("sums of no rows are 0 on the device") {
  const auto device = gpu();
  if (!device)
    return;
  Buffer sums = device->allocate(5 * sizeof(float));
  const std::vector<float> before(5, 7);
  sums.write(before.data(), 5 * sizeof(float));
  device->kernel("kernel k(x: in f32, s: out f32 [col]) { s = col_sum(x); }", "")
      .launch(nullptr, {Tensor(nullptr, f32, {0, 5}), Tensor(sums.data(), f32, {5})});
  device->synchronize();
  std::vector<float> got(5);
  sums.read(got.data(), 5 * sizeof(float));
  CHECK(got == std::vector<float>(5, 0));
}

TEST_CASE("sums over rows of no columns are 0, and what has one value for all is stored on the "
          "device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, t: out f32 [tensor], n: out i64 [tensor], d: out f32 [col]) {"
      " t = col_sum(row_sum(x)); n = col_sum(i64(1)); d = col_sum(x); }",
      "");
  for (const std::int64_t rows : {0, 1, 5, 300}) {
    const std::int64_t before[] = {7, 7};
    Buffer values = device->allocate(sizeof before);
    values.write(before, sizeof before);
    auto* count = static_cast<std::int64_t*>(values.data()) + 1;
    kernel.launch(nullptr, {Tensor(nullptr, f32, {rows, 0}), Tensor(values.data(), f32, {}),
                            Tensor(count, i64, {}), Tensor(nullptr, f32, {0})});
    device->synchronize();
    std::int64_t got[2];
    values.read(got, sizeof got);
    CHECK(got[0] == 0);
    CHECK(got[1] == rows);
  }
}

TEST_CASE("streams at once, and graphs launched again, each have sums of their own") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel =
      device->kernel("kernel k(x: in f32, s: out f32 [col], t: out f32 [tensor]) {"
                     " s = col_sum(x * x); t = col_sum(row_sum(x)); }",
                     "");
  constexpr std::int64_t kManyRows = 500, kColumns = 96;
  constexpr int kStreams = 4;
  struct Work {
    Buffer x, s, t;
    std::vector<float> expected;
  };
  std::vector<Work> all;
  const auto arguments = [&](const Work& work) {
    return std::vector<Arg>{Tensor(work.x.data(), f32, {kManyRows, kColumns}),
                            Tensor(work.s.data(), f32, {kColumns}), Tensor(work.t.data(), f32, {})};
  };
  const auto result = [](const Work& work) {
    std::vector<float> sums(kColumns + 1);
    work.s.read(sums.data(), kColumns * sizeof(float));
    work.t.read(&sums[kColumns], sizeof(float));
    return sums;
  };
  const auto clear = [](Work& work) {
    const std::vector<float> none(kColumns, -1);
    work.s.write(none.data(), kColumns * sizeof(float));
    work.t.write(none.data(), sizeof(float));
  };
  Random random(7);
  for (int i = 0; i < kStreams; ++i) {
    std::vector<float> x(kManyRows * kColumns);
    for (float& value : x)
      value = static_cast<float>(random.below(1000)) / 999;
    Work work{device->allocate(x.size() * sizeof(float)),
              device->allocate(kColumns * sizeof(float)),
              device->allocate(sizeof(float)),
              {}};
    work.x.write(x.data(), x.size() * sizeof(float));
    kernel.launch(nullptr, arguments(work));
    device->synchronize();
    work.expected = result(work);
    all.push_back(std::move(work));
  }
  for (int i = 1; i < kStreams; ++i)
    CHECK(all[0].expected != all[static_cast<std::size_t>(i)].expected);
  const device::ContextScope scope(*DeviceAccess::state(*device));
  std::vector<cuda::OwnedStream> streams;
  for (int i = 0; i < kStreams; ++i)
    streams.push_back(cuda::make_stream());
  const int rounds = emulated() ? 2 : 50;
  for (int round = 0; round < rounds; ++round) {
    for (Work& work : all)
      clear(work);
    for (std::size_t i = 0; i < all.size(); ++i)
      kernel.launch(Stream(streams[i].get()), arguments(all[i]));
    device->synchronize();
    for (const Work& work : all)
      REQUIRE(result(work) == work.expected);
  }
  // Each captured once, with memory of its graph; launched again and again, on other streams.
  std::vector<cuda::OwnedGraphExec> graphs;
  for (std::size_t i = 0; i < all.size(); ++i)
    graphs.push_back(cuda::capture(streams[i].get(), [&] {
      kernel.launch(Stream(streams[i].get()), arguments(all[i]));
      kernel.launch(Stream(streams[i].get()), arguments(all[i]));
    }));
  for (int round = 0; round < rounds; ++round) {
    for (Work& work : all)
      clear(work);
    for (std::size_t i = 0; i < all.size(); ++i)
      cuda::driver().cuGraphLaunch(
          graphs[i].get(), streams[(i + static_cast<std::size_t>(round)) % all.size()].get());
    device->synchronize();
    for (const Work& work : all)
      REQUIRE(result(work) == work.expected);
  }
  // Memory of the caller's.
  const std::size_t bytes = kernel.workspace_bytes(arguments(all[0]));
  CHECK(bytes == 256 * sizeof(float) + 256 * 128 * sizeof(float));
  const Buffer workspace = device->allocate(bytes + 256);
  for (Work& work : all) {
    clear(work);
    kernel.launch(nullptr, arguments(work), {workspace.data(), bytes});
    device->synchronize();
    REQUIRE(result(work) == work.expected);
  }
  CHECK_THROWS_WITH(kernel.launch(nullptr, arguments(all[0]), {workspace.data(), bytes - 1}),
                    Catch::Matchers::ContainsSubstring("ask workspace_bytes"));
  CHECK_THROWS_WITH(kernel.launch(nullptr, arguments(all[0]),
                                  {static_cast<std::byte*>(workspace.data()) + 16, bytes}),
                    Catch::Matchers::ContainsSubstring("expected a multiple of 256"));
}
