// rows_test.cpp -- kernels that reach along their rows on a CUDA device: the evaluator's bits in
// every schedule, layout and batch.
#include <cmath>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "codegen/tile_plan.hpp"
#include "ir/arithmetic.hpp"
#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// To the bit, but where the GPU divides for a 16-bit result: there the quotient's bits are not
/// promised, and a result may fall to the other side of a tie.
void check_rows(const Device& device, const Kernel& kernel, ir::CallSize size, RowView view,
                int count, std::uint64_t seed) {
  check_some(device, kernel, size, view, count, seed,
             divides_approximately(launch::ir_kernel(kernel)) ? 1 : 0);
}

} // namespace

TEST_CASE("rows of every length have the evaluator's bits in every schedule on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const int schedules = schedules_of_call(3, 6);
  std::uint64_t seed = 1;
  for (const DType type : {f32, bf16})
    for (const std::int64_t columns : {1, 2, 3, 7, 31, 32, 33, 64, 100, 256, 1000, 1023, 1024, 1025,
                                       2048, 3072, 4096, 4097, 14336}) {
      const Kernel kernel = device->kernel(kRowKernel, "", {{"T", type}});
      check_rows(*device, kernel, {columns > 2000 ? 2 : 5, columns}, {}, schedules, seed++);
    }
  const Kernel kernel = device->kernel(kRowKernel, "", {{"T", bf16}});
  for (const std::int64_t columns : {100'003, 131'072, 262'144})
    if (!emulated() || columns == 100'003)
      check_rows(*device, kernel, {emulated() ? 1 : 3, columns}, {}, emulated() ? 1 : schedules,
                 seed++);
}

TEST_CASE("a schedule that only short rows can have is obeyed for them and refused for others") {
  const auto device = gpu();
  if (!device)
    return;
  KernelOptions options;
  options.schedule = "threads=128 row=16 bytes=4 accesses=4";
  const Kernel kernel = device->kernel(kRowKernel, "", {{"T", f32}}, options);
  RowCase fits(*device, kernel, {5, 63});
  REQUIRE(fits.run() == "");
  RowCase too_long(*device, kernel, {5, 65});
  REQUIRE(too_long.run().starts_with("refused: row=16 is below 32"));
  options.schedule = "row=3";
  REQUIRE_THROWS_WITH(device->kernel(kRowKernel, "", {{"T", f32}}, options),
                      Catch::Matchers::ContainsSubstring("row=3"));
}

TEST_CASE("rows of every type and layout have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const int schedules = schedules_of_call(2, 4);
  std::uint64_t seed = 100;
  for (const DType type : {f32, bf16, f16})
    for (const RowView view : {RowView{1, 0, 1}, RowView{1, 3, 2}, RowView{1, 8, 0},
                               RowView{2, 1, 0}, RowView{3, 5, 1}, RowView{-1, 0, 0}}) {
      RowView from = view;
      if (view.column_stride < 0)
        from = {1, 4, 4};
      const Kernel kernel = device->kernel(kRowKernel, "", {{"T", type}});
      check_rows(*device, kernel, {3, 1100}, from, schedules, seed++);
    }
  const Kernel wide = device->kernel(
      "kernel k(x: in f64, y: out f64, s: out f64 [row]) { let m = row_mean(x); s = row_sum(x * x);"
      " y = x - m + row_max(x); }",
      "");
  for (const std::int64_t columns : {1, 7, 1025, 5000})
    check_rows(*device, wide, {3, columns}, {}, schedules, seed++);
  const Kernel whole = device->kernel(
      "kernel k(x: in i32, b: in i8, y: out i64, s: out i32 [row], m: out i8 [row]) { s = "
      "row_sum(x * x * 99999); m = row_min(b); y = row_sum(i64(x)) * i64(row_max(b)); }",
      "");
  for (const std::int64_t columns : {1, 33, 1025, 4096})
    check_rows(*device, whole, {3, columns}, {}, schedules, seed++);
}

TEST_CASE("groups have the evaluator's bits on the device, whatever their size") {
  const auto device = gpu();
  if (!device)
    return;
  const std::string groups =
      "kernel k<T>(x: in T, g: in f32 [group n], w: in f32 [col], y: out T, s: out f32 [group n], "
      "q: out f32 [group n], r: out f32 [row], t: in f32 [row], u: out f32 [group n], const n: "
      "i32) "
      "{ u = 1 < 2 ? t : g;"
      "  let v = f32(x); let top = group_max(abs(v), n) + 1; s = group_sum(v / top, n) * g; q = "
      "group_min(v * w, n);"
      "  r = row_sum(v * g) + row_max(top); y = T(v / top * g + row_mean(v)); }";
  const int schedules = schedules_of_call(2, 4);
  std::uint64_t seed = 200;
  for (const DType type : {f32, bf16})
    for (const std::int64_t size : {1, 2, 3, 8, 12, 16, 32, 64, 100, 128, 256, 1024, 1500})
      for (const std::int64_t count : {1, 3}) {
        INFO("groups of " << size);
        const Kernel kernel = device->kernel(groups, "", {{"T", type}, {"n", size}});
        check_rows(*device, kernel, {3, size * count}, {seed % 3 == 1 ? 2 : 1, 1, 0}, schedules,
                   seed);
        ++seed;
      }
}

TEST_CASE("random kernels with reductions have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int ran = 0;
  for (std::uint64_t seed = 0; seed < (emulated() ? 40u : 200u); ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed);
    if (!graph)
      continue;
    INFO("seed " << seed << "\n" << ir::print(*graph));
    const std::optional<Kernel> kernel = kernel_with_bits(*device, *graph);
    if (!kernel || ir::is_elementwise(launch::ir_kernel(*kernel)))
      continue;
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(400) + 1);
    check_rows(*device, *kernel, {2, columns},
               {random.one_in(3) ? 2 : 1, static_cast<std::int64_t>(random.below(3)), 0},
               schedules_of_call(1, 2), seed);
    ++ran;
  }
  CHECK(ran > (emulated() ? 10 : 60));
}

TEST_CASE(
    "random kernels with tables and numbers of columns have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int ran = 0;
  for (std::uint64_t seed = 0; seed < (emulated() ? 40u : 300u); ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, seed % 2 == 1, true);
    if (!graph)
      continue;
    INFO("seed " << seed << "\n" << ir::print(*graph));
    const std::optional<Kernel> kernel = kernel_with_bits(*device, *graph);
    if (!kernel)
      continue;
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(400) + 1);
    check_rows(*device, *kernel, {5, columns},
               {random.one_in(3) ? 2 : 1, static_cast<std::int64_t>(random.below(3)), 0},
               schedules_of_call(2, 4), seed);
    ++ran;
  }
  CHECK(ran > (emulated() ? 10 : 100));
}

