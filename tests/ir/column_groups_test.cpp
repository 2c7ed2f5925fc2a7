// column_groups_test.cpp -- values that neighbouring rows of a column share: how they are written,
// combined, refused, evaluated and differentiated.
#include <cmath>

#include "ir/differentiate.hpp"
#include "ir/evaluate_rows.hpp"
#include "ir/passes.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir::testing {

namespace {

using Catch::Matchers::ContainsSubstring;
using Values = std::vector<Scalar>;

constexpr Space column_group(std::uint32_t n) {
  return {Broadcast::per_column_group, n};
}

std::string refused(const std::string& statement) {
  return errors_of(
      "kernel k(x: in f32, r: in f32 [row], c: in f32 [col], g: in f32 [group 8], v: in "
      "f32 [col group 8], y: out f32, u: out f32 [col group 8], yr: out f32 [row], yg: "
      "out f32 [group 8]) {\n" +
      statement + "\n}");
}

Values values(std::initializer_list<double> numbers) {
  Values result;
  for (const double number : numbers)
    result.push_back({.real = number});
  return result;
}

std::vector<double> doubles(const Values& found) {
  std::vector<double> result;
  for (const Scalar& value : found)
    result.push_back(static_cast<double>(value.real));
  return result;
}

} // namespace

TEST_CASE("groups of rows join with columns, and give elements with all else") {
  const Space all[] = {
      kElement,         kRow,   kColumn, group(8), column_group(4), column_group(8),
      column_group(12), kTensor};
  for (const Space a : all)
    for (const Space b : all) {
      CHECK(join(a, b) == join(b, a));
      CHECK(spreads_over(a, join(a, b)));
      for (const Space c : all)
        CHECK(spreads_over(join(a, b), join(join(a, b), c)));
    }
  CHECK(join(kColumn, column_group(8)) == column_group(8));
  CHECK(join(kRow, column_group(8)) == kElement);
  CHECK(join(group(8), column_group(8)) == kElement);
  CHECK(join(column_group(4), column_group(8)) == column_group(4));
  CHECK(join(column_group(8), column_group(12)) == kElement);
}

TEST_CASE("groups of rows are sized by numbers and by constants, and print as they are read") {
  const std::string text =
      "kernel k(x: in f32, s: out e8m0 [col group n], t: out f32 [col group 4], y: out f32, "
      "const n: i32 = 32) { s = e8m0_up(col_group_max(abs(x), n)); t = col_group_sum(x, 4); "
      "y = col_group_min(x, n) * x; }";
  const Kernel kernel = load_kernel({text}, "", {});
  verify(kernel);
  CHECK(kernel.params()[1].space() == column_group(32));
  CHECK(kernel.params()[2].space() == column_group(4));
  CHECK(parse_text(canonical(kernel)) == kernel);
  CHECK_THAT(canonical(kernel), ContainsSubstring("s: out e8m0[col group 32]"));
  CHECK_THAT(canonical(kernel), ContainsSubstring("col_group_min("));
  const Kernel eight = load_kernel({text}, "", {{"n", std::int64_t{8}}});
  CHECK(eight.params()[1].space() == column_group(8));
  CHECK_FALSE(is_elementwise(kernel));
}

TEST_CASE("what is not one value a group of rows is refused, with both spaces") {
  const std::string rest = " y = x; yr = 1; yg = 1;";
  CHECK(refused("u = col_group_max(x, 8) * v + c;" + rest) == "");
  CHECK_THAT(refused("u = x;" + rest),
             ContainsSubstring("found one value an element, but 'u' is [col group 8] and takes one "
                               "a group of 8 rows of a column"));
  CHECK_THAT(refused("u = x;" + rest),
             ContainsSubstring("reduce it over groups of rows, as in col_group_max(..., 8)"));
  CHECK_THAT(refused("u = c;" + rest),
             ContainsSubstring("to repeat it in every group of rows reduce it there"));
  CHECK_THAT(refused("u = g;" + rest), ContainsSubstring("found one value a group of 8 columns"));
  CHECK_THAT(refused("u = 1; y = x; yg = 1; yr = v;"),
             ContainsSubstring("found one value a group of 8 rows of a column, but 'yr' is [row]"));
  CHECK_THAT(refused("u = 1; y = x; yr = 1; yg = v * g;"),
             ContainsSubstring("found one value an element, but 'yg' is [group 8]"));
  CHECK_THAT(refused("u = col_group_max(x);" + rest),
             ContainsSubstring("'col_group_max' takes 2 arguments, found 1"));
  CHECK_THAT(refused("u = col_group_max(x, 0);" + rest),
             ContainsSubstring("'col_group_max' over a group of 0 rows, expected 1 to 1048576"));
  CHECK_THAT(refused("u = col_group_max(x, 2.0);" + rest),
             ContainsSubstring("'col_group_max' takes the rows of a group second, found a float"));
  CHECK_THAT(errors_of("kernel k(x: in f32 [col group 0], y: out f32) { y = x; }"),
             ContainsSubstring("a group of 0 rows, expected 1 to 1048576"));
  CHECK_THAT(errors_of("kernel k(x: in f32 [col group], y: out f32) { y = x; }"),
             ContainsSubstring("expected the rows of a group after 'group'"));
  CHECK_THAT(errors_of("kernel k(x: in f32 [col group m], y: out f32) { y = x; }"),
             ContainsSubstring("unknown group size 'm'"));
}

