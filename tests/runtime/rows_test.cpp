// rows_test.cpp -- kernels that reach along their rows on the CPU: the bits of the evaluator in
// every schedule and layout.
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "codegen/compile.hpp"
#include "codegen/row_plan.hpp"
#include "ir/arithmetic.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/row_case.hpp"

namespace swage::test {

namespace {

Device cpu() {
  return Device::open("cpu");
}

const std::vector<std::string> kSchedules = {
    "lanes=1 grain=64 threads=1", "lanes=4 grain=4096",          "lanes=16",
    "lanes=64 grain=1",           "lanes=32 unroll=2 threads=2", "lanes=8 store=streaming",
};

/// Launches `source` in some schedules and compares the bits. Rotates through the schedules.
void check_bits(const std::string& source, const std::vector<Binding>& bindings, ir::CallSize size,
                RowView view, std::size_t schedules, std::size_t first = 0) {
  for (std::size_t i = 0; i < schedules; ++i) {
    const std::string& schedule = kSchedules[(first + i) % kSchedules.size()];
    INFO(size.rows << " x " << size.columns << ", " << schedule << ", stride "
                   << view.column_stride);
    KernelOptions options;
    options.schedule = schedule;
    const Kernel kernel = cpu().kernel(source, "", bindings, options);
    CHECK(RowCase(cpu(), kernel, size, view).run() == "");
  }
}

} // namespace

TEST_CASE("rows of every length have the evaluator's bits in every schedule") {
  std::size_t turn = 0;
  for (const std::int64_t columns :
       {1,   2,   3,    15,   16,   17,   31,   32,   33,   100,  511,
        512, 513, 1000, 1023, 1024, 1025, 2047, 3072, 4097, 9000, 14336})
    check_bits(kRowKernel, {{"T", f32}}, {columns > 2000 ? 2 : 5, columns}, {}, 3, turn++);
  check_bits(kRowKernel, {{"T", f32}}, {1, 100'003}, {}, 2);
  check_bits(kRowKernel, {{"T", f32}}, {200, 65}, {}, kSchedules.size());
}

TEST_CASE("rows of every type and layout have the evaluator's bits") {
  for (const DType type : {f32, bf16, f16})
    for (const RowView view : {RowView{1, 3}, RowView{2, 1}, RowView{3, 5}, RowView{1, 0, 1}})
      check_bits(kRowKernel, {{"T", type}}, {3, 1100}, view, 2);
  const std::string wide =
      "kernel k(x: in f64, y: out f64, s: out f64 [row]) { let m = row_mean(x); s = row_sum(x * x);"
      " y = x - m + row_max(x); }";
  for (const std::int64_t columns : {1, 7, 1025, 5000})
    check_bits(wide, {}, {3, columns}, {}, 3);
  const std::string whole =
      "kernel k(x: in i32, b: in i8, y: out i64, s: out i32 [row], m: out i8 [row]) { s = "
      "row_sum(x "
      "* x * 99999); m = row_min(b); y = row_sum(i64(x)) * i64(row_max(b)); }";
  for (const std::int64_t columns : {1, 33, 1025})
    check_bits(whole, {}, {3, columns}, {}, 3);
}

TEST_CASE("what is kept from one pass over a row to the next has the evaluator's bits") {
  // Costly in the first pass, in the second, and of two types; all are needed to the end.
  const std::string text =
      "kernel k(x: in f32, z: in f64, w: in f32 [col], y: out f32, u: out f64, d: out f32 [col]) {"
      "  let a = sqrt(x * x + 1) / (x * x + 2);"
      "  let b = sqrt(z * z + 3) / (z * z + f64(row_sum(a)));"
      "  let c = sqrt(a) / (a + f32(row_max(b)));"
      "  let top = row_max(c);"
      "  y = a * w + c * top; u = b + f64(row_sum(c)); d = col_sum(c * a); }";
  const ir::Kernel kernel = ir::load_kernel({text}, "", {});
  REQUIRE(codegen::make_row_plan(kernel).kept.size() == 3);
  std::size_t turn = 0;
  for (const std::int64_t columns : {1, 7, 8, 100, 1024, 1031, 4096, 5000, 20'000})
    check_bits(text, {}, {columns > 2000 ? 2 : 300, columns}, {}, 2, turn++);
  check_bits(text, {}, {3, 1100}, {2, 1}, 2);
}

TEST_CASE("groups have the evaluator's bits, whatever their size") {
  const std::string groups =
      "kernel k(x: in f32, g: in f32 [group n], w: in f32 [col], y: out f32, s: out f32 [group n], "
      "q: out f32 [group n], r: out f32 [row], t: in f32 [row], u: out f32 [group n], const n: "
      "i32) "
      "{ u = 1 < 2 ? t : g;"
      "  let top = group_max(abs(x), n) + 1; s = group_sum(x / top, n) * g; q = group_min(x * w, "
      "n);"
      "  r = row_sum(x * g) + row_max(top); y = x / top * g + row_mean(x); }";
  std::size_t turn = 0;
  for (const std::int64_t size : {1, 3, 8, 12, 100, 128, 1024, 1500})
    check_bits(groups, {{"n", size}}, {3, size * 3}, {turn % 2 == 1 ? 2 : 1, 1}, 2, turn), ++turn;
  check_bits(groups, {{"n", std::int64_t{128}}}, {2, 14336}, {}, 2);
}

TEST_CASE("sums over rows have the evaluator's bits, however many rows a thread has") {
  const std::string text =
      "kernel k(x: in f32, r: in f32 [row], w: in f32 [col], t: in f32 [tensor], y: out f32, c: "
      "out "
      "f32 [col], d: out f64 [col], n: out i32 [col], all: out f32 [tensor], e: out f32 [col], m: "
      "out "
      "f32 [row]) { c = col_sum(x * r) * w + t; d = col_sum(f64(x - row_max(x))); n = "
      "col_sum(i32(x)); all = col_sum(row_sum(x)) * t + col_sum(r); e = w * t; m = row_mean(x); y "
      "= "
      "x * t; }";
  std::size_t turn = 0;
  for (const std::int64_t rows : {1, 2, 3, 100, 255, 256, 257, 700})
    for (const std::int64_t columns : {1, 7, 70})
      check_bits(text, {}, {rows, columns}, {turn % 3 == 2 ? 2 : 1, 1}, 1, turn), ++turn;
  check_bits(text, {}, {40, 3000}, {}, kSchedules.size());
  const std::string groups =
      "kernel k(x: in f32, s: out f32 [group 4], c: out f32 [col]) { let g = "
      "group_max(x, 4); s = g; c = col_sum(x * g); }";
  check_bits(groups, {}, {300, 64}, {}, 2);
}

TEST_CASE("columns of no rows have a sum of 0") {
  float sums[4] = {7, 7, 7, 7}, all = 7;
  const Tensor none(nullptr, f32, {0, 4});
  cpu()
      .kernel("kernel k(x: in f32, c: out f32 [col], a: out f32 [tensor]) { c = col_sum(x); a = "
              "col_sum(row_sum(x)) + 1; }",
              "")
      .launch(nullptr, {none, Tensor(sums, f32, {4}), Tensor(&all, f32, {})});
  for (const float sum : sums)
    CHECK(sum == 0);
  CHECK(all == 1);
}

TEST_CASE("random kernels with reductions have the evaluator's bits") {
  int ran = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed);
    if (!graph)
      continue;
    const std::string text = ir::print(*graph);
    INFO("seed " << seed << "\n" << text);
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(400) + 1);
    check_bits(text, {}, {2, columns}, {random.one_in(3) ? 2 : 1, 1}, 1, seed);
    ++ran;
  }
  CHECK(ran > 40);
}

TEST_CASE("random kernels with tables and numbers of columns have the evaluator's bits") {
  int ran = 0, looked_up = 0;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, false, true);
    if (!graph)
      continue;
    for (const ir::Node& node : graph->nodes())
      looked_up += node.op == ir::Op::lookup || node.op == ir::Op::col_index;
    const std::string text = ir::print(*graph);
    INFO("seed " << seed << "\n" << text);
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(400) + 1);
    check_bits(text, {}, {5, columns}, {random.one_in(3) ? 2 : 1, 1}, 1, seed);
    ++ran;
  }
  CHECK(ran > 80);
  CHECK(looked_up > 60);
}