TEST_CASE("one element of a row is picked by its column on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, t: in i64 [row], w: in f32 [table], y: out f32 [row], n: out i64, c: "
      "out i64 [col]) {"
      "  y = row_sum(col_index() == t ? x : 0) * w[t] + row_max(f32(col_index()));"
      "  n = row_sum(col_index()) + col_index(); c = col_index() * 3; }",
      "");
  const Kernel groups = device->kernel(
      "kernel k(x: in f32, t: in i32 [row], w: in f32 [table], y: out f32, g: out i64 [group n], "
      "const n: i32 = 24) {"
      "  g = group_sum(col_index() * i64(t), n); y = x * w[t] * f32(group_max(col_index(), n)); }",
      "");
  std::uint64_t seed = 1;
  for (const std::int64_t columns : {1, 2, 3, 31, 100, 1023, 1025, 4097, 14336, 100'003}) {
    check_rows(*device, kernel, {3, columns}, {seed % 2 == 0 ? 2 : 1, 1, 0},
               schedules_of_call(2, 6), seed);
    ++seed;
  }
  for (const std::int64_t columns : {24, 120, 4800})
    check_rows(*device, groups, {3, columns}, {}, schedules_of_call(2, 6), seed++);
}

TEST_CASE(
    "losses of rows have the gradient that is derived, and never read outside on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* name : {"cross_entropy", "cross_entropy_smoothed", "cross_entropy_gradient"}) {
    INFO(name);
    const Kernel kernel = device->catalogue_kernel(name, {{"T", bf16}, {"L", f32}});
    for (const std::int64_t columns : {5, 1000, 4096}) {
      RowCase call(*device, kernel, {9, columns}, {}, 3);
      CHECK(call.run(nullptr, 40) == "");
    }
  }
}

TEST_CASE("a row has the same bits alone and in a batch on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel(
      "kernel k<T>(x: in T, y: out T, s: out f32 [row]) { let e = exp(x - row_max(x)); s = "
      "row_sum(e); y = e / row_sum(e); }",
      "", {{"T", bf16}});
  for (const std::int64_t columns : {40, 777, 4096}) {
    const std::int64_t rows = emulated() ? 9 : 1000;
    RowCase batch(*device, kernel, {rows, columns});
    REQUIRE(batch.run(nullptr, 64) == "");
    RowCase alone(*device, kernel, {1, columns});
    REQUIRE(alone.run(nullptr, 64) == "");
    CHECK(alone.outputs(0, 1) == batch.outputs(0, 1));
    const std::vector<codegen::Schedule> schedules = alone.schedules();
    // Each takes a compilation: some, by strides that share no factor with theirs.
    const std::size_t step = schedules.size() / (emulated() ? 41 : 97) + 1;
    for (std::size_t i = 0; i < schedules.size(); i += step) {
      const codegen::Schedule& schedule = schedules[i];
      if (std::get<codegen::CudaSchedule>(schedule).load != codegen::LoadPolicy::automatic ||
          std::get<codegen::CudaSchedule>(schedule).store != codegen::StorePolicy::automatic)
        continue;
      const auto before = alone.outputs(0, 1);
      INFO(codegen::canonical(schedule));
      REQUIRE(alone.run(&schedule, 64) == "");
      CHECK(alone.outputs(0, 1) == before);
    }
  }
}

