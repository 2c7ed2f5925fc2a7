// row_split_test.cpp -- rows that several blocks have, a cluster or blocks that never meet: the
// evaluator's bits on a CUDA device, as in any other schedule.
#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <tuple>

#include "codegen/row_geometry.hpp"
#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/row_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

int blocks_of(const codegen::Schedule& schedule) {
  return std::get<codegen::CudaSchedule>(schedule).waves;
}

/// Some of the schedules that split rows, each number of blocks among them.
void check_split(const Device& device, const Kernel& kernel, ir::CallSize size, RowView view,
                 int each, std::uint64_t seed) {
  INFO(size.rows << " x " << size.columns << ", stride " << view.column_stride << ", skew "
                 << view.skew);
  RowCase call(device, kernel, size, view, seed);
  const long double ulps = divides_approximately(launch::ir_kernel(kernel)) ? 1 : 0;
  std::vector<codegen::Schedule> schedules = call.schedules();
  std::erase_if(schedules, [](const codegen::Schedule& one) { return blocks_of(one) < 2; });
  REQUIRE(!schedules.empty());
  Random random(seed);
  for (const int blocks : {2, 4, 8, 16}) {
    std::vector<codegen::Schedule> of_blocks = schedules;
    std::erase_if(of_blocks,
                  [&](const codegen::Schedule& one) { return blocks_of(one) != blocks; });
    REQUIRE((!of_blocks.empty() || size.columns > 32 * 1024)); // few blocks hold no longer rows
    for (int i = 0; i < each && !of_blocks.empty(); ++i) {
      const codegen::Schedule& schedule = random.pick(of_blocks);
      INFO(codegen::canonical(schedule));
      REQUIRE(call.run(&schedule, ulps) == "");
    }
  }
}

bool has_clusters(const Device& device) {
  return launch::target(device).sm >= 90;
}

} // namespace