TEST_CASE("groups of rows are evaluated down their columns") {
  const Kernel kernel = load_kernel(
      {"kernel k(x: in f32, v: in f32 [col group 2], y: out f32, s: out f32 [col group 2], top: "
       "out "
       "f32 [col group 2], low: out f32 [col group 4], g: out f32 [group 3]) {"
       " s = col_group_sum(x, 2); top = col_group_max(x, 2) * v; low = col_group_min(x, 4);"
       " y = x + col_group_max(x, 2); g = group_max(x - v, 3); }"},
      "", {});
  const std::vector<Values> arguments = {values({1, 2, 3, 4, 0, -6, 7, 8, 9, -1, -2, 3}),
                                         values({1, 10, 100, 2, 20, 200}),
                                         {},
                                         {},
                                         {},
                                         {},
                                         {}};
  for (const Arithmetic arithmetic : {Arithmetic::machine, Arithmetic::exact}) {
    const auto got = evaluate_rows(kernel, {4, 3}, arguments, arithmetic);
    CHECK(doubles(got[0]) == std::vector<double>{5, 4, 6, 8, 2, -3, 14, 16, 18, 6, 6, 12});
    CHECK(doubles(got[1]) == std::vector<double>{5, 2, -3, 6, 6, 12});
    CHECK(doubles(got[2]) == std::vector<double>{4, 20, 300, 14, 160, 1800});
    CHECK(doubles(got[3]) == std::vector<double>{-1, -2, -6});
    CHECK(doubles(got[4]) == std::vector<double>{0, 3, 5, -3});
  }
  CHECK(values_of(column_group(2), {6, 5}) == 15);
  CHECK_THROWS_WITH(values_of(column_group(4), {6, 5}), "groups of 4 rows do not divide 6 rows");
  CHECK(evaluate_rows(kernel, {0, 3}, std::vector<Values>(7), Arithmetic::machine)[1].empty());
}

TEST_CASE("sums over a group of rows are formed from its first row to its last") {
  const Kernel kernel = load_kernel(
      {"kernel k(x: in f32, s: out f32 [col group 4]) { s = col_group_sum(x, 4); }"}, "", {});
  const auto sum = [&](std::initializer_list<double> column) {
    const std::vector<Values> arguments = {values(column), {}};
    return static_cast<double>(
        evaluate_rows(kernel, {4, 1}, arguments, Arithmetic::machine)[0][0].real);
  };
  CHECK(sum({0x1p24, 1, 1, 1}) == 0x1p24); // a tree, or the other end first, would see the ones
  CHECK(sum({1, 1, 1, 0x1p24}) == 0x1p24 + 4);
  CHECK(std::signbit(sum({-0.0, -0.0, -0.0, -0.0})) == false);
}

TEST_CASE("gradients pass through groups of rows, and to what is one value for each") {
  const std::string text =
      "kernel f(x: in f64, v: in f64 [col group 2], c: in f64 [col], w: in f64 [col group 4], y: "
      "out "
      "f64, u: out f64 [col group 2]) { u = col_group_sum(x * x, 2) * v + c * w;"
      " y = x * col_group_max(x, 4) + v * col_group_min(x * v, 2) + w; }"
      "kernel g = grad f(x, v, c, w);";
  const Kernel forward = load_kernel({text}, "f", {}), derived = load_kernel({text}, "g", {});
  verify(derived);
  CHECK(parse_text(canonical(derived)) == derived);
  constexpr CallSize size{8, 3};
  test::Random random(5);
  const auto some = [&](Space space) {
    Values made;
    for (std::int64_t i = 0; i < values_of(space, size); ++i)
      made.push_back({.real = static_cast<double>(random.bits() % 4000001) / 1e6 - 2});
    return made;
  };
  std::vector<Values> inputs, weights;
  for (const Param& param : forward.params())
    inputs.push_back(param.is_read() ? some(param.space()) : Values{});
  for (const Store& store : forward.stores())
    weights.push_back(some(forward.params()[store.param].space()));
  const auto total = [&] {
    const auto results = evaluate_rows(forward, size, inputs, Arithmetic::exact);
    long double sum = 0;
    for (std::size_t s = 0; s < results.size(); ++s)
      for (std::size_t i = 0; i < results[s].size(); ++i)
        sum += results[s][i].real * weights[s][i].real;
    return sum;
  };
  std::vector<Values> arguments = {weights[0], weights[1], inputs[0],
                                   inputs[1],  inputs[2],  inputs[3]};
  arguments.resize(derived.params().size());
  const auto gradients = evaluate_rows(derived, size, arguments, Arithmetic::exact);
  REQUIRE(gradients.size() == 4);
  int compared = 0;
  for (std::size_t p = 0; p < 4; ++p)
    for (std::size_t i = 0; i < inputs[p].size(); ++i, ++compared) {
      constexpr long double step = 1e-6L;
      const long double at = inputs[p][i].real;
      inputs[p][i].real = at + step;
      const long double above = total();
      inputs[p][i].real = at - step;
      const long double slope = (above - total()) / (2 * step);
      inputs[p][i].real = at;
      INFO(forward.params()[p].name << "[" << i << "]");
      CHECK(std::abs(static_cast<double>(gradients[p][i].real - slope)) < 1e-5);
    }
  CHECK(compared == 24 + 12 + 3 + 6);
}

} // namespace swage::ir::testing