TEST_CASE("catalogue kernels along the row are within their bounds on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int ran = 0;
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const auto& declared : ir::list_kernels({file.text, file.name}))
      for (const DType type : {f32, f16, bf16}) {
        const ir::Kernel graph = catalogue_kernel(declared.name, type);
        if (ir::is_elementwise(graph) && declared.name != "swiglu_scaled")
          continue; // catalogue_test.cpp
        const Kernel kernel =
            device->catalogue_kernel(declared.name, catalogue_bindings(declared.name, type));
        std::int64_t group = 1;
        for (const ir::Param& param : graph.params())
          group = std::max<std::int64_t>(group, param.group);
        for (const std::int64_t columns : {16, 1000, 4096}) {
          if (columns % group != 0)
            continue;
          INFO(declared.name << " " << name_of(type) << ", " << columns << " columns");
          const std::int64_t rows = std::max<std::int64_t>(4, codegen::rows_of_groups(graph));
          // Inputs of which no integer code falls so near a tie that the functions' bounds decide
          // it.
          RowCase call(*device, kernel, {rows, columns}, {},
                       static_cast<std::uint64_t>(columns) + 2);
          // Functions differ from the evaluator's by their bounds, and cancellation shows it, most
          // where the derivative of silu has its root.
          const bool slope = declared.name.find("mxfp8") != std::string::npos &&
                             declared.name.ends_with("_gradient");
          const long double most = slope ? 1e8L : 1e5L;
          CHECK(call.run(nullptr, size_of(type) == 2 ? 40.0L : most) == "");
        }
        ++ran;
      }
  CHECK(ran >= 60);
}

TEST_CASE("rows of no columns have a sum of 0 on the device") {
  const auto device = gpu();
  if (!device)
    return;
  Buffer sums = device->allocate(3 * sizeof(float));
  const Tensor none(nullptr, f32, {3, 0});
  device->kernel("kernel k(x: in f32, s: out f32 [row]) { s = row_sum(x); }", "")
      .launch(nullptr, {none, Tensor(sums.data(), f32, {3})});
  device->synchronize();
  float got[3] = {7, 7, 7};
  sums.read(got, sizeof got);
  for (const float sum : got)
    CHECK(sum == 0);
}

TEST_CASE("the address of a tensor without elements is not looked at on the device") {
  const auto device = gpu();
  if (!device)
    return;
  float here = 0; // no memory of the device
  Buffer memory = device->allocate(64);
  const Tensor none(&here, f32, {3, 0}), sums(memory.data(), f32, {3});
  device->kernel("kernel k(x: in f32, s: out f32 [row]) { s = row_sum(x) + 2; }", "")
      .launch(nullptr, {none, sums});
  device->kernel("kernel k(x: in f32, s: out f32 [col]) { s = col_sum(x) + 2; }", "")
      .launch(nullptr, {Tensor(&here, f32, {0, 3}),
                        Tensor(static_cast<std::byte*>(memory.data()) + 12, f32, {3})});
  device->synchronize();
  float got[6];
  memory.read(got, sizeof got);
  for (const float sum : got)
    CHECK(sum == 2);
  memory.write(std::vector<std::byte>(64).data(), 64);
  const Tensor id(memory.data(), i32, {3}),
      y(static_cast<std::byte*>(memory.data()) + 16, f32, {3, 1});
  device->kernel("kernel k(id: in i32 [row], t: in f32 [table], y: out f32) { y = t[id]; }", "")
      .launch(nullptr, {id, Tensor(&here, f32, {0}), y});
  device->synchronize();
  memory.read(got, sizeof got);
  CHECK(std::isnan(got[4]));
}

TEST_CASE("an output of rows may be the input itself on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel("kernel k(x: inout f32, s: inout f32 [row]) { let m = "
                                       "row_max(x); s = s + m; x = x * s - m; }",
                                       "");
  std::uint64_t seed = 300;
  for (const std::int64_t columns : {5, 64, 1234, 9000})
    check_rows(*device, kernel, {7, columns}, {}, schedules_of_call(3, 6), seed++);
}
