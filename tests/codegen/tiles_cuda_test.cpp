// tiles_cuda_test.cpp -- CUDA code of groups of rows: who has what, what is legal, and what the
// code is made of. That its bits are right show the tests of tests/gpu.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "codegen/arguments.hpp"
#include "codegen/compile.hpp"
#include "codegen/specialization_text.hpp"
#include "codegen/tile_geometry.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/codegen/llvm_text.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using test::count;

namespace {

ir::Kernel catalogue(const std::string& name) {
  std::vector<Binding> bindings{{"T", bf16}};
  if (name.find("mxfp8") != name.npos)
    bindings.push_back({"Q", f8e4m3});
  return test::bound(name, bindings);
}

/// Rows aligned to 16 bytes, `transposed` lying column by column.
Specialization with_transposed(const ir::Kernel& kernel, const std::string& transposed) {
  Specialization specialization = contiguous(kernel);
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor())
      if (TensorSpec& spec = specialization.tensors[tensor++]; param.name == transposed)
        spec.layout = Layout::column_major;
  return specialization;
}

CudaSchedule usual(const ir::Kernel& kernel, const Specialization& specialization, int sm = 90) {
  return std::get<CudaSchedule>(
      default_schedule(kernel, specialization, cuda_target(sm), std::int64_t{1} << 24));
}

} // namespace

TEST_CASE("codes in both directions are written in wide accesses of one read of the inputs") {
  const ir::Kernel kernel = catalogue("mxfp8_both");
  const Specialization specialization = with_transposed(kernel, "q_columns");
  const auto schedule = std::get<CudaSchedule>(
      parse_schedule("threads=128 row=32 bytes=8 accesses=16 dependent=1", CudaSchedule{}));
  const TileGeometry geometry =
      make_tile_geometry(kernel, make_tile_plan(kernel), specialization, schedule);
  REQUIRE(geometry.held);
  REQUIRE(geometry.vector == 4);
  const std::string ptx =
      test::as_newest(compile(kernel, specialization, schedule, cuda_target(90)).payload);
  // 32 rows of four columns: eight bytes a row are read, once; four codes a row are one word.
  CHECK(count(ptx, "ld.global.v2.b32") == 32);
  CHECK(count(ptx, "ld.global") == 32);
  CHECK(count(ptx, "st.global.b32") == 32 + 1); // and the scales of four columns
  // The codes of a column are 32 bytes, two accesses; a group of columns has one scale a row.
  CHECK(count(ptx, "st.global.v4.b32") == 4 * 2);
  CHECK(count(ptx, "st.global.b8") == 32);
  // Eight threads have a group of columns: three exchanges a row.
  CHECK(count(ptx, "shfl.sync") == 3 * 32);
  // Bytes change places two columns and four rows at a time.
  CHECK(count(ptx, "prmt") >= 2 * 8 * 4);
  CHECK(count(ptx, "bar.sync") == 0);
  CHECK(count(ptx, ".local") == 0);
}

TEST_CASE("two warps share a tile by default where codes lie transposed, and meet once") {
  const ir::Kernel kernel = catalogue("mxfp8_both");
  const Specialization specialization = with_transposed(kernel, "q_columns");
  const CudaSchedule schedule = usual(kernel, specialization);
  CHECK(schedule.threads == 64);
  const TileGeometry geometry =
      make_tile_geometry(kernel, make_tile_plan(kernel), specialization, schedule);
  CHECK(geometry.warps == 2);
  CHECK(geometry.own_rows == 16);
  const std::string ptx =
      test::as_newest(compile(kernel, specialization, schedule, cuda_target(90)).payload);
  CHECK(count(ptx, "ld.global") == 16);
  CHECK(count(ptx, "st.global.v4.b32") == 4); // 16 codes of each column
  CHECK(count(ptx, "bar.sync") == 1);
  CHECK(count(ptx, "st.shared.v4.b32") == 1); // the maxima of four columns
  CHECK(count(ptx, "ld.shared.v4.b32") == 2); // of both warps
  CHECK(count(ptx, ".local") == 0);
}

