// rows_cuda_test.cpp -- CUDA code that works row by row: who has which columns, and
// what the code is made of. That its bits are right show the tests of tests/gpu.
#include <bit>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codegen/compile.hpp"
#include "codegen/kept_values.hpp"
#include "codegen/row_geometry.hpp"
#include "ir/source.hpp"
#include "tests/codegen/llvm_text.hpp"
#include "tests/codegen/row_calls.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using test::bound;
using test::catalogue;
using test::count;
using test::guarded_loads;
using test::of_columns;
using test::schedule_of;

namespace {

std::string ptx(const ir::Kernel& kernel, std::int64_t columns, const std::string& schedule,
                int sm = 90) {
  return test::as_newest(
      compile(kernel, of_columns(kernel, columns), schedule_of(schedule), cuda_target(sm)).payload);
}

/// Stores to global memory in what a thread can reach before its first barrier, wherever the back
/// end has laid these blocks.
std::size_t stores_before_barrier(const std::string& code) {
  std::vector<std::string> lines;
  std::map<std::string, std::size_t> labels;
  std::istringstream text(code);
  for (std::string line; std::getline(text, line); lines.push_back(line))
    if (line.starts_with('$') && line.ends_with(':'))
      labels[line.substr(0, line.size() - 1)] = lines.size();
  std::set<std::size_t> reached;
  std::vector<std::size_t> next = {0};
  std::size_t stores = 0, barriers = 0;
  while (!next.empty()) {
    const std::size_t at = next.back();
    next.pop_back();
    if (at >= lines.size() || !reached.insert(at).second)
      continue;
    const std::string& line = lines[at];
    if (line.find("bar.sync") != line.npos) {
      ++barriers;
      continue;
    }
    stores += count(line, "st.global");
    const bool jumps = line.find("bra") != line.npos, is_guarded = line.find('@') != line.npos;
    if (const std::size_t target = line.find('$'); jumps && target != line.npos)
      next.push_back(labels.at(line.substr(target, line.find(';') - target)));
    if (is_guarded || !(jumps || line.find("ret;") != line.npos))
      next.push_back(at + 1);
  }
  INFO(code);
  CHECK(barriers > 0);
  return stores;
}

} // namespace

TEST_CASE("bounds of columns go up by a quarter of an octave") {
  std::vector<std::int64_t> bounds;
  for (std::int64_t columns = 1; columns <= 32; ++columns)
    if (bounds.empty() || bounds.back() != column_bound(columns))
      bounds.push_back(column_bound(columns));
  CHECK(bounds ==
        std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32});
  for (std::size_t i = 1; i < bounds.size(); ++i)
    CHECK(columns_above(bounds[i]) == bounds[i - 1]);
  CHECK(column_bound(14336) == 14336);
  CHECK(column_bound(11008) == 12288);
  CHECK(column_bound(0) == 0);
}

TEST_CASE("threads have lanes of the order, then runs of passes") {
  const ir::Kernel kernel = catalogue("rms_norm_plain", bf16);
  const auto geometry = [&](std::int64_t columns, const std::string& text) {
    return make_row_geometry(kernel, of_columns(kernel, columns), schedule_of(text));
  };
  const RowGeometry warp = geometry(4096, "threads=128 row=32 bytes=16 accesses=16");
  CHECK(warp.held);
  CHECK(warp.rows == 4);
  CHECK(warp.step == 256);
  CHECK(warp.slabs == 4);
  CHECK(warp.runs == 1);
  CHECK(warp.passes() == 4);
  const RowGeometry block = geometry(14336, "threads=512 row=512 bytes=16 accesses=4");
  CHECK(block.held);
  CHECK(block.runs == 4);
  CHECK(block.chunks == 4);
  CHECK(block.is_always_whole(1));
  CHECK(!block.is_always_whole(2)); // the last run has two passes
  CHECK(!geometry(14000, "threads=512 row=512 bytes=16 accesses=4").is_always_whole(0));
  CHECK(!geometry(14336, "threads=512 row=512 bytes=16 accesses=2").held);
  const RowGeometry whole = geometry(4096, "threads=128 row=128 bytes=16 accesses=4");
  CHECK(whole.is_always_whole(3));
  const RowGeometry up_to = geometry(4000, "threads=128 row=128 bytes=16 accesses=4");
  CHECK(up_to.is_always_whole(2));
  CHECK(!up_to.is_always_whole(3)); // rows of 3585 columns have the same code
}

