// tables_test.cpp -- tables that are read by an index, and numbers of columns: how they are
// written, refused, printed, evaluated and differentiated.
#include <cmath>
#include <limits>

#include "ir/evaluate.hpp"
#include "ir/evaluate_rows.hpp"
#include "ir/passes.hpp"
#include "swage/error.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir::testing {

namespace {

const std::string kParams = "kernel k(x: in f32, id: in i32 [row], far: in i64 [row], e: in i32, "
                            "c: in i32 [col], g: in i32 "
                            "[group 4], r: in f32 [row], b: in bool [row], n: i32, a: in f32 "
                            "[table], m: in i8 [table], p: in "
                            "bool [table], y: out f32, z: out i64) ";

/// The first error and its help, without the place.
std::string first_of(const std::string& text, std::string_view name = {}) {
  const std::string errors = errors_of(text, {}, name);
  std::string shown;
  for (const std::string& mark : {std::string("error: "), std::string("help: ")})
    if (const auto at = errors.find(mark); at != errors.npos)
      shown += (shown.empty() ? "" : "; ") +
               errors.substr(at + mark.size(), errors.find('\n', at) - at - mark.size());
  return shown;
}

std::string refused(const std::string& value) {
  return first_of(kParams + "{ z = 0; y = " + value + "; }");
}

/// As it is printed, after it was read back to an equal kernel.
std::string line_of(const std::string& text) {
  const Kernel kernel = load_kernel({text}, "k", {});
  verify(kernel);
  CHECK(parse_text(canonical(kernel)) == kernel);
  CHECK(parse_text(print(kernel)) == kernel);
  CHECK(simplify(kernel) == kernel);
  return canonical(kernel);
}

std::string gradient_refusal(const std::string& text) {
  return first_of(text, "g");
}

} // namespace

TEST_CASE("an index is an integer of one value a row, or one for all") {
  for (const char* value :
       {"a[id]", "a[far]", "a[n]", "a[3]", "a[-1]", "a[id * 2 + n]", "f32(m[i32(m[id])])",
        "a[i64(r)]", "a[b ? id : 0]", "a[i32(row_sum(x))]", "p[id] ? a[id] : x"}) {
    INFO(value);
    CHECK(refused(value) == "");
  }
  CHECK(refused("a[e]") == "'a' has one index an element, expected one a row; a table gives one "
                           "value a row: its index is [row], or one for all");
  CHECK(refused("a[c]") == "'a' has one index a column, expected one a row; a table gives one "
                           "value a row: its index is [row], or one for all");
  CHECK(
      refused("a[g]") ==
      "'a' has one index a group of 4 columns, expected one a row; a table gives one value a row: "
      "its index is [row], or one for all");
  CHECK(refused("a[r]") ==
        "'a' has an f32 as its index, expected an integer; convert it, as in a[i32(...)]");
  CHECK(refused("a[b]") ==
        "'a' has a bool as its index, expected an integer; convert it, as in a[i32(...)]");
  CHECK(refused("a[1.5]") == "'a' has a float literal as its index, expected an integer");
  CHECK(refused("a[true]") == "'a' has bool as its index, expected an integer");
}

TEST_CASE("a table is read by an index alone, and nothing else is") {
  CHECK(refused("a + x") == "'a' is a [table] and has no value of its own; read it by an index of "
                            "one value a row, as in a[id]");
  CHECK(refused("r[id]") ==
        "'r' is no [table], expected one before '['; to read it by an index declare it r: in TYPE "
        "[table]");
  CHECK(refused("n[id]") == "'n' is no [table], expected one before '['");
  CHECK(refused("q[id]") == "unknown name 'q', expected a parameter, let or function");
  CHECK(refused("a[id") == "found ';', expected ']'");
  CHECK(refused("a[]") == "found ']', expected a value");
  CHECK(first_of("fn f(t, i) = t[i]; kernel k(x: in f32, y: out f32) { y = x; }") ==
        "'t' is no [table], expected one before '['; functions have no tables: index it in the "
        "kernel and pass the value");
  CHECK(first_of("kernel k(x: in f32, y: out f32 [table]) { y = x; }") ==
        "'y' is a [table] and cannot be written; a table is read by an index: declare it `in`");
  CHECK(first_of("kernel k(x: in f32, a: f32 [table], y: out f32) { y = x; }") ==
        "'a' is a scalar, which cannot be broadcast; only tensors can be [row], [col], [group n], "
        "[col group n], [tensor] or [table]");
  CHECK(first_of("kernel k(x: in f32, y: out f32, const c: f32 = a[0]) { y = x; }") ==
        "'a' in the default of a const, expected numbers and built-in functions only");
  CHECK(first_of("kernel k(x: in f32, y: out f32) { y = col_index(x); }") ==
        "'col_index' takes 0 arguments, found 1");
  CHECK(first_of("kernel k(x: in f32, y: out f32) { y = col_index; }") ==
        "'col_index' is a function, expected a value; call it, as in col_index()");
  CHECK(
      first_of("kernel k(x: in f32, y: out f32 [row]) { y = f32(col_index()); }") ==
      "found one value a column, but 'y' is [row] and takes one a row; reduce it along the row, as "
      "in row_sum(...)");
}