TEST_CASE("one element of a row is picked by its column in rows of every length") {
  const std::string text =
      "kernel k(x: in f32, t: in i64 [row], y: out f32 [row], n: out i64, c: out i64 [col]) {"
      "  y = row_sum(col_index() == t ? x : 0) + row_max(f32(col_index()));"
      "  n = row_sum(col_index()) + col_index(); c = col_index() * 3; }";
  std::size_t turn = 0;
  for (const std::int64_t columns : {1, 2, 3, 31, 100, 1023, 1025, 4097, 14336})
    check_bits(text, {}, {5, columns}, {turn % 2 == 0 ? 1 : 2, 1}, 2, turn), ++turn;
}

TEST_CASE("a table of no values is never read, and one elsewhere only where it has a value") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, id: in i64 [row], a: in f32 [table], n: in i32 [table], b: in bool "
      "[table], y: out f32, m: out i32 [row], p: out bool [row]) { y = x * a[id]; m = n[id]; p = "
      "b[id]; }",
      "");
  float x[4] = {1, 1, 1, 1}, y[4] = {};
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  std::int64_t id[4] = {0, -1, far, -far - 1};
  std::int32_t m[4] = {7, 7, 7, 7};
  bool p[4] = {true, true, true, true};
  const auto run = [&](const Tensor& a, const Tensor& n, const Tensor& b) {
    kernel.launch(nullptr, {Tensor(x, f32, {4, 1}), Tensor(id, i64, {4}), a, n, b,
                            Tensor(y, f32, {4, 1}), Tensor(m, i32, {4}), Tensor(p, boolean, {4})});
  };
  run(Tensor(nullptr, f32, {0}), Tensor(nullptr, i32, {0}), Tensor(nullptr, boolean, {0}));
  for (int i = 0; i < 4; ++i) {
    CHECK(std::isnan(y[i]));
    CHECK(m[i] == 0);
    CHECK_FALSE(p[i]);
  }
  float a[3] = {5, 0, 6};
  std::int32_t n[1] = {9};
  bool b[1] = {true};
  Tensor strided(a, f32, {2});
  strided.strides[0] = 2;
  id[1] = 1;
  run(strided, Tensor(n, i32, {1}), Tensor(b, boolean, {1}));
  CHECK(y[0] == 5);
  CHECK(y[1] == 6);
  CHECK(std::isnan(y[2]));
  CHECK(m[0] == 9);
  CHECK(m[1] == 0);
  CHECK(p[0]);
  CHECK_FALSE(p[1]);
}