TEST_CASE("blocks of a row have neighbouring lanes of every pass") {
  const ir::Kernel kernel = catalogue("rms_norm_plain", bf16);
  const auto geometry = [&](const std::string& text) {
    return make_row_geometry(kernel, of_columns(kernel, 131'072), schedule_of(text));
  };
  const RowGeometry eight = geometry("threads=512 row=512 bytes=16 accesses=4 grid=8");
  CHECK(eight.held);
  CHECK(eight.lanes() == 128);
  CHECK(eight.runs == 32);
  CHECK(eight.chunks == 4);
  CHECK(eight.neighbours() == 128); // a warp has two runs, and adds them up before
  CHECK(exchange_bytes(eight, 4) == 16 * 128 * 4);
  CHECK(eight.adding_warps() == 1);
  CHECK(cluster_bytes(eight) == 8 * 8);
  CHECK(is_within_warp(eight, 128));
  CHECK(!is_within_warp(eight, 256));
  const RowGeometry two = geometry("threads=1024 row=1024 bytes=16 accesses=8 grid=2");
  CHECK(two.lanes() == 512);
  CHECK(two.runs == 16);
  CHECK(two.neighbours() == 256);
  CHECK(exchange_bytes(two, 4) == 16 * 512 * 4);
  CHECK(two.adding_warps() == 4);
  CHECK(cluster_bytes(two) == 8 * 8);
}

TEST_CASE("a row that is held is read once, in whole accesses, without memory of the thread") {
  const ir::Kernel kernel = catalogue("layer_norm", bf16);
  for (const int sm : {75, 80, 90, 100, 120}) {
    const std::string code = ptx(kernel, 4096, "threads=256 row=256 bytes=16 accesses=2", sm);
    INFO(code);
    CHECK(count(code, "ld.global.v4.b32") == 2 + 2 + 2); // x, weight, bias
    CHECK(count(code, "ld.global") == 6);
    CHECK(count(code, "st.global.v4.b32") == 2);
    CHECK(count(code, ".local") == 0);
    CHECK(count(code, "div.rn.f32") == 0); // of the means: there are 2^12 columns
    CHECK(count(code, "bar.sync") == 4);
    CHECK(count(code, "shfl.sync.bfly") == 10);
  }
}

TEST_CASE("code for so many columns as a bound says does not look for their end") {
  const ir::Kernel kernel = catalogue("rms_norm", bf16);
  for (const char* schedule : {"threads=512 row=512 bytes=16 accesses=8",
                               "threads=256 row=256 bytes=16 accesses=8 grid=8"}) {
    const std::string known = ptx(kernel, 32'768, schedule), up_to = ptx(kernel, 32'000, schedule);
    INFO(known << up_to);
    CHECK(count(known, "ld.global.v4.b32") == count(up_to, "ld.global.v4.b32"));
    CHECK(guarded_loads(known) == 0);
    CHECK(guarded_loads(up_to) > 0);
    for (const char* checked : {"@%p", "selp", "div.rn.f32"})
      CHECK(count(up_to, checked) > count(known, checked));
  }
}

TEST_CASE("elements that need nothing of their row are stored before it is reduced") {
  const std::string schedule = "threads=256 row=256 bytes=8 accesses=4";
  const std::string code = ptx(catalogue("rms_norm_residual", bf16), 4096, schedule);
  CHECK(stores_before_barrier(code) == 4);
  CHECK(count(code, "st.global") == 8);
  const std::size_t first_store = code.find("st.global"); // all of the row is on its way then
  CHECK(count(code.substr(0, first_store), "ld.global") == 8);
  CHECK(stores_before_barrier(ptx(catalogue("rms_norm", bf16), 4096, schedule)) == 0);

  // Of a row that is read anew as well, unless it is overwritten.
  const std::string anew = "threads=128 row=128 bytes=4 accesses=2";
  CHECK(stores_before_barrier(ptx(catalogue("rms_norm_residual", bf16), 4096, anew)) > 0);
  const ir::Kernel over = ir::load_kernel(
      {"kernel k(x: inout bf16, y: out bf16) { let s = x; x = s * 2; y = s / row_sum(s); }",
       "test"},
      "k", {});
  CHECK(stores_before_barrier(ptx(over, 4096, anew)) == 0);

  // Nothing is overwritten that is read later.
  const auto text = [](const char* out) {
    return ir::load_kernel({"kernel k(x: in bf16, z: inout bf16, h: out bf16, y: out bf16) { " +
                                std::string(out) + " = x * 2; y = z / row_sum(x); }",
                            "test"},
                           "k", {});
  };
  CHECK(stores_before_barrier(ptx(text("z = x; h"), 4096, schedule)) == 0);
  const ir::Kernel apart = ir::load_kernel(
      {"kernel k(x: in bf16, z: in bf16, h: out bf16, y: out bf16) { h = x * 2; y = z / "
       "row_sum(x); }",
       "test"},
      "k", {});
  CHECK(stores_before_barrier(ptx(apart, 4096, schedule)) == 4);
  Specialization in_place = of_columns(apart, 4096);
  in_place.tensors[1].aliased = true; // h is z
  CHECK(stores_before_barrier(test::as_newest(
            compile(apart, in_place, schedule_of(schedule), cuda_target(90)).payload)) == 0);
}

TEST_CASE("a row of a warp needs no barrier, and no shared memory") {
  const std::string code =
      ptx(catalogue("softmax", bf16), 1024, "threads=128 row=32 bytes=16 accesses=4");
  CHECK(count(code, "bar.sync") == 0);
  CHECK(count(code, ".shared") == 0);
  CHECK(count(code, "div.") == 0); // one reciprocal a row, at the accuracy of bf16
  CHECK(count(code, "rcp.approx") == 1);
  // Four slabs: the maximum is folded before, the sum by 3 + 5 exchanges.
  CHECK(count(code, "shfl.sync.bfly") == 5 + 8);
}

TEST_CASE("a row that is not held is read anew for each stage") {
  const std::string code =
      ptx(catalogue("softmax", bf16), 14336, "threads=256 row=256 bytes=16 accesses=2");
  CHECK(count(code, "ld.global.v4.b32") == 3 * 2);
}

TEST_CASE("a quantised activation is computed once, and kept in place of what it is made of") {
  const auto code_of = [&](const std::string& name, std::vector<Binding> bindings,
                           const std::string& schedule) {
    bindings.push_back({"T", bf16});
    return ptx(bound(name, bindings), 14336, schedule);
  };
  const Binding fp8{"Q", DType::f8e4m3};
  for (const char* schedule : {"threads=512 row=512 bytes=8 accesses=8",
                               "threads=512 row=512 bytes=8 accesses=4 grid=2"}) {
    const std::string code = code_of("swiglu_quantised_row", {fp8}, schedule);
    INFO(schedule << "\n" << code);
    const std::size_t chunks = std::string_view(schedule).ends_with("grid=2") ? 4 : 7;
    CHECK(count(code, "rcp.approx") == 4 * chunks); // in the sigmoid
    CHECK(count(code, "cvt.rn.satfinite.e4m3x2.f32") == 2 * chunks);
    CHECK(count(code, "ld.global.v2.b32") == 2 * chunks);
    CHECK(count(code, "rcp.rn.f32") == 1); // of the scale
    CHECK(count(code, "bar.sync") == 1);
    CHECK(count(code, ".local") == 0);
  }
  const std::string code =
      code_of("swiglu_quantised_row", {fp8}, "threads=512 row=512 bytes=8 accesses=8");
  CHECK(guarded_loads(code) == 0);
  // Rows of 12289 columns have the same code, so the last access of each tensor is guarded.
  CHECK(guarded_loads(ptx(bound("swiglu_quantised_row", {fp8, {"T", bf16}}), 13'824,
                          "threads=512 row=512 bytes=8 accesses=8")) == 2);
  // About 37 instructions an element; LLVM 21 takes pairs of floats apart.
  CHECK(count(code, ";\n") < 28 * (test::kLlvm == 21 ? 42 : 40));
  const std::string int8 = code_of("swiglu_int8_row", {}, "threads=512 row=512 bytes=8 accesses=8");
  INFO(int8);
  CHECK(count(int8, "rcp.approx") == 28);
  CHECK(count(int8, "cvt.rni.s32.f32") == 28);
  CHECK(count(int8, "cvt.pack.sat.s8.s32.b32") == 14);
}

TEST_CASE("what is kept in registers takes no more of them than what it is made of") {
  const auto kept = [](const std::string& text) {
    const ir::Kernel kernel = ir::load_kernel({text, "test"}, "k", {});
    return kept_in_registers(kernel, make_row_plan(kernel));
  };
  // exp(x - max) would take twice the registers of x; a sum of two of 16 bits takes as many.
  CHECK(
      kept("kernel k(x: in bf16, y: out f32) { let e = exp(x - row_max(x)); y = e / row_sum(e); }")
          .empty());
  CHECK(kept("kernel k(a: in bf16, b: in bf16, y: out bf16) { let s = a + b; y = s * "
             "rsqrt(row_mean(s * s) + 1); }")
            .size() == 1);
  // What is stored besides needs the inputs anyway.
  CHECK(kept("kernel k(a: in bf16, b: in bf16, y: out bf16, z: out bf16) { let s = a + b; y = s * "
             "rsqrt(row_mean(s * s) + 1); z = a * b; }")
            .empty());
  // Rounded to 16 bits, a value takes half a register.
  CHECK(kept("kernel k(x: in bf16, y: out f8e4m3) { let h = bf16(exp(f32(x))); y = f8e4m3(h / "
             "row_max(abs(h))); }")
            .size() == 1);
}

TEST_CASE("rows without a sum in order are divided step by step") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in bf16, y: out bf16) { y = x / row_max(abs(x)); }", "test"}, "k", {});
  const RowGeometry geometry = make_row_geometry(
      kernel, of_columns(kernel, 14336), schedule_of("threads=512 row=512 bytes=8 accesses=8"));
  CHECK(geometry.held);
  CHECK(!geometry.ordered);
  CHECK(geometry.chunks == 7); // runs of passes would be eight long
  CHECK(geometry.offset(6) == 6 * 2048);
  CHECK(exchange_bytes(geometry, 4) == 0);
}

