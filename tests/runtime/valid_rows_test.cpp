// valid_rows_test.cpp -- counts of rows beside a launch on the CPU: rows beyond are neither read
// nor written, what is left has the evaluator's bits, and what is no count is refused.
#include <sys/mman.h>

#include <functional>

#include "ir/arithmetic.hpp"
#include "ir/passes.hpp"
#include "swage/error.hpp"
#include "tests/runtime/counts_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/row_case.hpp"
#include "tests/support/valid_rows_case.hpp"

namespace swage::test {

namespace {

const std::vector<std::string> kSchedules = {
    "lanes=1 grain=64 threads=1", "lanes=16", "lanes=64 grain=1", "lanes=32 unroll=2 threads=2",
    "lanes=8 store=streaming",
};

Device cpu() {
  return Device::open("cpu");
}

void check_counts(const std::string& text, const std::vector<Binding>& bindings, ir::CallSize size,
                  const std::vector<std::vector<std::int64_t>>& all, RowView view,
                  std::size_t& turn) {
  for (const std::vector<std::int64_t>& counts : all) {
    const std::string& schedule = kSchedules[turn++ % kSchedules.size()];
    check_call_with_counts(text, bindings, size, counts, schedule, view, turn);
  }
}

void check_kernel(const std::string& text, const std::vector<Binding>& bindings, std::int64_t rows,
                  std::int64_t columns, RowView view, std::size_t& turn) {
  check_counts(text, bindings, {rows, columns}, one_count(rows), view, turn);
  check_counts(text, bindings, {3 * rows, columns}, counts_of_batches(rows), view, turn);
}

} // namespace

TEST_CASE("rows beyond a count are neither read nor written by any kernel") {
  std::size_t turn = 0;
  for (const DType type : {f32, bf16})
    for (const std::string& text : {kElements, kFlat, kAlong, kOverRows})
      for (const std::int64_t columns : {8, 40, 1000})
        check_kernel(text, {{"T", type}}, 5, columns,
                     turn % 3 == 0 ? RowView{2, 1, 0} : RowView{1, 8, 0}, turn);
  check_counts(kOverRows, {{"T", f32}}, {530, 40}, {{0}, {1}, {100}, {256}, {257}, {1'000'000}}, {},
               turn);
  check_counts(kOverRows, {{"T", f32}}, {3 * 180, 40}, {{0, 170, 3}, {0, 0, 1}, {180, 0, 180}}, {},
               turn);
}

TEST_CASE("rows that a kernel skips are neither read nor written, with counts and without") {
  std::size_t turn = 0;
  for (const std::string& text : kSkipping)
    for (const std::int64_t columns : {8, 1000}) {
      const std::string& skips = text;
      KernelOptions options;
      options.schedule = kSchedules[turn++ % kSchedules.size()];
      const Kernel kernel = cpu().kernel(skips, "", {{"T", bf16}}, options);
      INFO(skips << " " << options.schedule);
      REQUIRE(RowCase(cpu(), kernel, {40, columns}, {}, turn).run() == "");
      check_kernel(skips, {{"T", f32}}, 9, columns, {1, 8, 0}, turn);
    }
}

TEST_CASE("random kernels with counts of rows have the evaluator's bits") {
  int ran = 0;
  std::size_t turn = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, seed % 2 == 0);
    if (!graph)
      continue;
    Random random(seed);
    const std::int64_t batches = static_cast<std::int64_t>(random.below(4)) + 1;
    const std::int64_t rows = static_cast<std::int64_t>(random.below(20)) + 1;
    std::vector<std::int64_t> counts;
    for (std::int64_t i = 0; i < batches; ++i)
      counts.push_back(static_cast<std::int64_t>(random.below(24)) - 1);
    try {
      check_counts(ir::print(*graph), {},
                   {rows * batches, 4 * static_cast<std::int64_t>(random.below(100) + 1)}, {counts},
                   {1, static_cast<std::int64_t>(random.below(3)), 0}, turn);
      ++ran;
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::unsupported);
    }
  }
  CHECK(ran > 15);
}

