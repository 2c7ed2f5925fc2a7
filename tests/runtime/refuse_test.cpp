// refuse_test.cpp -- arguments that a launch refuses, each with a message that names it.
#include <cmath>
#include <limits>

#include "tests/runtime/call_support.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::string_view kUnary = "kernel k(a: in f32, y: out f32) { y = a + 1; }";
constexpr std::string_view kTwoOut =
    "kernel k(a: in f32, y: out f32, z: out f32) { y = a; z = a; }";
constexpr std::string_view kScaled = "kernel k(a: in f32, s: i8, y: out f32) { y = a * f32(s); }";

std::string unary(const Tensor& a, const Tensor& y) {
  return refusal(kUnary, {a, y});
}

Tensor dense(int block, std::initializer_list<std::int64_t> shape, DType type = f32) {
  return Tensor(address(block), type, shape);
}

} // namespace

TEST_CASE("a wrong number of arguments is refused with the names expected") {
  const Tensor a = dense(0, {4});
  CHECK_THAT(refusal(kUnary, {a}), Contains("takes 2 arguments (a, y), 1 were given"));
}

TEST_CASE("a number for a tensor, and a tensor for a number, are refused") {
  const Tensor a = dense(0, {4});
  CHECK_THAT(refusal(kUnary, {a, 1.0}), Contains("'y'") && Contains("expected a tensor"));
  CHECK_THAT(refusal(kScaled, {a, a, a}), Contains("'s'") && Contains("expected a number"));
}

TEST_CASE("a tensor of another type is refused") {
  CHECK_THAT(unary(dense(0, {4}, bf16), dense(1, {4})),
             Contains("'a'") && Contains("holds bf16, expected f32"));
}

TEST_CASE("tensors of different shapes are refused") {
  CHECK_THAT(unary(dense(0, {2, 4}), dense(1, {2, 5})),
             Contains("'y'") && Contains("[2, 5]") && Contains("[2, 4]"));
  CHECK_THAT(unary(dense(0, {8}), dense(1, {2, 4})), Contains("'y'"));
  CHECK_THAT(refusal("kernel k(a: in f32, s: in f32 [row], y: out f32) { y = a * s; }",
                     {dense(0, {2, 4}), dense(2, {4}), dense(1, {2, 4})}),
             Contains("'s'") && Contains("one value a row"));
  CHECK_THAT(refusal("kernel k(a: in f32, s: in f32 [col], y: out f32) { y = a * s; }",
                     {dense(0, {2, 4}), dense(2, {2}), dense(1, {2, 4})}),
             Contains("'s'") && Contains("one value a column"));
}

TEST_CASE("ranks above 8 and stride lists of another length are refused") {
  const std::vector<std::int64_t> shape(9, 1);
  const Tensor high(address(0), f32, std::span<const std::int64_t>(shape));
  CHECK_THAT(unary(high, high), Contains("'a'") && Contains("rank 0 to 8"));
  const Tensor odd(address(0), f32, {2, 2}, {1});
  CHECK_THAT(unary(odd, odd), Contains("'a'"));
}

TEST_CASE("negative sizes and sizes past 2^60 elements are refused") {
  CHECK_THAT(unary(dense(0, {-1}), dense(1, {-1})), Contains("must not be negative"));
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_THAT(unary(dense(0, {big, big}), dense(1, {big, big})), Contains("2^60"));
}

TEST_CASE("null and misaligned addresses are refused") {
  CHECK_THAT(unary(Tensor(nullptr, f32, {4}), dense(1, {4})), Contains("'a'") && Contains("null"));
  CHECK_THAT(unary(dense(0, {4}), Tensor(address(1, 2), f32, {4})),
             Contains("'y'") && Contains("multiple of 4"));
}

TEST_CASE("offsets outside the address space are refused") {
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  CHECK_THAT(unary(Tensor(address(0), f32, {2, 4}, {huge, 1}), dense(1, {2, 4})),
             Contains("'a'") && Contains("address space"));
  CHECK_THAT(unary(Tensor(address(0), f32, {2, 4}, {-huge - 1, 1}), dense(1, {2, 4})),
             Contains("'a'"));
  CHECK_THAT(
      refusal("kernel k(a: in f32, s: in f32 [row], y: out f32) { y = a * s; }",
              {dense(0, {4, 4, 4}), Tensor(address(2), f32, {16}, {huge}), dense(1, {4, 4, 4})}),
      Contains("'s'"));
}