TEST_CASE("a table must have one dimension, and nothing written may share its memory") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, id: in i32 [row], a: in f32 [table], y: out f32 [row]) { y = "
      "row_sum(x) * a[id]; }",
      "");
  float memory[16] = {};
  std::int32_t id[4] = {};
  const auto run = [&](const Tensor& a, const Tensor& y) {
    return refusal([&] {
      kernel.launch(nullptr, {Tensor(memory, f32, {4, 2}), Tensor(id, i32, {4}), a, y});
    });
  };
  const Tensor y(memory + 8, f32, {4});
  CHECK(run(Tensor(memory, f32, {2, 2}), y) ==
        "tensor 'a' has shape [2, 2], but 'x' has [4, 2]; expected one dimension: it is a [table]");
  CHECK(run(Tensor(nullptr, f32, {2}), y) ==
        "tensor 'a' has elements but its data pointer is null");
  const std::string shared =
      "tensor 'y' is written and shares memory with 'a', a [table], which any "
      "row may read; give each its own";
  CHECK(run(y, y) == shared);
  CHECK(run(Tensor(memory + 9, f32, {2}), y) == shared);
  CHECK(run(Tensor(memory + 12, f32, {2}), y) == "");
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  for (const std::int64_t length :
       {std::int64_t{-1}, -4 * kMost, -4 * kMost + 1, std::numeric_limits<std::int64_t>::min()})
    CHECK(run(Tensor(memory, f32, {length}), y) ==
          fmt::format("tensor 'a' has shape [{}], sizes must not be negative", length));
  for (const std::int64_t length : {kMost + 1, 4 * kMost + 2})
    CHECK(run(Tensor(memory, f32, {length}), y) ==
          fmt::format("tensor 'a' of shape [{}] has more than 2^60 elements; check its shape",
                      length));
}