TEST_CASE("memory of rows beyond a count need not be there") {
  constexpr std::int64_t kColumns = 1024, kCount = 4;
  const std::size_t page = 4096, bytes = kCount * kColumns * 4; // whole pages
  char* memory = static_cast<char*>(mmap(nullptr, 2 * bytes + 2 * page, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(memory != MAP_FAILED);
  auto* x = reinterpret_cast<float*>(memory);
  auto* y = reinterpret_cast<float*>(memory + bytes + page);
  REQUIRE(mprotect(memory + bytes, page, PROT_NONE) == 0);
  REQUIRE(mprotect(memory + 2 * bytes + page, page, PROT_NONE) == 0);
  std::fill_n(x, kCount * kColumns, 3.0F);
  std::int64_t count = kCount;
  LaunchOptions options;
  options.valid_rows = Tensor(&count, i64, {});
  const Tensor in(x, f32, {kCount + 1, kColumns}), out(y, f32, {kCount + 1, kColumns});
  for (const char* text : {"kernel k(x: in f32, y: out f32) { y = x * 2; }",
                           "kernel k(x: in f32, y: out f32) { y = x + row_max(x); }"}) {
    std::fill_n(y, kCount * kColumns, 0.0F);
    cpu().kernel(text, "").launch(nullptr, std::vector<Arg>{in, out}, options);
    for (std::int64_t i = 0; i < kCount * kColumns; ++i)
      REQUIRE(y[i] == 6);
  }
  munmap(memory, 2 * bytes + 2 * page);
}

TEST_CASE("one plan serves counts that change from launch to launch") {
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, y: out f32) { y = x + 1; }", "");
  std::vector<float> x(6 * 8, 1), y(6 * 8);
  std::int32_t counts[2] = {};
  LaunchOptions options;
  options.valid_rows = Tensor(counts, i32, {2});
  const std::vector<Arg> arguments{Tensor(x.data(), f32, {2, 3, 8}),
                                   Tensor(y.data(), f32, {2, 3, 8})};
  kernel.prepare(arguments, options);
  const std::uint64_t misses = cache_statistics().misses;
  for (const auto& [a, b] : {std::pair{0, 3}, {2, 0}, {3, 3}, {1, 2}}) {
    counts[0] = a, counts[1] = b;
    std::fill(y.begin(), y.end(), 0.0F);
    kernel.launch(nullptr, arguments, options);
    for (int i = 0; i < 48; ++i)
      REQUIRE(y[static_cast<std::size_t>(i)] == (i / 8 % 3 < (i < 24 ? a : b) ? 2 : 0));
  }
  CHECK(cache_statistics().misses == misses);
}

TEST_CASE("what is prepared from specs with counts is what a launch with counts takes") {
  const Kernel kernel = cpu().kernel("kernel prepared(x: in f32, y: out f32) { y = x + 7; }", "");
  const std::vector<ArgSpec> specs{{f32, {2, 3, 8}, {}, 4}, {f32, {2, 3, 8}, {}, 4}};
  LaunchOptions options;
  options.valid_rows = Tensor(nullptr, i32, {2});
  kernel.prepare(std::span<const ArgSpec>(specs), options);
  const std::uint64_t misses = cache_statistics().misses;
  std::vector<float> x(49), y(49);
  std::int32_t counts[2] = {1, 1};
  options.valid_rows = Tensor(counts, i32, {2});
  kernel.launch(nullptr,
                std::vector<Arg>{Tensor(&x[1], f32, {2, 3, 8}), Tensor(&y[1], f32, {2, 3, 8})},
                options);
  CHECK(cache_statistics().misses == misses);
  CHECK(y[1] == 7);
}

TEST_CASE("counts that do not fit a call are refused, and the message says why") {
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, y: out f32) { y = x; }", "");
  std::vector<float> x(96), y(96);
  std::int64_t counts[8] = {};
  const auto said = [&](const Tensor& given, std::initializer_list<std::int64_t> shape) {
    return refusal([&] {
      LaunchOptions options;
      options.valid_rows = given;
      kernel.launch(nullptr,
                    std::vector<Arg>{Tensor(x.data(), f32, shape), Tensor(y.data(), f32, shape)},
                    options);
    });
  };
  CHECK(said(Tensor(counts, f32, {}), {4, 8}) == "valid_rows holds f32, expected i32 or i64");
  CHECK(said(Tensor(counts, i32, {4}), {4, 8}) ==
        "valid_rows has shape [4], but 'x' has [4, 8]; expected one count for all rows, [] or [1]");
  CHECK(said(Tensor(counts, i32, {3}), {2, 4, 8}) ==
        "valid_rows has shape [3], but 'x' has [2, 4, 8]; expected one count for all rows, [] or "
        "[1], or one for each batch: [2]");
  CHECK(said(Tensor(counts, i32, {1}), {32}) ==
        "valid_rows counts rows, and 'x' has shape [32], which has none; pass tensors of shape "
        "[rows, columns]");
  CHECK(said(Tensor(counts, i32, {2}, {2}), {2, 4, 8}) ==
        "valid_rows has strides [2], expected contiguous counts");
  CHECK(said(Tensor(nullptr, i32, {1}), {4, 8}) ==
        "valid_rows has a null data pointer; pass the address of the counts");
  CHECK(said(Tensor(reinterpret_cast<char*>(counts) + 4, i64, {1}), {4, 8})
            .ends_with("expected a multiple of 8, the size of i64"));
  CHECK(said(Tensor(&y[3], i32, {1}), {4, 8}) ==
        "tensor 'y' is written and shares memory with valid_rows; give the counts memory of their "
        "own");
  CHECK(said(Tensor(counts, i32, {1}), {4, 8}).empty());
  CHECK(said(Tensor(counts, i32, {6}), {2, 3, 2, 8}).empty());
  CHECK(said(Tensor(counts, i64, {2, 3}), {2, 3, 2, 8}).empty());
  CHECK(said(Tensor(nullptr, i32, {0}), {0, 3, 8}).empty());
}

} // namespace swage::test