TEST_CASE("few tiles have more warps each by default, and many transposed columns alone one") {
  const auto chosen = [](const char* name, std::int64_t rows, std::int64_t columns,
                         const char* transposed = "") {
    const ir::Kernel kernel = catalogue(name);
    Specialization specialization = with_transposed(kernel, transposed);
    specialization.exact = true;
    const auto schedule = std::get<CudaSchedule>(
        default_schedule(kernel, specialization, cuda_target(90), rows * columns));
    return fmt::format("row={} bytes={} accesses={}", schedule.row_threads, schedule.access_bytes,
                       schedule.accesses);
  };
  CHECK(chosen("swiglu_mxfp8_both", 512, 4096) == "row=256 bytes=8 accesses=4");
  CHECK(chosen("swiglu_mxfp8_both", 512, 14336) == "row=128 bytes=16 accesses=4");
  CHECK(chosen("swiglu_mxfp8_both", 512, 4096, "q_columns") == "row=64 bytes=4 accesses=16");
  CHECK(chosen("swiglu_mxfp8_both", 512, 14336, "q_columns") == "row=64 bytes=8 accesses=16");
  CHECK(chosen("swiglu_mxfp8_both", 2048, 14336, "q_columns") == "row=64 bytes=8 accesses=4");
  CHECK(chosen("swiglu_mxfp8_columns", 512, 4096) == "row=128 bytes=4 accesses=2");
  CHECK(chosen("swiglu_mxfp8_columns", 8192, 14336) == "row=128 bytes=8 accesses=4");
  CHECK(chosen("swiglu_mxfp8_columns", 2048, 14336, "q") == "row=64 bytes=4 accesses=8");
  CHECK(chosen("swiglu_mxfp8_columns", 8192, 14336, "q").starts_with("row=32"));
}

TEST_CASE("warps that share a tile compute nothing twice") {
  const ir::Kernel kernel = catalogue("swiglu_mxfp8_both_gradient");
  const Specialization specialization = contiguous(kernel);
  const CudaSchedule schedule = usual(kernel, specialization);
  const TileGeometry geometry =
      make_tile_geometry(kernel, make_tile_plan(kernel), specialization, schedule);
  REQUIRE(geometry.warps == 4);
  CHECK(geometry.held_words == 2 * 8 * 4); // two values of eight rows and four columns
  const std::string ptx = compile(kernel, specialization, schedule, cuda_target(90)).payload;
  CHECK(count(ptx, "rcp.approx") == 8 * 4); // one sigmoid an element, and no other quotient
  CHECK(count(ptx, "bar.sync") == 1);
}

TEST_CASE("a tile of which some rows are left out is one warp's, where others share theirs") {
  for (const char* name : {"mxfp8_both", "swiglu_mxfp8_columns"}) { // with groups of columns or not
    const ir::Kernel kernel = catalogue(name);
    Specialization specialization = contiguous(kernel);
    specialization.exact = true;
    specialization.valid_rows = ValidRows::one;
    const auto schedule = std::get<CudaSchedule>(
        parse_schedule("threads=128 row=128 bytes=8 accesses=4", CudaSchedule{}));
    INFO(name);
    const std::string ptx = compile(kernel, specialization, schedule, cuda_target(90)).payload;
    CHECK(count(ptx, "bar.sync") == 1); // not in the loop over some rows
  }
}

TEST_CASE("a schedule's text that says other threads and no row has a tile for each warp") {
  const ir::Kernel kernel = catalogue("mxfp8_both");
  const Specialization specialization = contiguous(kernel);
  const CudaSchedule base = usual(kernel, specialization);
  REQUIRE(base.row_threads == 128);
  const auto row = [&](const char* text) {
    const Schedule schedule = parse_schedule(text, base, kernel);
    check_schedule(schedule, kernel, specialization, cuda_target(90));
    return std::get<CudaSchedule>(schedule).row_threads;
  };
  CHECK(row("threads=256") == 32);
  CHECK(row("threads=256 bytes=8") == 32);
  CHECK(row("threads=256 row=256") == 256);
  CHECK(row("threads=128 bytes=8") == 128);
  CHECK(row("load=streaming") == 128);
}

