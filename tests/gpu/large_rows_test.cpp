// large_rows_test.cpp -- rows of more than 2^31 elements in all, held to the evaluator at both ends
// and where 32-bit offsets would wrap; and a row of more columns than 32 bits count.
#include <array>
#include <cmath>
#include <vector>

#include "ir/evaluate_rows.hpp"
#include "runtime/launch/inspect.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kRowCount = 1 << 20, kColumns = 4096;

/// A GPU with memory for 2^32 elements of bf16 in and as many out.
std::optional<Device> large_gpu() {
  const auto device = gpu();
  constexpr std::int64_t needed = 20LL << 30;
  if (!device || emulated() || device->info().memory_bytes < needed)
    return std::nullopt;
  return device;
}

void check_ends(const Device& device) {
  const Kernel kernel = device.kernel(
      "kernel k(x: in bf16, t: in i64 [row], a: in f32 [table], y: out bf16, s: out f32 [row], p: "
      "out f32 [row]) { s = row_sum(x); p = row_sum(col_index() == t ? x : 0) * a[t]; y = x - "
      "row_max(x); }",
      "");
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const auto bytes = static_cast<std::size_t>(kRowCount * kColumns * 2);
  Buffer x = device.allocate(bytes), y = device.allocate(bytes);
  Buffer t = device.allocate(kRowCount * 8), a = device.allocate(4 * 4);
  Buffer s = device.allocate(kRowCount * 4), p = device.allocate(kRowCount * 4);
  HostTensor table(f32, 4);
  table.fill(5);
  a.write(table.bytes.data(), table.bytes.size());
  const std::array<std::int64_t, 6> rows{
      0, 1, kRowCount / 2 - 1, kRowCount / 2, kRowCount - 2, kRowCount - 1};
  std::vector<HostTensor> given;
  for (const std::int64_t row : rows) {
    HostTensor& in = given.emplace_back(bf16, kColumns);
    in.fill(static_cast<std::uint64_t>(row) + 1);
    x.write(in.bytes.data(), in.bytes.size(), static_cast<std::size_t>(row * kColumns * 2));
    const std::int64_t target = row % 5; // of the last row but one no value of the table
    t.write(&target, 8, static_cast<std::size_t>(row * 8));
  }
  const std::int64_t shape[] = {kRowCount, kColumns};
  kernel.launch(nullptr, {Tensor(x.data(), bf16, shape), Tensor(t.data(), i64, {kRowCount}),
                          Tensor(a.data(), f32, {4}), Tensor(y.data(), bf16, shape),
                          Tensor(s.data(), f32, {kRowCount}), Tensor(p.data(), f32, {kRowCount})});
  device.synchronize();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i]);
    std::vector<std::vector<ir::Scalar>> arguments(graph.params().size());
    for (std::int64_t column = 0; column < kColumns; ++column)
      arguments[0].push_back(given[i].get(column));
    arguments[1].push_back({0, rows[i] % 5});
    for (std::int64_t k = 0; k < 4; ++k)
      arguments[2].push_back(table.get(k));
    const auto expected =
        ir::evaluate_rows(graph, {1, kColumns}, arguments, ir::Arithmetic::machine);
    HostTensor out(bf16, kColumns), sum(f32, 1), picked(f32, 1);
    y.read(out.bytes.data(), out.bytes.size(), static_cast<std::size_t>(rows[i] * kColumns * 2));
    s.read(sum.bytes.data(), 4, static_cast<std::size_t>(rows[i] * 4));
    p.read(picked.bytes.data(), 4, static_cast<std::size_t>(rows[i] * 4));
    const auto is_right = [](DType type, const void* got, const ir::Scalar& wanted) {
      const std::uint64_t bits = ir::load_bits(type, got);
      return bits == ir::encode(type, wanted) || // any NaN is one
             (std::isnan(wanted.real) && std::isnan(ir::decode(type, bits).real));
    };
    std::int64_t wrong = 0;
    for (std::int64_t column = 0; column < kColumns; ++column)
      wrong += !is_right(bf16, out.at(column), expected[0][static_cast<std::size_t>(column)]);
    CHECK(wrong == 0);
    CHECK(is_right(f32, sum.at(0), expected[1][0]));
    CHECK(is_right(f32, picked.at(0), expected[2][0]));
  }
}

} // namespace

TEST_CASE("2^32 elements in rows of 4096 are right at both ends and in the middle") {
  if (const auto device = large_gpu())
    check_ends(*device);
}

TEST_CASE("2^32 elements in rows of 4096 are right on the CPU", "[.exhaustive]") {
  check_ends(Device::open("cpu"));
}

TEST_CASE("a row of more than 2^31 columns counts them all") {
  const auto device = large_gpu();
  if (!device)
    return;
  constexpr std::int64_t columns = (std::int64_t{1} << 31) + 777;
  const Kernel kernel = device->kernel(
      "kernel k(x: in i8, t: in i64 [row], p: out i32 [row], n: out i64 [row], c: out i64 [row]) { "
      "p = row_sum(col_index() == t ? i32(x) : 0); n = row_max(col_index()); c = row_sum(i64(1)); "
      "}",
      "");
  Buffer x = device->allocate(static_cast<std::size_t>(columns));
  Buffer t = device->allocate(8), p = device->allocate(4), n = device->allocate(8),
         c = device->allocate(8);
  for (const std::int64_t target : {std::int64_t{0}, std::int64_t{1} << 31, columns - 1, columns}) {
    CAPTURE(target);
    const std::int8_t value = 77;
    if (target < columns)
      x.write(&value, 1, static_cast<std::size_t>(target));
    t.write(&target, 8);
    kernel.launch(nullptr, {Tensor(x.data(), i8, {1, columns}), Tensor(t.data(), i64, {1}),
                            Tensor(p.data(), i32, {1}), Tensor(n.data(), i64, {1}),
                            Tensor(c.data(), i64, {1})});
    device->synchronize();
    std::int32_t picked = 0;
    std::int64_t last = 0, count = 0;
    p.read(&picked, 4);
    n.read(&last, 8);
    c.read(&count, 8);
    CHECK(picked == (target < columns ? 77 : 0));
    CHECK(last == columns - 1);
    CHECK(count == columns);
  }
}