TEST_CASE(
    "a strand of rows is one loop that reads each row once, ahead, without memory of the thread") {
  const ir::Kernel kernel = catalogue("rms_norm_backward", bf16);
  for (const int sm : {75, 80, 90, 100, 120}) {
    const std::string code =
        ptx(kernel, 4096, "threads=512 row=512 ahead=1 accesses=1 resident=1024", sm);
    INFO(code);
    // The first row's, the next row's in the loop, and the weight; a line of strands.
    CHECK(count(code, "ld.global.v4.b32") + count(code, "ld.global.v2.b64") == 2 + 2 + 1 + 8);
    CHECK(count(code, "ld.global") == 2 + 2 + 1 + 8);
    CHECK(count(code, ".local") == 0);
    CHECK(count(code, ".entry") == 2);
  }
}

TEST_CASE("tensors of columns are loaded ahead of the sums of a row where the schedule says so") {
  const auto before_the_sum = [](const char* schedule) {
    const std::string code = ptx(catalogue("rms_norm", bf16), 4096, schedule);
    INFO(code);
    CHECK(count(code, "ld.global.v2.b32") == 8); // four of the row, four of the weight
    return count(code.substr(0, code.find("bar.sync")), "ld.global.v2.b32");
  };
  CHECK(before_the_sum("threads=256 row=256 bytes=8 accesses=4 ahead=0 resident=1024") == 4);
  CHECK(before_the_sum("threads=256 row=256 bytes=8 accesses=4 ahead=1 resident=1024") == 8);
}