TEST_CASE("warps share a tile where they can") {
  const auto refusal = [](const std::string& text, const std::string& schedule,
                          bool exact = false) -> std::string {
    const ir::Kernel kernel = ir::load_kernel({text}, "", {});
    Specialization specialization = contiguous(kernel);
    specialization.exact = exact;
    const Target target = cuda_target(90);
    try {
      check_schedule(parse_schedule(schedule, usual(kernel, specialization)), kernel,
                     specialization, target);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const auto quantised = [](const std::string& rows, const std::string& reduction = "max",
                            const std::string& type = "f32") {
    return "kernel k(x: in " + type + ", y: out f32, s: out " + type + " [col group " + rows +
           "]) { let m = col_group_" + reduction + "(x, " + rows + "); s = m; y = f32(x + m); }";
  };
  const std::string four = "threads=128 row=128 bytes=16 accesses=1";
  CHECK(refusal(quantised("32"), four, true) == "");
  CHECK(refusal(quantised("32", "sum", "i32"), four, true) == "");
  CHECK_THAT(refusal(quantised("32"), four),
             Catch::Matchers::ContainsSubstring("columns that are a multiple of an access"));
  CHECK(refusal(quantised("32"), "threads=128 row=128 bytes=4 accesses=1") == "");
  CHECK_THAT(refusal(quantised("32", "sum"), four, true),
             Catch::Matchers::ContainsSubstring("adds them in their order; take row=32"));
  CHECK_THAT(refusal(quantised("6"), four, true),
             Catch::Matchers::ContainsSubstring("4 warps that share a group of 6 rows"));
  CHECK(refusal(quantised("6"), "threads=64 row=64 bytes=16 accesses=1", true) == "");
  for (const char* other : {"threads=256 row=128 bytes=16", "threads=96 row=96 bytes=16",
                            "threads=512 row=512 bytes=16"})
    CHECK_THAT(refusal(quantised("32"), other, true),
               Catch::Matchers::ContainsSubstring("64, 128 or 256 threads of a block of as many"));
  CHECK_THAT(refusal("kernel k(x: in f32, s: in f32 [col group 32], y: out f32) { y = x * s; }",
                     four, true),
             Catch::Matchers::ContainsSubstring("hold its rows for a second look"));
  CHECK_THAT(refusal(quantised("1024"), four, true),
             Catch::Matchers::ContainsSubstring("hold its rows for a second look"));
}

TEST_CASE("codes of four bits are written in wide accesses, two columns or two rows to a byte") {
  const ir::Kernel kernel = catalogue("mxfp4_both");
  Specialization specialization = with_transposed(kernel, "q_columns");
  const CudaSchedule schedule = usual(kernel, specialization);
  REQUIRE(vector_elements(schedule, kernel) == 4);
  const std::string ptx = compile(kernel, specialization, schedule, cuda_target(90)).payload;
  CHECK(count(ptx, "ld.global") == 32);       // nothing that is written is read
  CHECK(count(ptx, "st.global.b16") == 32);   // four codes of each row
  CHECK(count(ptx, "st.global.v4.b32") == 4); // 32 codes of each column
  CHECK(count(ptx, ".local") == 0);
  CudaSchedule odd = schedule;
  odd.accesses = 1;
  CHECK_NOTHROW(check_schedule(odd, kernel, specialization, cuda_target(90))); // rows are held
  const ir::Kernel three =
      ir::load_kernel({"kernel k(x: in f32, q: out f4e2m1, s: out f32 [col group 3]) { s = "
                       "col_group_max(x, 3); q = x; }"},
                      "", {});
  CHECK_THROWS_WITH(check_specialization(with_transposed(three, "q"), three),
                    Catch::Matchers::ContainsSubstring("groups of an even number of rows"));
  const ir::Kernel many =
      ir::load_kernel({"kernel k(x: in f32, q: out f4e2m1, s: out f32 [col group 1000]) { let m = "
                       "col_group_max(x, 1000); s = m; q = x + m; }"},
                      "", {});
  specialization = with_transposed(many, "q");
  odd = usual(many, specialization);
  odd.accesses = 1;
  CHECK_THROWS_WITH(check_schedule(odd, many, specialization, cuda_target(90)),
                    Catch::Matchers::ContainsSubstring("accesses=1 is odd, and two rows"));
}

TEST_CASE("what is held from one pass to the next is as narrow as its type") {
  const ir::Kernel plain = catalogue("swiglu_mxfp8_both");
  const ir::Kernel rounded =
      test::bound("swiglu_mxfp8_both", {{"T", bf16}, {"Q", f8e4m3}, {"round_product", true}});
  for (const auto& [kernel, words] : {std::pair{&plain, 64}, std::pair{&rounded, 32}}) {
    const Specialization specialization = contiguous(*kernel);
    const TileGeometry geometry = make_tile_geometry(
        *kernel, make_tile_plan(*kernel), specialization, usual(*kernel, specialization));
    CHECK(geometry.held);
    CHECK(geometry.held_words == words);
    CHECK(geometry.vector == 8);
  }
}

TEST_CASE("a tile of many rows is read anew for each pass, in a loop") {
  const ir::Kernel kernel =
      ir::load_kernel({"kernel k(x: in bf16, y: out bf16, s: out f32 [col group 1000]) { let c = "
                       "col_group_max(abs(x), 1000); s = c; y = bf16(x * c); }"},
                      "", {});
  const Specialization specialization = contiguous(kernel);
  const CudaSchedule schedule = usual(kernel, specialization);
  const TileGeometry geometry =
      make_tile_geometry(kernel, make_tile_plan(kernel), specialization, schedule);
  CHECK_FALSE(geometry.held);
  const std::string ptx =
      test::as_newest(compile(kernel, specialization, schedule, cuda_target(90)).payload);
  CHECK(count(ptx, "ld.global.v2.b32") == 2 * static_cast<std::size_t>(geometry.rows));
}

TEST_CASE("a grid has a warp for every group of rows and every 32 accesses of columns") {
  const ir::Kernel kernel = catalogue("mxfp8_both");
  const CudaSchedule schedule{.threads = 128, .access_bytes = 8, .row_threads = 32};
  const RowPlan plan = make_row_plan(kernel);
  CHECK(row_launch_shape(schedule, plan, 4, 64, 256).blocks == 1); // 2 x 2 tiles in four warps
  CHECK(row_launch_shape(schedule, plan, 4, 96, 256).blocks == 2);
  CHECK(row_launch_shape(schedule, plan, 4, 96, 257).blocks == 3);
  CHECK(row_launch_shape(schedule, plan, 4, 0, 256).blocks == 0);
  CudaSchedule shared = schedule; // whose warps have one tile
  shared.row_threads = 128;
  CHECK(row_launch_shape(shared, plan, 4, 64, 256).blocks == 4);
  CHECK(row_launch_shape(shared, plan, 4, 96, 257).blocks == 9);
}

TEST_CASE("default schedules of groups of rows are legal, and so is every other that is tried") {
  for (const char* name :
       {"mxfp8_both", "mxfp8_columns", "swiglu_mxfp8_both", "swiglu_mxfp8_columns",
        "swiglu_mxfp8_both_gradient", "swiglu_mxfp4_both", "swiglu_mxfp4_both_gradient",
        "swiglu_nvfp4_columns", "swiglu_nvfp4_both_gradient"})
    for (const int sm : {75, 90, 100}) {
      const ir::Kernel kernel = catalogue(name);
      Specialization narrow = contiguous(kernel);
      for (TensorSpec& spec : narrow.tensors)
        spec.align_log2 = 2;
      for (const Specialization& specialization : {contiguous(kernel), narrow}) {
        const Target target = cuda_target(sm);
        CHECK_NOTHROW(
            check_schedule(usual(kernel, specialization, sm), kernel, specialization, target));
        const std::vector<Schedule> all = all_schedules(kernel, specialization, target);
        CHECK(all.size() > 50);
        for (const Schedule& schedule : all)
          CHECK_NOTHROW(check_schedule(schedule, kernel, specialization, target));
      }
    }
}

TEST_CASE(
    "both rows of groups of two are tried at once, which is all where their codes share bytes") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in i64, y: out f4e2m1) { y = f32(x - col_group_max(x, 2)); }"}, "k", {});
  const Specialization specialization = with_transposed(kernel, "y");
  const std::vector<Schedule> all = all_schedules(kernel, specialization, cuda_target(90));
  CHECK(std::ranges::any_of(all, [](const Schedule& schedule) {
    return std::get<CudaSchedule>(schedule).accesses == 2;
  }));
}

TEST_CASE("layouts of groups of rows and of columns print and are read again") {
  const ir::Kernel kernel = catalogue("mxfp8_both");
  Specialization specialization = with_transposed(kernel, "q_columns");
  specialization.tensors.back().layout = Layout::per_column_group_strided;
  specialization.tensors.back().row_dims = 2;
  specialization.tensors.back().group_dims = 3;
  const std::string line = canonical(specialization, kernel);
  CHECK(line == "2d i32 x=unit@16 q=unit@16 scale=group@16 q_columns=colmajor@16 "
                "scale_columns=colgroupstrided(2x3)@16");
  CHECK(parse_specialization(line, kernel) == specialization);
}
