// skip_test.cpp -- rows that a kernel skips: what the language says, refuses, prints and derives.
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::ir;

namespace {

std::string refusal(const std::string& text) {
  try {
    load_kernel({text}, "", {});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

} // namespace

TEST_CASE("rows are skipped by a condition that is printed and read back, wherever it stands") {
  const std::string head =
      "kernel k(x: in f32, id: in i32 [row], t: in f32 [tensor], y: out f32) {";
  const Kernel first = load_kernel({head + " skip where id < 0 || t > 1; y = x; }"}, "", {});
  const Kernel last =
      load_kernel({head + " let c = id < 0; y = x; skip where c || t > 1; }"}, "", {});
  REQUIRE(first.skip());
  CHECK(first == last);
  CHECK_NOTHROW(verify(first));
  CHECK(canonical(first).find(" skip where id < 0 || t > 1; ") != std::string::npos);
  CHECK(load_kernel({print(first)}, "", {}) == first);
  const Kernel none = load_kernel({head + " y = x; }"}, "", {});
  CHECK(!(none == first));
  CHECK(canonical(none) != canonical(first));
}

TEST_CASE("the words skip and where are names elsewhere") {
  CHECK(refusal("kernel k(skip: in f32, where: in f32, y: out f32) { y = skip * where; }").empty());
}

TEST_CASE("a gradient skips the rows that its kernel skips") {
  const Kernel gradient =
      load_kernel({"kernel f(x: in f32, w: in f32 [col], id: in i32 [row], y: out f32) {"
                   " skip where id < 0; y = x * x * w; } kernel g = grad f(x, w);"},
                  "g", {});
  REQUIRE(gradient.skip());
  CHECK(print(gradient).find("skip where id < 0;") != std::string::npos);
}

TEST_CASE("a condition that is known skips all rows, or none and leaves no trace") {
  const auto text = [](const std::string& condition) {
    return "kernel k(x: in f32, y: out f32, const on: bool = true) { y = x; skip where " +
           condition + "; }";
  };
  const Kernel none = load_kernel({text("!on")}, "", {});
  CHECK(!none.skip());
  CHECK(none == load_kernel({text("false")}, "", {}));
  CHECK(none == load_kernel({"kernel k(x: in f32, y: out f32) { y = x; }"}, "", {}));
  const Kernel all = load_kernel({text("!on")}, "", {{"on", false}});
  CHECK(all.skip());
  CHECK(all == load_kernel({text("1 < 2")}, "", {}));
  CHECK(load_kernel({print(all)}, "", {}) == all);
}

TEST_CASE("a condition shared many times over is looked at in no time") {
  std::string text = "kernel k(x: in f32, id: in i32 [row], y: out f32) { let a0 = id; ";
  for (int i = 1; i <= 200; ++i)
    text += "let a" + std::to_string(i) + " = a" + std::to_string(i - 1) + " * a" +
            std::to_string(i - 1) + "; ";
  const Kernel kernel = load_kernel({text + "skip where a200 < 0; y = x; }"}, "", {});
  CHECK_NOTHROW(verify(kernel));
  CHECK(load_kernel({print(kernel)}, "", {}) == kernel);
}

TEST_CASE("what cannot skip rows is refused with what could") {
  const std::string head =
      "kernel k(x: in f32, id: in i32 [row], t: in f32 [table], y: out f32) { y = x; skip where ";
  const auto said = [&](const std::string& condition) { return refusal(head + condition + "; }"); };
  CHECK(said("id").find("expected a bool for each row") != std::string::npos);
  CHECK(said("x > 0").find("rows are skipped as a whole") != std::string::npos);
  CHECK(said("row_max(x) > 0").find("'row_max' reads them") != std::string::npos);
  CHECK(said("t[id] > 0").find("a table is read after rows are skipped") != std::string::npos);
  CHECK(said("id < 0; skip where id > 4").find("rows are skipped twice") != std::string::npos);
}