TEST_CASE("a row has the same bits alone and in a batch") {
  const Kernel kernel = cpu().kernel(kRowKernel, "", {{"T", f32}});
  RowCase batch(cpu(), kernel, {300, 777});
  REQUIRE(batch.run() == "");
  for (const std::int64_t row : {0, 150, 299}) {
    RowCase alone = batch.alone(row);
    REQUIRE(alone.run() == "");
    CHECK(alone.outputs(0, 1) == batch.outputs(row, row + 1));
  }
}

TEST_CASE("norms and softmax are as exact as the CPU's functions, forward and derived backward") {
  const std::string text =
      "kernel rms_norm<T>(x: in T, w: in T [col], y: out T) { y = x * rsqrt(row_mean(x * x) + "
      "1e-6) * "
      "w; } kernel rms_grad = grad rms_norm(x, w);"
      "kernel softmax<T>(x: in T, y: out T) { let e = exp(x - row_max(x)); y = e / row_sum(e); }"
      "kernel softmax_grad = grad softmax(x);"
      "kernel layer_norm<T>(x: in T, w: in T [col], b: in T [col], y: out T) { let c = x - "
      "row_mean(x); y = c * rsqrt(row_mean(c * c) + 1e-5) * w + b; }"
      "kernel layer_grad = grad layer_norm(x, w, b);";
  for (const char* name :
       {"rms_norm", "rms_grad", "softmax", "softmax_grad", "layer_norm", "layer_grad"})
    for (const std::int64_t columns : {16, 1000, 4096}) {
      INFO(name << ", " << columns);
      const Kernel kernel = cpu().kernel(text, name, {{"T", bf16}});
      // Gradients are differences, whose cancellation shows.
      const bool gradient = std::string(name).find("grad") != std::string::npos;
      RowCase call(cpu(), kernel, {4, columns}, {}, 1, ir::Arithmetic::exact);
      CHECK(call.run(nullptr, gradient ? 40.0L : 0.6L) == "");
    }
}

TEST_CASE("the language page's kernels along the row run and are right") {
  std::ifstream file(SWAGE_SOURCE_DIR "/docs/language.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string text = page.str(), fence = "\n```swage\n";
  int ran = 0;
  for (std::size_t at = text.find(fence); at != text.npos; at = text.find(fence, at + 1)) {
    const std::size_t begin = at + fence.size();
    const std::string program = text.substr(begin, text.find("\n```", begin) - begin);
    for (const ir::KernelDeclaration& declared : ir::list_kernels({program})) {
      std::vector<Binding> bindings;
      for (const std::string& generic : declared.generics)
        bindings.push_back({generic, f32});
      const Kernel kernel = cpu().kernel(program, declared.name, bindings);
      const ir::Kernel& graph = launch::ir_kernel(kernel);
      if (!ir::has_reductions(graph))
        continue;
      INFO(declared.name);
      // Where the terms of a gradient cancel, or a bias what was normalised, their rounding shows.
      const bool cancels = !declared.gradient_of.empty() || declared.name == "batch_norm";
      RowCase call(cpu(), kernel, {7, 384}, {}, 1, ir::Arithmetic::exact);
      // exp of a difference has the rounding of the difference as its relative error.
      CHECK(call.run(nullptr, cancels ? 1e5L : 64.0L) == "");
      ++ran;
    }
  }
  CHECK(ran >= 5);
}