TEST_CASE("three dimensions that do not merge are refused by name") {
  const Tensor a(address(0), f32, {4, 4, 4}, {100, 20, 1});
  CHECK_THAT(unary(a, dense(1, {4, 4, 4})),
             Contains("'a'") && Contains("[100, 20, 1]") && Contains("contiguous"));
}

TEST_CASE("an output that overlaps an input in part is refused") {
  CHECK_THAT(unary(dense(0, {64}), Tensor(address(0, 4), f32, {64})),
             Contains("'y'") && Contains("'a'") && Contains("overlaps"));
  // same memory, other strides
  const Tensor a(address(0), f32, {8, 8}, {1, 8});
  CHECK_THAT(unary(a, dense(0, {8, 8})), Contains("overlaps"));
  // an element read by every row of the output
  CHECK_THAT(refusal("kernel k(a: in f32, s: in f32 [col], y: out f32) { y = a * s; }",
                     {dense(0, {2, 4}), dense(1, {4}), dense(1, {2, 4})}),
             Contains("'s'"));
  // another element size at the same address
  constexpr std::string_view narrowing = "kernel k(a: in f32, y: out bf16) { y = a; }";
  CHECK_THAT(refusal(narrowing, {dense(0, {64}), dense(0, {64}, bf16)}), Contains("overlaps"));
}

TEST_CASE("an output that lies where an input of another space does is refused") {
  // All of these are the same elements of the same memory where there is one row, or one column.
  CHECK_THAT(refusal("kernel k(x: in f32, w: in f32 [col], y: out f32, d: out f32 [col]) {"
                     "  y = x * w; d = col_sum(x) * w; }", // w is read when all rows are done
                     {dense(0, {1, 64}), dense(1, {64}), dense(1, {1, 64}), dense(2, {64})}),
             Contains("tensor 'y', one value an element, is written and shares memory with 'w', "
                      "one value a column; give each its own"));
  CHECK_THAT(refusal("kernel k(x: in f32, r: in f32 [row], y: out f32, s: out f32 [group 64]) {"
                     "  s = group_max(x, 64); y = x * r; }",
                     {dense(0, {3, 64}), dense(1, {3}), dense(2, {3, 64}), dense(1, {3, 1})}),
             Contains("'s', one value a group of 64 columns") && Contains("one value a row"));
  CHECK_THAT(
      refusal("kernel k(x: in f32, t: in f32 [tensor], m: out f32 [row], a: out f32 [tensor])"
              " { m = row_max(x); a = col_sum(row_sum(x)) * t; }",
              {dense(0, {1, 64}), dense(1, {}), dense(1, {1}), dense(2, {})}),
      Contains("'m', one value a row") && Contains("one value a tensor"));
  // Of its own space it may.
  CHECK(refusal("kernel k(x: in f32, w: in f32 [col], y: out f32, d: out f32 [col]) {"
                "  y = x * w; d = col_sum(x) * w; }",
                {dense(0, {1, 64}), dense(1, {64}), dense(0, {1, 64}), dense(1, {64})}) == "");
}

TEST_CASE("views of one buffer that never meet are legal") {
  // packed halves, as inputs and outputs
  CHECK(unary(Tensor(address(0), f32, {8, 16}, {32, 1}),
              Tensor(address(0, 64), f32, {8, 16}, {32, 1})) == "");
  CHECK(unary(Tensor(address(0, 64), f32, {8, 16}, {32, 1}),
              Tensor(address(0), f32, {8, 16}, {32, 1})) == "");
  // halves that touch by one element do meet
  CHECK_THAT(unary(Tensor(address(0), f32, {8, 17}, {32, 1}),
                   Tensor(address(0, 64), f32, {8, 17}, {32, 1})),
             Contains("overlaps"));
  // even and odd elements
  CHECK(unary(Tensor(address(0), f32, {64}, {2}), Tensor(address(0, 4), f32, {64}, {2})) == "");
  CHECK(unary(Tensor(address(0), f32, {8, 8}, {32, 2}),
              Tensor(address(0, 4), f32, {8, 8}, {32, 2})) == "");
  CHECK_THAT(unary(Tensor(address(0), f32, {64}, {2}), Tensor(address(0, 8), f32, {64}, {2})),
             Contains("overlaps"));
  // rows that alternate
  CHECK(unary(Tensor(address(0), f32, {8, 16}, {32, 1}),
              Tensor(address(0, 4 * 16), f32, {8, 16}, {32, 1})) == "");
}

