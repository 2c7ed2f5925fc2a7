// space_test.cpp -- spaces of values: how they combine, are declared, stored and refused.
#include "ir/space.hpp"

#include "ir/passes.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir::testing {

namespace {

/// The first error and its help, without the place.
std::string refused(const std::string& statement) {
  const std::string text = errors_of(
      "kernel k(x: in f32, r: in f32 [row], c: in f32 [col], g: in f32 [group 8], t: in f32 "
      "[tensor], s: f32, b: in bool, y: out f32, yr: out f32 [row], yc: out f32 [col], yg: out f32 "
      "[group 8], yt: out f32 [tensor], const n: i32 = 4, const f: f32 = 4) {\n" +
      statement + "\n}");
  std::string shown;
  for (const std::string& mark : {std::string("error: "), std::string("help: ")})
    if (const auto at = text.find(mark); at != text.npos)
      shown += (shown.empty() ? "" : "; ") +
               text.substr(at + mark.size(), text.find('\n', at) - at - mark.size());
  return shown;
}

/// With the other outputs stored.
std::string storing(const std::string& target, const std::string& value) {
  std::string text = target + " = " + value + ";";
  for (const std::string name : {"y", "yr", "yc", "yg", "yt"})
    if (name != target)
      text += " " + name + " = 1;";
  return refused(text);
}

Space space_of(const std::string& value) {
  const Kernel kernel = parse_text(
      "kernel k(x: in f32, r: in f32 [row], c: in f32 [col], g: in f32 [group 8], h: in f32 [group "
      "12], t: in f32 [tensor], s: f32, y: out f32) { y = " +
      value + "; }");
  verify(kernel);
  return kernel.node(kernel.stores()[0].node).space;
}

} // namespace

TEST_CASE("spaces join to the widest that tells both apart") {
  const Space all[] = {kElement, kRow, kColumn, group(1), group(8), group(12), group(24), kTensor};
  for (const Space a : all) {
    CHECK(join(a, a) == a);
    CHECK(join(a, kTensor) == a);
    CHECK(join(a, kElement) == kElement);
    for (const Space b : all) {
      CHECK(join(a, b) == join(b, a));
      CHECK(spreads_over(a, join(a, b)));
      for (const Space c : all)
        CHECK(spreads_over(join(a, b), join(join(a, b), c)));
    }
  }
  CHECK(join(kRow, kColumn) == kElement);
  CHECK(join(kRow, group(8)) == group(8));
  CHECK(join(kColumn, group(8)) == kElement);
  CHECK(join(group(8), group(24)) == group(8));
  CHECK(join(group(8), group(12)) == kElement);
}

TEST_CASE("a value has the space of what it is made of") {
  CHECK(space_of("x + r") == kElement);
  CHECK(space_of("r * s + 1") == kRow);
  CHECK(space_of("r * g") == group(8));
  CHECK(space_of("g * h") == kElement);
  CHECK(space_of("f32(i32(c))") == kColumn);
  CHECK(space_of("t * s") == kTensor);
  CHECK(space_of("r > 0 ? t : g") == group(8));
  CHECK(space_of("row_sum(x)") == kRow);
  CHECK(space_of("row_mean(g)") == kRow);
  CHECK(space_of("row_max(r)") == kRow);
  CHECK(space_of("row_min(c)") == kTensor);
  CHECK(space_of("row_sum(t)") == kTensor);
  CHECK(space_of("group_sum(x, 8)") == group(8));
  CHECK(space_of("group_max(r, 3)") == group(3));
  CHECK(space_of("group_min(g, 16) + r") == group(16));
  CHECK(space_of("col_sum(x)") == kColumn);
  CHECK(space_of("col_sum(g)") == kColumn);
  CHECK(space_of("col_sum(r)") == kTensor);
  CHECK(space_of("col_sum(row_sum(x))") == kTensor);
  CHECK(space_of("x * rsqrt(row_mean(x * x) + 1e-6)") == kElement);
}

TEST_CASE("an output takes a value of its space or one for all, and errors name both spaces") {
  for (const std::string target : {"yr", "yc", "yg", "yt"})
    CHECK(storing(target, "t * s + 2") == "");
  CHECK(storing("yr", "row_sum(x)") == "");
  CHECK(storing("yr", "r") == "");
  CHECK(storing("yc", "col_sum(x) + c") == "");
  CHECK(storing("yg", "group_max(abs(x), 8) * g") == "");
  CHECK(storing("yt", "col_sum(row_sum(x))") == "");
  CHECK(storing("y", "x + r + c + g + t") == "");
  CHECK(storing("y", "r") == "");
  CHECK(storing("yr", "x") == "found one value an element, but 'yr' is [row] and takes one a row; "
                              "reduce it along the row, as in row_sum(...)");
  CHECK(storing("yr", "g") == "found one value a group of 8 columns, but 'yr' is [row] and takes "
                              "one a row; reduce it along the row, as in row_sum(...)");
  CHECK(storing("yg", "r") == "found one value a row, but 'yg' is [group 8] and takes one a group "
                              "of 8 columns; to repeat it in every group reduce it there, as in "
                              "group_max(..., 8)");
  CHECK(storing("yg", "group_max(x, 4)") ==
        "found one value a group of 4 columns, but 'yg' is [group 8] and takes one a group of 8 "
        "columns; reduce it in each group, as in group_max(..., 8)");
  CHECK(storing("yc", "r") == "found one value a row, but 'yc' is [col] and takes one a column; "
                              "reduce it over the rows, as in col_sum(...)");
  CHECK(storing("yt", "r") == "found one value a row, but 'yt' is [tensor] and takes one a tensor; "
                              "reduce it over all, as in col_sum(row_sum(...))");
}