TEST_CASE("an output may be the input itself") {
  const Kernel kernel =
      cpu().kernel("kernel k(x: in f32, y: out f32) { y = x - row_max(x) + row_sum(x); }", "");
  Random random(1);
  std::vector<float> x(7 * 1234);
  std::vector<std::vector<ir::Scalar>> values(2);
  for (float& value : x) {
    value = static_cast<float>(random.below(1 << 20)) / 4096 - 100;
    values[0].push_back({value, 0});
  }
  const auto expected =
      ir::evaluate_rows(launch::ir_kernel(kernel), {7, 1234}, values, ir::Arithmetic::machine);
  const Tensor tensor(x.data(), f32, {7, 1234});
  kernel.launch(nullptr, {tensor, tensor});
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(x[i] == static_cast<float>(expected[0][i].real));
}

TEST_CASE("a value for all that an output of columns is made of is not overwritten in place") {
  // Tasks that have other columns would read it when the first has stored it.
  const ir::CallSize size{3, 400'000};
  const std::string refused = "'t', one value for all, is overwritten in place and read for an "
                              "output [col]";
  const Kernel apart = cpu().kernel(
      "kernel k(x: in f32, t: in f32 [tensor], d: out f32 [col], a: out f32 [tensor]) {"
      " d = col_sum(x) * t; a = col_sum(row_sum(x)); }",
      "");
  CHECK(RowCase(cpu(), apart, size).run() == "");
  CHECK_THAT(RowCase(cpu(), apart, size, {.in_place = true}).run(),
             Catch::Matchers::ContainsSubstring(refused));
  CHECK_THROWS_WITH(cpu().kernel("kernel k(x: in f32, t: inout f32 [tensor], d: out f32 [col]) {"
                                 " d = col_sum(x) * t; t = col_sum(row_sum(x)); }",
                                 ""),
                    Catch::Matchers::ContainsSubstring(refused));
  const Kernel others =
      cpu().kernel("kernel k(x: in f32, t: inout f32 [tensor], d: out f32 [col], y: out f32) {"
                   " y = x * t; d = col_sum(x); t = col_sum(row_sum(x)) + t; }",
                   "");
  CHECK(RowCase(cpu(), others, size).run() == "");
}

TEST_CASE("rows of no columns have a sum of 0, and no maximum") {
  float sums[3] = {7, 7, 7};
  const Tensor none(nullptr, f32, {3, 0});
  const Tensor rows(sums, f32, {3});
  cpu()
      .kernel("kernel k(x: in f32, s: out f32 [row]) { s = row_sum(x); }", "")
      .launch(nullptr, {none, rows});
  for (const float sum : sums)
    CHECK(sum == 0);
  const Kernel top =
      cpu().kernel("kernel top(x: in f32, s: out f32 [row]) { s = row_max(x); }", "");
  CHECK(refusal([&] {
          top.launch(nullptr, {none, rows});
        }) == "kernel 'top' takes a maximum or minimum along rows of 0 columns, which have none");
}

TEST_CASE("sums over rows of no columns are 0, and what has one value for all is stored") {
  for (const std::int64_t rows : {0, 1, 5, 300, 70'000}) {
    float total = 7, untouched = 7;
    std::int64_t count = 7;
    cpu()
        .kernel("kernel k(x: in f32, t: out f32 [tensor], n: out i64 [tensor], d: out f32 [col]) {"
                " t = col_sum(row_sum(x)); n = col_sum(i64(1)); d = col_sum(x); }",
                "")
        .launch(nullptr, {Tensor(nullptr, f32, {rows, 0}), Tensor(&total, f32, {}),
                          Tensor(&count, i64, {}), Tensor(&untouched, f32, {0})});
    CHECK(total == 0);
    CHECK(count == rows);
    CHECK(untouched == 7);
  }
}

TEST_CASE("tensors of a wrong size for their space are refused with what was expected") {
  float memory[64] = {};
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, g: out f32 [group 4], t: in f32 [tensor]) { g = group_max(x, 4) * t; }",
      "");
  const auto launch = [&](std::vector<std::int64_t> x, std::vector<std::int64_t> g,
                          std::vector<std::int64_t> t) {
    return refusal([&] {
      const auto tensor = [](float* data, const std::vector<std::int64_t>& shape) {
        return Tensor(data, f32, std::span<const std::int64_t>(shape));
      };
      kernel.launch(nullptr, {tensor(memory, x), tensor(memory + 32, g), tensor(memory + 60, t)});
    });
  };
  CHECK(launch({2, 8}, {2, 2}, {}) == "");
  CHECK(launch({2, 8}, {2, 2}, {1, 1}) == "");
  CHECK(launch({1, 2, 8}, {2, 2}, {1}) == "");
  CHECK(launch({2, 6}, {2, 2}, {}) ==
        "kernel 'k' has groups of 4 columns, which do not divide the 6 columns of shape [2, 6]");
  CHECK(
      launch({2, 8}, {2, 8}, {}) ==
      "tensor 'g' has shape [2, 8], but 'x' has [2, 8]; expected one value for 4 columns: its "
      "leading dimensions and a last one 4 times smaller, [rows, groups], or dimensions that make "
      "up the rows, then the groups");
  CHECK(launch({2, 8}, {2, 2}, {2}) == "tensor 't' has shape [2], but 'x' has [2, 8]; expected one "
                                       "value: no dimensions, or 1s");
}