TEST_CASE("many rows of groups that compute more are gone over, with more registers") {
  const auto usual = [](const char* inputs, const char* value) {
    const ir::Kernel kernel = ir::load_kernel(
        {fmt::format("kernel k({}, y: out i8, s: out f32 [group 128]) {{ let v = {};"
                     "  let m = group_max(abs(v), 128) / 127; s = m; y = i8(round(v / m)); }}",
                     inputs, value)},
        "", {});
    return std::get<CudaSchedule>(default_schedule(kernel, of_columns(kernel, 14336),
                                                   cuda_target(90), std::int64_t{8192} * 14336));
  };
  for (const auto& [inputs, value] :
       {std::pair{"a: in bf16", "a * sigmoid(a)"}, {"a: in bf16, b: in bf16", "a * sigmoid(b)"}}) {
    CHECK(usual(inputs, value).resident == 1536);
    CHECK(usual(inputs, value).waves == 7);
  }
  for (const auto& [inputs, value] :
       {std::pair{"a: in bf16, b: in bf16, c: in bf16", "a * sigmoid(b) + c"},
        {"a: in bf16", "erf(a)"},
        {"a: in bf16", "erfc(a)"},
        {"a: in bf16", "sin(a)"},
        {"a: in bf16", "pow(a, 3.5)"}}) {
    CHECK(usual(inputs, value).resident == 768);
    CHECK(usual(inputs, value).waves == 0);
    CHECK(usual(inputs, value).ahead);
  }
}

