// packed_tiles_test.cpp -- floats of four bits beside groups of rows on the CPU: by rows, and
// transposed, where two rows share a byte.
#include <array>

#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packed_kernels.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/valid_rows_case.hpp"

namespace swage::test {

namespace {

using Catch::Matchers::ContainsSubstring;

Device cpu() {
  return Device::open("cpu");
}

const std::vector<std::string> kSchedules = {"lanes=2 grain=64 threads=1", "lanes=16",
                                             "lanes=64 grain=1", "lanes=8 store=streaming"};

} // namespace

TEST_CASE("tensors of four bits have the evaluator's bits beside groups of rows") {
  std::size_t turn = 0;
  for (const bool in_place : {false, true})
    for (const std::int64_t n : {1, 2, 3, 6, 16, 32, 100})
      for (const std::int64_t columns : {2, 8, 30, 510, 514, 1032}) {
        KernelOptions options;
        options.schedule = kSchedules[turn++ % kSchedules.size()];
        const std::string text = packed_tiles(columns % 8 == 0, in_place);
        const Kernel kernel =
            cpu().kernel(text, "", {{"T", turn % 2 == 0 ? f32 : bf16}, {"n", n}}, options);
        const RowView view{.gap = static_cast<std::int64_t>(turn % 3),
                           .skew = static_cast<std::int64_t>(turn % 2 * 2),
                           .by_columns = turn % 4 < 2,
                           .reads_by_columns = turn % 3 == 0};
        INFO(n << " rows, " << columns << " columns, " << options.schedule << ", " << turn);
        REQUIRE(RowCase(cpu(), kernel, {n * 3, columns}, view, turn).run() == "");
        RowCase counted(cpu(), kernel, {n * 4, columns}, view, turn);
        counted.count_rows({2 * n - 1, n / 2 + 1}); // odd, some of them
        REQUIRE(counted.run() == "");
      }
}

TEST_CASE("of two rows that share a byte the one that is skipped stays as it was") {
  for (const std::int64_t n : {2, 6, 32})
    for (const std::int64_t columns : {2, 40, 514}) {
      const Kernel kernel = cpu().kernel(skipping_some(packed_tiles(columns == 40, false)), "",
                                         {{"T", f32}, {"n", n}});
      INFO(n << " rows, " << columns << " columns");
      CHECK(RowCase(cpu(), kernel, {n * 4, columns}, {.by_columns = true}, 3).run() == "");
      CHECK(RowCase(cpu(), kernel, {n * 4, columns},
                    {.by_columns = true, .reads_by_columns = true, .in_place = true}, 4)
                .run() == "");
    }
}

TEST_CASE("transposed codes of four bits are read, and are overwritten where they lie") {
  std::uint64_t seed = 1;
  for (const std::int64_t n : {2, 6, 32, 100})
    for (const std::int64_t columns : {2, 8, 30, 514})
      for (const RowView view :
           {RowView{.reads_by_columns = true},
            RowView{.gap = 4, .skew = 2, .reads_by_columns = true},
            RowView{.by_columns = true, .reads_by_columns = true, .in_place = true}})
        for (const bool updates : {false, true}) {
          KernelOptions options;
          options.schedule = kSchedules[++seed % kSchedules.size()];
          const Kernel kernel =
              cpu().kernel(packed_tiles(columns == 8, updates), "",
                           {{"T", seed % 2 == 0 ? f32 : bf16}, {"n", n}}, options);
          INFO(n << " rows, " << columns << " columns, " << seed);
          REQUIRE(RowCase(cpu(), kernel, {n * 3, columns}, view, seed).run() == "");
        }
}

TEST_CASE("a transposed tensor of four bits takes groups of an even number of rows") {
  const auto launched = [&](std::int64_t n, std::int64_t row, std::int64_t column, bool reads) {
    const Kernel kernel =
        cpu().kernel(std::string("kernel k(x: in f32, q: ") + (reads ? "inout" : "out") +
                         " f4e2m1, s: out f32 [col group n], const n: i32) { q = x" +
                         (reads ? " + q" : "") + "; s = col_group_max(x, n); }",
                     "", {{"n", n}});
    std::vector<float> x(64), s(64);
    std::vector<std::byte> q(64);
    return refusal([&] {
      kernel.launch(nullptr, {Tensor(x.data(), f32, {12, 4}),
                              Tensor(q.data(), f4e2m1, {12, 4}, {row, column}),
                              Tensor(s.data(), f32, {12 / n, 4})});
    });
  };
  CHECK(launched(2, 1, 12, false) == "");
  CHECK(launched(6, 1, 14, false) == "");
  CHECK(launched(3, 4, 1, false) == "");
  CHECK_THAT(launched(3, 1, 12, false), ContainsSubstring("its other strides even; found columns "
                                                          "12 apart"));
  CHECK_THAT(launched(2, 1, 13, false),
             ContainsSubstring("or its rows dense; found columns 13 apart"));
  CHECK_THAT(launched(2, 2, 24, false), ContainsSubstring("found columns 24 apart"));
  CHECK(launched(2, 1, 12, true) == "");
  CHECK_THAT(launched(3, 1, 12, true), ContainsSubstring("found columns 12 apart"));
}

// As the command refuses such layouts, so does a launch, and writes nothing.
TEST_CASE("a kernel without groups of rows takes no transposed tensor of four bits") {
  std::vector<float> x(64);
  std::vector<std::byte> q(64, std::byte{0xa5});
  const std::vector<std::byte> before = q;
  for (const char* text :
       {"kernel k(x: in f32, q: out f4e2m1) { q = x; }",
        "kernel k(x: in f32, q: inout f4e2m1) { q = x + q; }",
        "kernel k(q: in f4e2m1, x: out f32) { x = q; }",
        "kernel k(x: in f32, q: out f4e2m1) { q = x - row_max(x); }",
        "kernel k(x: in f32, q: out f4e2m1) { q = x - group_max(x, 4); }",
        "kernel k(x: in f32, q: out f4e2m1, s: out f32 [col]) { q = x; s = col_sum(x); }"}) {
    const Kernel kernel = cpu().kernel(text, "");
    for (const std::array<std::int64_t, 2> strides :
         {std::array<std::int64_t, 2>{1, 8}, {1, 10}, {2, 16}}) {
      std::vector<float> sums(4);
      std::vector<Arg> arguments;
      for (const Parameter& parameter : kernel.parameters())
        arguments.emplace_back(parameter.name == "q"
                                   ? Tensor(q.data(), f4e2m1, {8, 4}, {strides[0], strides[1]})
                               : parameter.name == "s" ? Tensor(sums.data(), f32, {4})
                                                       : Tensor(x.data(), f32, {8, 4}));
      INFO(text << strides[0] << ' ' << strides[1]);
      CHECK_THAT(refusal([&] { kernel.launch(nullptr, arguments); }),
                 ContainsSubstring("tensor 'q' is f4e2m1, two of which share a byte") &&
                     (strides[0] == 1
                          ? ContainsSubstring("groups of an even number of rows take it transposed")
                          : ContainsSubstring("with shape [8, 4]")));
      CHECK_THAT(refusal([&] { kernel.prepare(arguments); }),
                 ContainsSubstring("tensor 'q' is f4e2m1"));
      CHECK(q == before);
    }
  }
}

} // namespace swage::test