TEST_CASE("tables and numbers of columns are printed as they are read, equal ones once") {
  CHECK(line_of("kernel k(x: in f32, id: in i32 [row], a: in f32 [table], y: out f32) { y = (x + "
                "a[id]) * a[id] + a[0]; }") ==
        "kernel k(x: in f32, id: in i32[row], a: in f32[table], y: out f32) { let t0 = a[id]; y = "
        "fma(x + t0, t0, a[i64(0)]); }");
  CHECK(
      line_of("kernel k(x: in f32, t: in i64 [row], y: out f32 [row], n: out i64) { y = "
              "row_sum(col_index() == t ? x : 0); n = col_index(); }") ==
      "kernel k(x: in f32, t: in i64[row], y: out f32[row], n: out i64) { let t0 = col_index(); y "
      "= row_sum(t0 == t ? x : 0); n = t0; }");
  // What a table holds needs no cast to its own type.
  CHECK(line_of("kernel k(x: in f32, id: in i32 [row], a: in bf16 [table], y: out f32) { y = x * "
                "bf16(a[id]); }")
            .find("bf16(") == std::string::npos);
}

TEST_CASE("out of its range a table is NaN, 0 or false, in every arithmetic") {
  const Kernel kernel = load_kernel(
      {"kernel k(x: in f32, id: in i64 [row], a: in f32 [table], m: in i8 [table], p: in bool "
       "[table], y: out f32 [row], z: out i32 [row], q: out bool [row], n: out i64) { y = a[id]; z "
       "= "
       "m[id]; q = p[id]; n = col_index(); }"},
      "k", {});
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  const std::int64_t ids[] = {0, 1, 2, -1, far, -far - 1};
  std::vector<std::vector<Scalar>> arguments(kernel.params().size());
  arguments[0].resize(12);
  for (const std::int64_t id : ids)
    arguments[1].push_back({0, id});
  arguments[2] = {{.real = 5}, {.real = 6}};
  arguments[3] = {{0, 7}, {0, 8}};
  arguments[4] = {{0, 1}, {0, 1}};
  for (const Arithmetic arithmetic :
       {Arithmetic::exact, Arithmetic::machine, Arithmetic::perturbed}) {
    const auto got = evaluate_rows(kernel, {6, 2}, arguments, arithmetic, 1);
    for (std::size_t i = 0; i < 6; ++i) {
      const bool inside = i < 2;
      CHECK((inside ? static_cast<double>(got[0][i].real) == 5 + static_cast<double>(i)
                    : std::isnan(got[0][i].real)));
      CHECK(got[1][i].integer == (inside ? 7 + static_cast<int>(i) : 0));
      CHECK(got[2][i].integer == (inside ? 1 : 0));
      CHECK(got[3][2 * i].integer == 0);
      CHECK(got[3][2 * i + 1].integer == 1);
    }
  }
}

TEST_CASE("kernels with a table or the number of a column are not evaluated element by element") {
  for (const char* text : {"kernel k(x: in f32, y: out f32) { y = x * f32(col_index()); }",
                           "kernel k(x: in f32, id: in i32 [row], a: in f32 [table], y: out f32) { "
                           "y = x * a[id]; }"}) {
    const Kernel kernel = load_kernel({text}, "k", {});
    CHECK_FALSE(is_elementwise(kernel));
    CHECK_THROWS_AS(Evaluator(kernel), Error);
  }
}

TEST_CASE("random kernels with tables print and read back to equal kernels") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto kernel = test::random_row_kernel(seed, true, true);
    if (!kernel)
      continue;
    INFO("seed " << seed);
    verify(*kernel);
    CHECK(parse_text(print(*kernel)) == *kernel);
    const Kernel simple = simplify(*kernel);
    verify(simple);
    CHECK(simplify(simple) == simple);
    verify(contract(simple));
  }
}

TEST_CASE("a gradient passes by what chose, and that of a table is refused") {
  const std::string pick =
      "kernel k(x: in f32, t: in i64 [row], a: in f32 [table], y: out f32 [row]) { y = "
      "row_sum(col_index() == t ? x * f32(col_index()) : 0) * a[t]; }";
  CHECK(
      canonical(load_kernel({pick + " kernel g = grad k(x);"}, "g", {})) ==
      "kernel g(d_y: in f32[row], x: in f32, t: in i64[row], a: in f32[table], d_x: out f32) { let "
      "t0 = col_index(); d_x = t0 == t ? d_y * a[t] * f32(t0) : 0; }");
  CHECK(gradient_refusal(pick + " kernel g = grad k(a);") ==
        "'a' is a [table]: its gradient would be scattered, a sum over the rows that name each "
        "value, which no kernel computes; pass the value of each row instead, and sum its gradient "
        "outside");
  CHECK(gradient_refusal(pick + " kernel g = grad k(t);") ==
        "'t' is i64: only floats have gradients");
}

} // namespace swage::ir::testing
