// rows_test.cpp -- host code that works row by row: no width of vectors shows in a sum, and what a
// plan of a row says.
#include <cstring>

#include <fmt/format.h>

#include "codegen/row_plan.hpp"
#include "ir/source.hpp"
#include "ir/sum_order.hpp"
#include "swage/error.hpp"
#include "tests/codegen/run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

using namespace swage;
using namespace swage::codegen;

namespace {

ir::Kernel kernel_of(const std::string& text) {
  return ir::load_kernel({text}, "", {});
}

struct Results {
  std::vector<float> sums, maxima;
  friend bool operator==(const Results&, const Results&) = default;
};

/// kernel(x, s, m) on two rows of `columns` columns, compiled for vectors of so many bits.
Results run(const ir::Kernel& kernel, const std::vector<float>& x, std::int64_t columns, int bits,
            int lanes) {
  Target target = host_target();
  target.vector_bits = bits;
  const Specialization specialization = contiguous(kernel);
  const codegen::test::HostFunction function(
      compile(kernel, specialization, HostSchedule{.lanes = lanes}, target));
  Results results{std::vector<float>(2), std::vector<float>(2)};
  const void* data[] = {x.data(), results.sums.data(), results.maxima.data()};
  std::vector<std::uint64_t> words;
  for (const Slot& slot : argument_slots(kernel, specialization, Target::Kind::host))
    words.push_back(slot.kind == SlotKind::pointer
                        ? reinterpret_cast<std::uintptr_t>(data[slot.param])
                    : slot.kind == SlotKind::row_stride
                        ? static_cast<std::uint64_t>(slot.param == 0 ? columns : 1)
                    : slot.kind == SlotKind::columns ? static_cast<std::uint64_t>(columns)
                                                     : 2);
  const std::int64_t bytes = scratch_bytes(make_row_plan(kernel), columns);
  const std::unique_ptr<void, decltype(&std::free)> scratch(
      std::aligned_alloc(64, static_cast<std::size_t>(bytes)), &std::free);
  std::memset(scratch.get(), 0xff, static_cast<std::size_t>(bytes)); // NaN: nothing is left over
  function.rows(words.data(), 0, 2, scratch.get());
  return results;
}

} // namespace

TEST_CASE("sums have the order of the language at every width of vectors") {
  const ir::Kernel kernel =
      kernel_of("kernel k(x: in f32, s: out f32 [row], m: out f32 [row]) { s = "
                "row_sum(x); m = row_max(x); }");
  for (const std::int64_t columns : {1, 5, 100, 513, 1024, 3000, 4096, 9000, 20'000}) {
    swage::test::Random random(static_cast<std::uint64_t>(columns));
    std::vector<float> x;
    for (std::int64_t i = 0; i < 2 * columns; ++i)
      x.push_back(static_cast<float>(random.bits() % 2000001) / 1e6f - 1);
    Results expected{std::vector<float>(2), std::vector<float>(2)};
    for (std::size_t row = 0; row < 2; ++row) {
      const float* first = x.data() + static_cast<std::int64_t>(row) * columns;
      expected.sums[row] = ir::sum_columns<float>(
          columns, 0, [&](std::int64_t i) { return first[i]; },
          [](float a, float b) { return a + b; });
      expected.maxima[row] = *std::max_element(first, first + columns);
    }
    for (const int bits : {32, 128, 256, 512})
      for (const int lanes : {1, 8, 64}) {
        INFO(columns << " columns, vectors of " << bits << " bits, " << lanes << " lanes");
        CHECK(run(kernel, x, columns, bits, lanes) == expected);
      }
  }
}

TEST_CASE("reductions that need one another are stages, others share one") {
  const RowPlan plan = make_row_plan(kernel_of(
      "kernel k(x: in f32, y: out f32, s: out f32 [group 8]) { let c = x - row_mean(x); y = c * "
      "rsqrt(row_mean(c * c) + 1) + row_max(x) + row_sum(x * x); s = group_max(x, 8); }"));
  REQUIRE(plan.reductions.size() == 2);
  CHECK(plan.reductions[0].size() == 3);
  CHECK(plan.reductions[1].size() == 1);
  CHECK(plan.group == 8);
}

TEST_CASE("scratch memory grows with the passes of a row, by its logarithm") {
  const RowPlan plan =
      make_row_plan(kernel_of("kernel k(x: in f32, y: out f32) { y = row_sum(x); }"));
  CHECK(scratch_bytes(plan, 1) == 2 * 8192);
  CHECK(scratch_bytes(plan, 1024) == 2 * 8192);
  CHECK(scratch_bytes(plan, 1025) == 3 * 8192);
  CHECK(scratch_bytes(plan, 262144) == 10 * 8192);
}

TEST_CASE("the exponentials of softmax are kept for the last pass, cheap values computed anew") {
  const RowPlan softmax = make_row_plan(kernel_of(
      "kernel k(x: in f32, y: out f32) { let e = exp(x - row_max(x)); y = e / row_sum(e); }"));
  REQUIRE(softmax.kept.size() == 1);
  CHECK(softmax.kept[0].pass == 1);
  CHECK(scratch_bytes(softmax, 1000) == 8000 + 2 * 8192);
  CHECK(make_row_plan(kernel_of("kernel k(x: in f32, y: out f32) { let c = x - row_mean(x); y = c "
                                "* rsqrt(row_mean(c * c) + 1); }"))
            .kept.empty());
  CHECK(make_row_plan(kernel_of("kernel k(x: in f32, y: out f32) { let c = x - row_max(x); y = c - "
                                "log(row_sum(exp(c))); }"))
            .kept.empty());
}

TEST_CASE("few values are kept, however many are costly") {
  std::string text = "kernel k(x: in f32, y: out f32) { let m = row_max(x); let s = row_sum(0";
  std::string last = "y = s";
  for (int i = 1; i <= 40; ++i) {
    text += fmt::format(" + exp(x * {} - m)", i);
    last += fmt::format(" * exp(x * {} - m)", i);
  }
  const RowPlan plan = make_row_plan(kernel_of(text + "); " + last + "; }"));
  CHECK(plan.kept.size() == 4);
  CHECK(scratch_bytes(plan, 1024) == 4 * 8192 + 2 * 8192);
}

TEST_CASE("a kernel that reaches along its rows cannot be one flat run") {
  const ir::Kernel kernel = kernel_of("kernel k(x: in f32, y: out f32) { y = row_sum(x); }");
  Specialization specialization = contiguous(kernel);
  CHECK(!specialization.flat);
  specialization.flat = true;
  CHECK_THROWS_WITH(check_specialization(specialization, kernel),
                    "kernel 'k' uses row_sum, which needs rows and columns, not one flat run");
}

TEST_CASE(
    "the last pass over a row asks for the next row's elements, a line of the cache at a time") {
  const auto fetches = [](const char* text) {
    const ir::Kernel kernel = kernel_of(text);
    const std::string code = emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = 32},
                                       host_target(), Emit::llvm_optimised);
    std::size_t count = 0;
    for (auto at = code.find("@llvm.prefetch"); at != std::string::npos;
         at = code.find("@llvm.prefetch", at + 1))
      ++count;
    return count > 0 ? count - 1 : 0; // the declaration
  };
  const char* sum = "kernel k(x: in f32, w: in f32 [col], s: in f32 [row], y: out f32) "
                    "{ y = x * w * s / row_sum(x); }";
  CHECK(fetches(sum) == 2); // 32 elements of x, and of nothing else
  CHECK(fetches("kernel k(x: in f32, y: out f32 [row]) { y = row_sum(x); }") == 0);
}