TEST_CASE("two outputs must not share memory, even as the same view") {
  CHECK_THAT(refusal(kTwoOut, {dense(0, {64}), dense(1, {64}), dense(1, {64})}),
             Contains("'y'") && Contains("'z'") && Contains("both written"));
  CHECK_THAT(refusal(kTwoOut, {dense(0, {64}), dense(1, {64}), Tensor(address(1, 128), f32, {64})}),
             Contains("both written"));
}

TEST_CASE("an output whose elements share memory is refused") {
  CHECK_THAT(unary(dense(0, {8, 8}), Tensor(address(1), f32, {8, 8}, {0, 1})),
             Contains("'y'") && Contains("share memory"));
  CHECK_THAT(unary(dense(0, {8, 8}), Tensor(address(1), f32, {8, 8}, {4, 1})),
             Contains("share memory"));
  CHECK_THAT(unary(dense(0, {8, 8}), Tensor(address(1), f32, {8, 8}, {2, 3})),
             Contains("share memory"));
  // columns of stride 3 and rows of stride 2 meet only after 3 rows and 2 columns
  CHECK(unary(dense(0, {4, 7}), Tensor(address(1), f32, {4, 7}, {2, 3})) != "");
  CHECK(unary(dense(0, {3, 2}), Tensor(address(1), f32, {3, 2}, {2, 3})) == "");
}

// Dimensions are ordered by the first output, and not at all beside a broadcast: there a row stride
// of 0 stays the row's.
TEST_CASE("an output that is one dense row, repeated, is refused wherever it stands") {
  const Tensor repeated(address(1), f32, {8, 4}, {0, 1});
  CHECK_THAT(refusal(kTwoOut, {dense(0, {8, 4}), dense(2, {8, 4}), repeated}),
             Contains("'z'") && Contains("share memory"));
  CHECK_THAT(refusal("kernel k(a: in f32, s: in f32 [col], y: out f32) { y = a * s; }",
                     {dense(0, {8, 4}), dense(2, {4}), repeated}),
             Contains("'y'") && Contains("share memory"));
}

TEST_CASE("the largest count of the widest elements is refused, not wrapped") {
  constexpr std::string_view source = "kernel k(a: in f64, y: out f64) { y = a; }";
  const std::int64_t most = std::int64_t{1} << 60;
  CHECK_THAT(refusal(source, {dense(0, {most}, f64), dense(1, {most}, f64)}),
             Contains("address space"));
  void* const far = reinterpret_cast<void*>(~std::uintptr_t{0} - 7);
  CHECK_THAT(refusal(source, {Tensor(far, f64, {4}), dense(1, {4}, f64)}),
             Contains("address space"));
}

TEST_CASE("integers that a scalar parameter does not hold are refused") {
  const Tensor a = dense(0, {4});
  const Tensor y = dense(1, {4});
  CHECK(refusal(kScaled, {a, 127, y}) == "");
  CHECK(refusal(kScaled, {a, -128.0, y}) == "");
  CHECK_THAT(refusal(kScaled, {a, 128, y}), Contains("'s'") && Contains("i8"));
  CHECK_THAT(refusal(kScaled, {a, 0.5, y}), Contains("'s'"));
  CHECK_THAT(refusal(kScaled, {a, std::nan(""), y}), Contains("'s'"));
  CHECK_THAT(refusal(kScaled, {a, 1e300, y}), Contains("'s'"));
}