TEST_CASE("rows of groups are parts by default, and load first or as they compute") {
  const auto usual = [](const ir::Kernel& kernel, std::int64_t rows, std::int64_t columns) {
    std::string text = canonical(
        default_schedule(kernel, of_columns(kernel, columns), cuda_target(90), rows * columns));
    const std::string policy = " load=auto store=auto dependent=1";
    REQUIRE(text.find(policy) != text.npos);
    return text.erase(text.find(policy), policy.size());
  };
  const ir::Kernel kernel = bound("swiglu_quantised_group", {{"T", bf16}, {"Q", DType::f8e4m3}});
  // As many parts as hold the 14336 columns, of which blocks are never without any.
  const std::string parts = "threads=128 row=128 bytes=32 accesses=1 grid=7 resident=1280";
  const std::string ahead = "threads=128 row=128 ahead=1 bytes=32 accesses=1 grid=7 resident=1536";
  for (const std::int64_t rows : {256, 512, 1024})
    CHECK(usual(kernel, rows, 14336) == parts);
  for (const std::int64_t rows : {2048, 8192})
    CHECK(usual(kernel, rows, 14336) == ahead);
  CHECK(usual(kernel, 8192, 4096) ==
        "threads=256 row=256 bytes=32 accesses=1 grid=once resident=1280");
  CHECK(usual(kernel, 1024, 11008) == // which do not come out even
        "threads=128 row=128 bytes=32 accesses=1 grid=6 resident=1536");
  CHECK(usual(kernel, 128, 14336) == "threads=256 row=256 bytes=32 accesses=1 grid=4 resident=512");
  CHECK(usual(kernel, 1, 14336).starts_with("threads=128 row=128 bytes=8 accesses=1 grid=28 "));
  const ir::Kernel packed = catalogue("swiglu_mxfp4", bf16);
  CHECK(usual(packed, 2048, 8192) ==
        "threads=128 row=128 ahead=1 bytes=32 accesses=1 grid=4 resident=1024");
  CHECK(usual(packed, 512, 14336) == parts);
  CHECK(usual(packed, 8192, 14336) ==
        "threads=128 row=128 ahead=1 bytes=32 accesses=1 grid=once resident=1024");
}

TEST_CASE("blocks that go over rows of groups load the next columns ahead") {
  const ir::Kernel kernel = bound("swiglu_quantised_group", {{"T", bf16}, {"Q", DType::f8e4m3}});
  for (const int sm : {75, 80, 89, 90}) {
    const std::string code = ptx(kernel, 14336, "threads=128 row=128 ahead=1 bytes=32", sm);
    INFO(code);
    // Of both inputs, before the loop and in it, 16 columns a thread in two instructions each.
    CHECK(count(code, "ld.global.v4.b32") + count(code, "ld.global.v2.b64") == 2 * 2 * 2);
    const std::size_t loop = code.find("shfl.sync");
    CHECK(count(code.substr(0, loop), "ld.global.v4.b32") +
              count(code.substr(0, loop), "ld.global.v2.b64") ==
          2 * 2 * 2);
    CHECK(count(code, "shfl.sync") == 3); // eight threads have a group
    CHECK(count(code, ".local") == 0);
  }
}

