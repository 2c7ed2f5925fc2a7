// shape_test.cpp -- shapes, bindings and values from the command line.
#include "tests/support/catch.hpp"

#include "cli/layout.hpp"
#include "cli/shape.hpp"
#include "ir/source.hpp"
#include "runtime/api/binding_text.hpp"
#include "swage/error.hpp"

using namespace swage;
using namespace swage::cli;
using api::parse_binding;

TEST_CASE("shapes of rank 1 to 8 are read") {
  CHECK(parse_shape("7") == Shape{7});
  CHECK(parse_shape("4096x14336") == Shape{4096, 14336});
  CHECK(parse_shape("2x0x3") == Shape{2, 0, 3});
  CHECK(parse_shape("1x2x3x4x5x6x7x8").size() == 8);
  CHECK(format_shape(parse_shape("2x512x14336")) == "2x512x14336");
}

TEST_CASE("what is no shape is refused with an example") {
  for (const char* text : {"", "x", "3x", "x3", "3xx4", "-1", "3x-1", "a", "3 x 4", "1.5", "0x7fx",
                           "1x2x3x4x5x6x7x8x9", "99999999999999999999", "4294967296x4294967296"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_shape(text), Error);
  }
}

TEST_CASE("a binding is a type or a number") {
  CHECK(std::get<DType>(parse_binding("T=bf16").value) == bf16);
  CHECK(std::get<double>(parse_binding("limit=5.0").value) == 5.0);
  CHECK(std::get<double>(parse_binding("limit=-1e-3").value) == -1e-3);
  CHECK(std::get<std::int64_t>(parse_binding("n=-3").value) == -3);
  CHECK(std::get<std::int64_t>(parse_binding("flag=true").value) == 1);
  CHECK(parse_binding("limit=5.0").name == "limit");
  for (const char* text : {"", "T", "=f32", "T=", "T=float", "n=1.2.3", "n=0x10", "n=1 "}) {
    INFO(text);
    CHECK_THROWS_AS(parse_binding(text), Error);
  }
}

TEST_CASE("a run-time scalar is a number, whole or not") {
  CHECK(parse_value("alpha=1.702").real == 1.702);
  CHECK_FALSE(parse_value("alpha=1.702").is_integer);
  CHECK(parse_value("n=-7").integer == -7);
  CHECK_THROWS_AS(parse_value("alpha=bf16"), Error);
}

TEST_CASE("element counts that pass 2^59 or are negative are refused") {
  const std::vector<std::int64_t> huge = {std::int64_t{1} << 30, std::int64_t{1} << 30};
  CHECK_THROWS_AS(element_count(huge), Error);
  const std::vector<std::int64_t> negative = {3, -1};
  CHECK_THROWS_AS(element_count(negative), Error);
  CHECK(element_count({}) == 1);
}

TEST_CASE("dimensions of rows and groups are words of --layout") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, r: in f32 [row], s: out f32 [group 4]) { s = group_max(x * r, 4); }"},
      "k", {});
  const codegen::Specialization views = parse_layout("rows row=2 group=3x2", kernel);
  CHECK(views.tensors[1].row_dims == 2);
  CHECK(views.tensors[1].group_dims == 1);
  CHECK(views.tensors[2].row_dims == 3);
  CHECK(views.tensors[2].group_dims == 2);
  CHECK(views.tensors[0] == codegen::contiguous(kernel).tensors[0]);
  for (const char* wrong :
       {"row=6", "row=0", "row=2x1", "group=3", "group=3x3", "group=x2", "group="})
    CHECK_THROWS_AS(parse_layout(wrong, kernel), Error);
}

TEST_CASE("an output of a kernel with groups of rows is transposed by a word of --layout") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, y: out f32, z: out f32, s: out f32 [col group 4]) { s = "
       "col_group_max(x, 4); y = x; z = x; }"},
      "k", {});
  const codegen::Specialization one = parse_layout("rows transposed=z", kernel);
  CHECK(one.tensors[1].layout == codegen::Layout::unit);
  CHECK(one.tensors[2].layout == codegen::Layout::column_major);
  CHECK(parse_layout("rows transposed=x", kernel).tensors[0].layout ==
        codegen::Layout::column_major);
  for (const char* wrong : {"transposed=s", "transposed=w", "transposed="})
    CHECK_THROWS_AS(parse_layout(wrong, kernel), Error);
  const ir::Kernel plain = ir::load_kernel({"kernel k(x: in f32, y: out f32) { y = x; }"}, "k", {});
  CHECK_THROWS_AS(parse_layout("rows transposed=y", plain), Error);
}

TEST_CASE("the words of --layout make a specialization") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(a: in f32, b: in f32 [col], s: f32, h: out f32) { h = (a + b) * s; }"}, "", {});
  const codegen::Specialization flat = parse_layout("", kernel);
  CHECK(flat == codegen::contiguous(kernel));

  const codegen::Specialization rows = parse_layout("rows align=4, index64 exact", kernel);
  CHECK_FALSE(rows.flat);
  CHECK(rows.index64);
  CHECK(rows.exact);
  CHECK(rows.tensors[0].align_log2 == 2);
  CHECK(parse_layout("strided", kernel).tensors[0].layout == codegen::Layout::strided);
  const codegen::Specialization aliased = parse_layout("rows aliased", kernel);
  CHECK(aliased.tensors[0].aliased);
  CHECK_FALSE(aliased.tensors[2].aliased);

  CHECK_THROWS_AS(parse_layout("row", kernel), Error);
  CHECK_THROWS_AS(parse_layout("align=3", kernel), Error);
  CHECK_THROWS_AS(parse_layout("align=", kernel), Error);
}