TEST_CASE("what has no code yet is refused by name when the kernel is made") {
  const auto made = [](const std::string& text) {
    return refusal([&] { cpu().kernel(text, ""); });
  };
  CHECK(
      made("kernel k(x: in f32, y: out f32) { y = group_sum(x, 2) + group_sum(x, 3); }") ==
      "kernel 'k' uses groups of 2 and of 3 columns, which no CPU code is made for yet: one kernel "
      "has groups of one size");
  CHECK(made("kernel k(x: in f32 [row], y: out f32 [row]) { y = row_sum(x); }") ==
        "kernel 'k' has no tensor of one value an element, which would say how many columns there "
        "are; give it one");
  const auto compiled = [](const std::string& text) {
    const ir::Kernel kernel = ir::load_kernel({text}, "", {});
    return refusal([&] {
      codegen::compile(kernel, codegen::contiguous(kernel), codegen::CudaSchedule{},
                       codegen::cuda_target(90));
    });
  };
  CHECK(compiled("kernel k(x: in f32, g: inout f32 [group 2]) { g = g + group_sum(x, 2); }") ==
        "kernel 'k' uses 'g', an inout [group 2], which no CUDA code is made for yet; it runs on "
        "the CPU, device 'cpu'");
  CHECK(compiled("kernel k(x: in f32, y: out f32) { y = x * col_sum(x); }") ==
        "kernel 'k' is computed in steps, which are compiled one by one");
  CHECK(compiled("kernel k(x: in f32, y: out f32) { y = group_sum(x, 2) + group_sum(x, 3); }") ==
        "kernel 'k' uses groups of 2 and of 3 columns, which no CUDA code is made for yet: one "
        "kernel has groups of one size");
}

} // namespace swage::test