TEST_CASE("reductions that cannot be are refused by name") {
  CHECK(storing("yr", "row_sum(1)") ==
        "'row_sum' of a literal, which has no type; give it one, as in f32(1)");
  CHECK(storing("yr", "row_sum(b)") ==
        "'row_sum' takes numbers, found a bool; a number from a bool is f32(b) or i32(b)");
  CHECK(storing("yr", "f32(row_mean(i32(x)))") ==
        "'row_mean' takes a float, found i32; convert first, as in f32(i32(x))");
  CHECK(storing("yr", "row_sum(x, 2)") == "'row_sum' takes 1 argument, found 2");
  CHECK(storing("yg", "group_max(x)") == "'group_max' takes 2 arguments, found 1");
  CHECK(storing("yg", "group_max(x, s)") ==
        "'group_max' takes the columns of a group second, found f32; it is a number or an integer "
        "const, as in group_max(x, 128)");
  CHECK(storing("yg", "group_max(x, f)") ==
        "'group_max' takes the columns of a group second, found a float literal; it is a number or "
        "an integer const, as in group_max(x, 128)");
  CHECK(storing("yg", "group_max(x, 0)") ==
        "'group_max' over a group of 0 columns, expected 1 to 1048576");
  CHECK(storing("yg", "group_max(x, n * 2)") ==
        "'group_max' takes the columns of a group second, found i32; it is a number or an integer "
        "const, as in group_max(x, 128)");
  CHECK(storing("yr", "sum(x)").find("write row_sum(x)") != std::string::npos);
}

TEST_CASE("the size of a group may be a const, declared before or after") {
  const std::string text = "kernel k<T>(x: in T, s: out f32 [group n], const n: i32 = 128) {"
                           " s = group_sum(f32(x), n); }";
  const auto group_of_s = [&](std::vector<Binding> bindings) {
    bindings.push_back({"T", bf16});
    const Kernel kernel = parse_text(text, bindings);
    verify(kernel);
    CHECK(kernel.params()[1].space() == kernel.node(kernel.stores()[0].node).space);
    return kernel.params()[1].group;
  };
  CHECK(group_of_s({}) == 128);
  CHECK(group_of_s({{"n", std::int64_t{7}}}) == 7);
  CHECK(errors_of(text, {{"T", bf16}, {"n", std::int64_t{0}}})
            .find("a group of 0 columns, expected 1 to 1048576") != std::string::npos);
  CHECK(errors_of("kernel k(x: in f32 [group m], y: out f32, const n: i32 = 4) { y = x; }")
            .find("unknown group size 'm', expected a const of the kernel") != std::string::npos);
  CHECK(errors_of("kernel k(x: in f32 [group n], y: out f32, const n: f32 = 4) { y = x; }")
            .find("'n' is no integer, expected the columns of a group") != std::string::npos);
  CHECK(errors_of("kernel k(x: in f32 [group], y: out f32) { y = x; }")
            .find("found ']', expected the columns of a group after 'group'") != std::string::npos);
}

TEST_CASE("groups of another size are another kernel") {
  const auto kernel = [](int n) {
    return parse_text(fmt::format("kernel k(x: in f32, y: out f32) {{ y = group_sum(x, {0}) + "
                                  "group_sum(x, {0}); }}",
                                  n));
  };
  CHECK(kernel(8).nodes().size() == 3); // the two are one
  CHECK(canonical(kernel(8)) != canonical(kernel(4)));
  CHECK(kernel(8) != kernel(4));
}

TEST_CASE("kernels with reductions print as text that parses back to the same kernel") {
  CHECK(canonical(parse_text("kernel k(x: in f32, w: in f32 [col], y: out f32, s: out f32 [group "
                             "8]) { s = group_max(x, 8); y = x * rsqrt(row_mean(x * x) + 1) * w; "
                             "}")) ==
        "kernel k(x: in f32, w: in f32[col], y: out f32, s: out f32[group 8]) { y = x * "
        "rsqrt(row_mean(x * x) + 1) * w; s = group_max(x, 8); }");
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    INFO(seed);
    test::RandomKernelOptions options;
    options.reductions = true;
    options.inouts = seed % 2;
    const Kernel kernel = test::random_kernel(seed, options);
    verify(kernel);
    const Kernel simple = simplify(kernel);
    verify(simple);
    CHECK(simplify(simple) == simple);
    const Kernel contracted = contract(simple);
    for (const Kernel* each : {&kernel, &simple, &contracted}) {
      verify(*each);
      CHECK(parse_text(print(*each)) == *each);
      CHECK(parse_text(canonical(*each)) == *each);
    }
  }
}

TEST_CASE("a sum of a constant is not a constant, for it depends on the columns") {
  const Kernel kernel =
      simplify(parse_text("kernel k(y: out f32, z: out i32) { y = row_sum(f32(1)); z = "
                          "row_sum(i32(0)); }"));
  CHECK(show(kernel) == "y = row_sum(f32 1)\nz = row_sum(i32 0)");
}

} // namespace swage::ir::testing