TEST_CASE("rows split over blocks have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device || !has_clusters(*device))
    return;
  const int each = schedules_of_call(1, 4);
  std::uint64_t seed = 1;
  for (const DType type : {f32, bf16}) {
    const Kernel kernel = device->kernel(kRowKernel, "", {{"T", type}});
    for (const std::int64_t columns : {8193, 9000, 14336, 20'000, 32'768})
      check_split(*device, kernel, {3, columns}, {}, each, seed++);
    check_split(*device, kernel, {2, 10'001}, {1, 3, 1}, each, seed++);
    check_split(*device, kernel, {2, 9000}, {2, 0, 0}, each, seed++);
    if (!emulated())
      for (const std::int64_t columns : {100'003, 131'072, 262'144})
        check_split(*device, kernel, {17, columns}, {}, each, seed++);
  }
  const Kernel wide = device->kernel(
      "kernel k(x: in f64, n: in i32, y: out f64, s: out f64 [row], c: out i32 [row]) {"
      " let m = row_mean(x); s = row_sum(x * x); c = row_sum(n * n * 9999) + row_min(n);"
      " y = x - m + row_max(x); }",
      "");
  check_split(*device, wide, {3, 9111}, {}, each, seed++);
  const Kernel groups =
      device->kernel("kernel k(x: in bf16, y: out f32, s: inout f32 [row], q: out f32 [group 64]) {"
                     " let top = group_max(abs(x), 64); q = top; s = s + row_sum(x); y = x * top - "
                     "row_max(top); }",
                     "");
  check_split(*device, groups, {3, 64 * 150}, {}, each, seed++);
}

TEST_CASE("blocks of a row add up their lanes to the evaluator's bits, whoever has which") {
  const auto device = gpu();
  if (!device || !has_clusters(*device))
    return;
  // Stages in turn, of two sums, of one beside what has no order, and of the latter alone.
  const std::string text =
      "kernel k<T>(x: in T, g: in f32 [group n], i: in i64 [row], s: out f32 [row], c: out i32 "
      "[row], p: out f32 [row], q: out f32 [group n], y: out T, const n: i32) {"
      "  let v = f32(x); let m = row_mean(v); let d = (v - m) * g; c = row_sum(i32(x) * 99);"
      "  let top = row_max(d); p = row_sum(col_index() == i ? d : 0);"
      "  q = group_sum(v * v, n) + top; s = row_sum(abs(d)) + row_sum(d * top) + row_min(d);"
      "  y = T(d * group_max(abs(v), n) - top - row_sum(d * d - row_max(d * 3))); }";
  int runs[5] = {}, several = 0;
  std::uint64_t seed = 300;
  Random random(seed);
  for (const auto& [type, group, columns] : {std::tuple{f32, 64, 64 * 81},
                                             {bf16, 128, 128 * 40},
                                             {bf16, 256, 256 * 18},
                                             {DType::f16, 96, 96 * 49},
                                             {DType::f8e4m3, 64, 64 * 64},
                                             {bf16, 1, 7001}}) {
    const Kernel kernel = device->kernel(text, "", {{"T", type}, {"n", std::int64_t{group}}});
    RowCase call(*device, kernel, {2, columns}, {}, seed++);
    const ir::Kernel& graph = launch::ir_kernel(kernel);
    const auto known = launch::describe(kernel, call.arguments()).specialization;
    const codegen::Target target = launch::target(*device);
    std::vector<codegen::Schedule> schedules;
    for (const int blocks : {2, 4, 8, 16})
      for (const int threads : {64, 128, 256, 512, 1024})
        for (const int bytes : {4, 8, 16, 32, 64}) {
          const codegen::Schedule schedule = codegen::parse_schedule(
              fmt::format("threads={0} row={0} bytes={1} grid={2} accesses=16", threads, bytes,
                          blocks),
              codegen::CudaSchedule{});
          try {
            codegen::check_schedule(schedule, graph, known, target);
            schedules.push_back(schedule);
          } catch (const Error&) { // not a legal one
          }
        }
    for (int left = schedules_of_call(15, 75); left > 0 && !schedules.empty(); --left) {
      const auto picked =
          schedules.begin() + static_cast<std::ptrdiff_t>(random.below(schedules.size()));
      const codegen::Schedule schedule = *picked;
      schedules.erase(picked);
      INFO(name_of(type) << ", groups of " << group << ", " << columns << " columns, "
                         << codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
      const auto geometry =
          codegen::make_row_geometry(graph, known, std::get<codegen::CudaSchedule>(schedule));
      runs[std::countr_zero(static_cast<unsigned>(blocks_of(schedule)))] += geometry.runs > 1;
      several += geometry.neighbours() < 32 * geometry.vector;
    }
  }
  for (const int power : {1, 2, 3, 4})
    CHECK(runs[power] > 5);
  CHECK(several > 5);
}

TEST_CASE("random kernels with reductions have the evaluator's bits over several blocks") {
  const auto device = gpu();
  if (!device || !has_clusters(*device))
    return;
  int ran = 0;
  for (std::uint64_t seed = 1000; seed < (emulated() ? 1040u : 1200u); ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, false, seed % 2 == 1);
    if (!graph)
      continue;
    INFO("seed " << seed << "\n" << ir::print(*graph));
    const std::optional<Kernel> kernel = kernel_with_bits(*device, *graph);
    if (!kernel || ir::is_elementwise(launch::ir_kernel(*kernel)))
      continue;
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(2050 + random.below(2000));
    RowCase call(*device, *kernel, {2, columns}, {1, static_cast<std::int64_t>(random.below(3)), 0},
                 seed);
    std::vector<codegen::Schedule> schedules = call.schedules();
    std::erase_if(schedules, [](const codegen::Schedule& one) { return blocks_of(one) < 2; });
    for (int i = 0; i < schedules_of_call(2, 6) && !schedules.empty(); ++i, ++ran) {
      const codegen::Schedule& schedule = random.pick(schedules);
      INFO(columns << " columns, " << codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
    }
  }
  CHECK(ran > 20);
}

TEST_CASE("parts of a row whose columns are computed apart have the evaluator's bits") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel groups = device->kernel(
      "kernel k(x: in bf16, t: in f32 [tensor], r: in f32 [row], c: in f16 [col], g: in f32 [group "
      "32], y: out f32, q: out f32 [group 32]) { let top = group_max(abs(x) * r, 32) + t; q = top; "
      "y = x * top * g - c + group_sum(x * 2, 32); }",
      "");
  const Kernel plain = device->kernel(
      "kernel k(x: inout f32, t: in f32 [tensor], r: in i32 [row]) { skip where r < 0; x = x * t + "
      "f32(r); }",
      "");
  const int each = emulated() ? 2 : 12;
  std::uint64_t seed = 1;
  const auto check = [&](const Kernel& kernel, ir::CallSize size, RowView view) {
    INFO(size.rows << " x " << size.columns << ", skew " << view.skew);
    RowCase call(*device, kernel, size, view, seed++);
    REQUIRE(call.run() == "");
    // Parts, and blocks that go over a row and load ahead.
    const std::vector<codegen::Schedule> all = call.schedules();
    Random random(seed);
    for (const bool ahead : {false, true}) {
      std::vector<codegen::Schedule> schedules = all;
      std::erase_if(schedules, [&](const codegen::Schedule& one) {
        return ahead ? !std::get<codegen::CudaSchedule>(one).ahead : blocks_of(one) < 2;
      });
      REQUIRE((!schedules.empty() || size.columns < 4096));
      for (int i = 0; i < each && !schedules.empty(); ++i) {
        const codegen::Schedule& schedule = random.pick(schedules);
        INFO(codegen::canonical(schedule));
        REQUIRE(call.run(&schedule) == "");
      }
    }
  };
  for (const std::int64_t columns : {32, 1024, 4128, 14336, 32 * 1000})
    check(groups, {3, columns}, {});
  check(groups, {5, 4096}, {1, 64, 1});
  for (const std::int64_t columns : {1, 1000, 4097, 14336})
    check(plain, {7, columns}, {});
  check(plain, {3, 9001}, {2, 3, 1});
  check(plain, {3, 9001}, {1, 1, 1});
}

TEST_CASE("groups that several warps compute are not overwritten in place on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const std::string text =
      "kernel k<T>(x: ROLE T, y: out T, const n: i32) { x_is y = group_max(x, n); }";
  const auto kernel = [&](bool in_place, std::int64_t size, DType type = f32) {
    std::string made = text;
    made.replace(made.find("ROLE"), 4, in_place ? "inout" : "in");
    made.replace(made.find("x_is"), 4, in_place ? "x = x - group_min(x, n);" : "");
    return device->kernel(made, "", {{"T", type}, {"n", size}});
  };
  std::uint64_t seed = 1;
  const auto result = [&](bool in_place, std::int64_t size, std::int64_t columns) {
    return RowCase(*device, kernel(in_place, size), {3, columns}, {}, seed++).run();
  };
  CHECK(result(false, 3, 1200) == "");
  CHECK(result(true, 32, 4096) == "");
  // Of as many columns as a warp can have; whatever the rows, and in every schedule.
  for (const std::int64_t rows : {1, 5, emulated() ? 140 : 1100})
    for (const auto& [type, size] :
         {std::pair{f32, 256}, std::pair{bf16, 512}, std::pair{bf16, 128}}) {
      INFO(size << " columns of " << name_of(type) << ", " << rows << " rows");
      check_some(*device, kernel(true, size, type), {rows, 2048}, {},
                 rows > 5 ? 1 : schedules_of_call(6, 20), seed++);
    }
  CHECK_THAT(result(true, 512, 4096), Catch::Matchers::Contains("'x' has groups of 512 columns"));
  const std::string refused =
      "'x' has groups of 3 columns and is overwritten in place, which CUDA code "
      "does for groups of 2^n columns that one warp accesses";
  CHECK_THAT(result(true, 3, 1200), Catch::Matchers::Contains(refused));
  // An output that lies where the input does.
  const Kernel apart = kernel(false, 3);
  Buffer memory = device->allocate(3 * 1200 * 4);
  const Tensor both(memory.data(), f32, {3, 1200});
  CHECK_THROWS_WITH(apart.launch(Stream(), {both, both}), Catch::Matchers::Contains(refused));
}

TEST_CASE("a row whose columns are computed apart is many blocks") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in bf16, y: out f32, s: out f32 [group 128]) { s = group_max(x, 128); y = x; }",
      "");
  const auto schedule = [&](std::int64_t rows, std::int64_t columns) {
    const auto at = [](int power) { return reinterpret_cast<void*>(std::uintptr_t{1} << power); };
    const std::vector<Arg> arguments{Tensor(at(40), bf16, {rows, columns}),
                                     Tensor(at(41), f32, {rows, columns}),
                                     Tensor(at(42), f32, {rows, columns / 128})};
    return std::get<codegen::CudaSchedule>(launch::describe(kernel, arguments).schedule);
  };
  const auto blocks = [&](std::int64_t rows, std::int64_t columns) {
    return schedule(rows, columns).waves;
  };
  CHECK(blocks(1, 14336) == 28);
  CHECK(blocks(16, 14336) == 28);
  CHECK(blocks(1, 128) == 0);
  CHECK(blocks(128, 14336) > 1);
  CHECK(blocks(512, 14336) > 1);
  CHECK(blocks(8192, 14336) == 14); // which load all first
  CHECK(schedule(8192, 14336).ahead);
}

TEST_CASE("blocks of a row meet where nothing is reduced but counted") {
  const auto device = gpu();
  if (!device || !has_clusters(*device))
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, t: inout i64 [row], y: out f32) { let n = row_sum(i64(1)); let ok = t "
      ">= 0 && t < n; t = ok ? t + 1 : t; y = ok ? x : 0; }",
      "");
  RowCase call(*device, kernel, {3, 33'000}, {}, 7);
  CHECK(call.run(nullptr, 0) == "");
}

TEST_CASE("a long row is split by default, over as many blocks as hold it") {
  const auto device = gpu();
  if (!device || !has_clusters(*device))
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in bf16, y: out bf16) { let e = exp(x - row_max(x)); y = e / row_sum(e); }", "");
  const auto blocks = [&](std::int64_t rows, std::int64_t columns) {
    const Tensor x(reinterpret_cast<void*>(std::uintptr_t{1} << 40), bf16, {rows, columns});
    const Tensor y(reinterpret_cast<void*>(std::uintptr_t{1} << 41), bf16, {rows, columns});
    return blocks_of(launch::describe(kernel, std::vector<Arg>{x, y}).schedule);
  };
  CHECK(blocks(16, 14336) == 8); // a multiprocessor for each
  CHECK(blocks(128, 14336) == 2);
  CHECK(blocks(2048, 14336) == 2);
  CHECK(blocks(2048, 8192) == 0);
  CHECK(blocks(16, 8192) == 4);
  CHECK(blocks(16, 4096) == 0);
  const int most = launch::target(*device).sm == 90 ? 16 : 8;
  CHECK(blocks(64, 32'768) == 8);
  for (const std::int64_t rows : {1, 8, 16, 64, 1024}) {
    CHECK(blocks(rows, 131'072) == most);
    CHECK(blocks(rows, 262'144) == most);
  }
}