TEST_CASE("blocks of a row load columns ahead while the last sum is under way") {
  const std::string schedule = "threads=512 row=512 accesses=4 grid=8 resident=1024 ahead=";
  const auto code_of = [&](const std::string& name, std::int64_t columns, const char* more) {
    const std::string code = ptx(catalogue(name, bf16), columns, schedule + more);
    INFO(code);
    CHECK(count(code, ".local") == 0);
    return code;
  };
  const auto loads = [&](const std::string& name, const char* ahead) {
    const std::string code = code_of(name, 131'072, ahead);
    const std::size_t send = code.rfind("st.async");
    const std::size_t wait = code.find("mbarrier.try_wait", send);
    REQUIRE(wait != code.npos);
    return count(code.substr(send, wait - send), "ld.global.v4.b32");
  };
  CHECK(loads("rms_norm", "1") == 4);
  CHECK(loads("rms_norm", "0") == 0);
  CHECK(loads("layer_norm", "1") == 8); // weight and bias
  // Few are in registers from the start.
  const std::string few = code_of("rms_norm", 32'768, "1 bytes=8 accesses=2");
  CHECK(count(few.substr(0, few.find("st.async")), "ld.global.v2.b32") == 4);
}

TEST_CASE("a count of rows is read once, and nothing of a row before it is known to count") {
  const CudaSchedule schedule = schedule_of("threads=256 row=256 accesses=2");
  const auto loads = [&](const char* name, ValidRows valid, std::string& code) {
    const ir::Kernel kernel = catalogue(name, bf16);
    Specialization known = of_columns(kernel, 4096);
    known.valid_rows = valid;
    code = compile(kernel, known, schedule, cuda_target(90)).payload;
    return count(code, "ld.global");
  };
  std::string code;
  const std::size_t of_all = loads("softmax", ValidRows::all, code);
  for (const ValidRows valid : {ValidRows::one, ValidRows::per_batch}) {
    CHECK(loads("softmax", valid, code) == of_all + 1);
    INFO(code);
    const std::size_t first = code.find("ld.global");
    CHECK(code.compare(first + 11, 3, "32 ") == 0);
    CHECK(code.find("bra", first) < code.find("ld.global", first + 1));
  }
  // Both kernels of a sum over rows take the count for the number of rows.
  CHECK(loads("rms_norm_backward", ValidRows::one, code) ==
        loads("rms_norm_backward", ValidRows::all, code) + 2);
}

TEST_CASE(
    "code that holds a row stores what is made of its sums itself where the call has no other, "
    "in accesses as wide as the row's") {
  const ir::Kernel kernel = catalogue("rms_norm_backward", bf16);
  const auto of = [&](const ir::Kernel& made, const char* text, ValidRows valid) {
    Specialization known = of_columns(made, 4096);
    known.valid_rows = valid;
    return compile(made, known, schedule_of(text), cuda_target(90));
  };
  const Artifact held = of(kernel, "threads=512 row=512 accesses=1", ValidRows::all);
  INFO(held.payload);
  CHECK(held.has_totals);
  CHECK(held.stores_single_row);
  CHECK(count(held.payload, "cvt.rn.bf16x2.f32") == 4 + 4);    // d_x and d_weight, eight of each
  CHECK(count(held.payload, "st.global.v4.b32") == 1 + 1 + 2); // and sums, which are f32
  const Artifact looped = of(kernel, "threads=256 row=256 accesses=1", ValidRows::all);
  CHECK(looped.has_totals);
  CHECK_FALSE(looped.stores_single_row);
  for (const ValidRows valid : {ValidRows::one, ValidRows::per_batch})
    CHECK_FALSE(of(kernel, "threads=512 row=512 accesses=1", valid).stores_single_row);
  const ir::Kernel skips = ir::load_kernel({"kernel k(x: in bf16, id: in i32 [row], s: out f32 "
                                            "[col]) { skip where id < 0; s = col_sum(f32(x)); }"},
                                           "", {});
  CHECK_FALSE(of(skips, "threads=512 row=512 accesses=1", ValidRows::all).stores_single_row);
  CHECK_FALSE(of(catalogue("softmax", bf16), "threads=512 row=512 accesses=1", ValidRows::all)
                  .stores_single_row);
}

TEST_CASE("a row over several blocks is a cluster, whose blocks share what they add up") {
  const std::string code = ptx(catalogue("softmax", bf16), 131'072,
                               "threads=1024 row=1024 grid=8 accesses=2 resident=1024");
  INFO(code);
  CHECK(count(code, ".reqnctapercluster 8") == 1);
  CHECK(count(code, ".version 8.1") == 1);
  CHECK(count(code, "mbarrier.init") == 2); // of the maximum, and of the sum
  CHECK(count(code, "fence.mbarrier_init.release.cluster") == 1);
  CHECK(count(code, "barrier.cluster.arrive.relaxed") == 1); // all run
  CHECK(count(code, "barrier.cluster.wait") == 1);
  CHECK(count(code, "barrier.cluster.arrive.release") == 0); // which is a fence
  CHECK(count(code, "mbarrier.arrive.expect_tx") == 2);
  CHECK(count(code, "], 32;") == 2); // a value of each of eight blocks
  CHECK(count(code, "st.async") == 2);
  CHECK(count(code, "mbarrier.try_wait.parity.acquire.cluster") == 2);
  CHECK(count(code, "bar.sync") == 2);
  CHECK(count(code, "ld.global.v4.b32") == 2);
  CHECK(count(code, "shared::cluster.b32") == 0);
  CHECK(count(code, ".local") == 0);
  const std::string sixteen = ptx(catalogue("softmax", bf16), 131'072,
                                  "threads=256 row=256 grid=16 accesses=4 resident=1024");
  CHECK(count(sixteen, ".reqnctapercluster 16") == 1);
  CHECK(count(sixteen, ".minnctapersm 4") == 1);
  CHECK(count(sixteen, "], 64;") == 2); // a value of each of sixteen blocks
  CHECK(count(sixteen, "st.async") == 2);
  CHECK(count(sixteen, ".local") == 0);
  // What is of one stage meets once, in the block too.
  const ir::Kernel both = ir::load_kernel(
      {"kernel k(x: in bf16, y: out bf16) { y = x - row_sum(x) * row_max(x); }"}, "", {});
  const std::string of_stage =
      ptx(both, 131'072, "threads=1024 row=1024 grid=8 accesses=2 resident=1024");
  CHECK(count(of_stage, "mbarrier.init") == 1);
  CHECK(count(of_stage, "st.async") == 2); // both values
  CHECK(count(of_stage, "], 64;") == 1);
  CHECK(count(of_stage, "mbarrier.try_wait") == 1);
  CHECK(count(of_stage, "bar.sync") == 1);
  // Runs of two stages have one place; a third stage takes the first one's mbarrier again.
  const ir::Kernel three = ir::load_kernel(
      {"kernel k(x: in bf16, y: out bf16) { let a = x - row_mean(x); let b = a * row_sum(abs(a)); "
       "y = b / row_sum(b * b); }"},
      "", {});
  const std::string of_three =
      ptx(three, 131'072, "threads=512 row=512 grid=8 accesses=4 resident=1024");
  CHECK(count(of_three, "mbarrier.init") == 2);
  CHECK(count(of_three, "bar.sync") == 3 + 2);
  for (const char* phase : {"], 0;", "], 1;"})
    CHECK(count(of_three.substr(of_three.find("try_wait")), phase) > 0);
}

TEST_CASE("code of rows waits for the grid before it touches memory, in every geometry") {
  const ir::Kernel kernel = catalogue("layer_norm", bf16);
  for (const char* text : {"threads=256 row=256 accesses=4", "threads=256 row=256 accesses=1",
                           "threads=128 row=32 accesses=16", "threads=1024 row=1024 accesses=1"})
    CHECK(compile(kernel, of_columns(kernel, 4000), schedule_of(text + std::string(" dependent=1")),
                  cuda_target(90))
              .waits_for_dependencies);
}

TEST_CASE("what is rounded or clamped by its store may be what a thread keeps of a row") {
  const auto compiles = [](const std::string& type, const std::string& h, const std::string& s) {
    const ir::Kernel kernel = ir::load_kernel(
        {fmt::format(
            "kernel k(a: in bf16, b: in bf16, y: out {0}, s: out f32 [row]) {{ let h = {1}; "
            "y = {0}(h); s = {2}(h); }}",
            type, h, s)},
        "", {});
    for (const std::int64_t columns : {1000, 8192, 14336}) {
      const Specialization specialization = of_columns(kernel, columns);
      const Schedule schedule =
          default_schedule(kernel, specialization, cuda_target(90), 1000 * columns);
      CHECK(count(compile(kernel, specialization, schedule, cuda_target(90)).payload, ".entry") ==
            1);
    }
  };
  compiles("i8", "round(f32(a) * f32(b))", "row_max");
  compiles("u8", "round(f32(a) + f32(b))", "row_sum");
  compiles("f8e4m3", "clamp(f32(a) * f32(b), -448, 448)", "row_max");
  compiles("f8e5m2", "clamp(f32(a) * f32(b), -57344, 57344)", "row_max");
}
