// specialization_test.cpp -- what may be known about a call, its line and its checks.
#include "tests/support/catch.hpp"

#include "codegen/specialization.hpp"
#include "codegen/specialization_text.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"

using namespace swage;
using namespace swage::codegen;
using Catch::Matchers::ContainsSubstring;

namespace {

ir::Kernel gated(ir::Broadcast broadcast = ir::Broadcast::none, DType up = bf16) {
  ir::KernelBuilder builder("gated", ir::MathMode::accurate,
                            {{"gate", ir::ParamKind::in, bf16, broadcast},
                             {"alpha", ir::ParamKind::scalar, f32, {}},
                             {"up", ir::ParamKind::in, up, {}},
                             {"h", ir::ParamKind::out, bf16, {}}});
  const auto product = builder.make(ir::Op::mul, {builder.load(0), builder.load(2)});
  builder.store(3, builder.make(ir::Op::mul, {product, builder.scalar(1)}));
  return std::move(builder).build();
}

Specialization interleaved(const ir::Kernel& kernel) {
  Specialization known = contiguous(kernel);
  known.tensors[0] = {.layout = Layout::interleaved_even, .partner = 2};
  known.tensors[1] = {.layout = Layout::interleaved_odd, .align_log2 = 1, .partner = 0};
  return known;
}

ir::Kernel scaled() {
  return ir::load_kernel({"kernel k(x: in f32, r: in f32 [row], s: out f32 [group 4]) { s = "
                          "group_max(x * r, 4); }"},
                         "k", {});
}

} // namespace

TEST_CASE("dimensions of rows and groups are part of the line, five at most") {
  const ir::Kernel kernel = scaled();
  Specialization known = contiguous(kernel);
  known.tensors[1].row_dims = 3;
  known.tensors[2].row_dims = 3;
  known.tensors[2].group_dims = 2;
  const std::string line = canonical(known, kernel);
  CHECK(line == "2d i32 x=unit@16 r=row(3)@16 s=group(3x2)@16");
  CHECK(parse_specialization(line, kernel) == known);
  for (const char* wrong :
       {"s=group(3x3)@16", "s=group(0x2)@16", "s=group(3)@16", "s=group(1x1)@16", "s=group(x2)@16",
        "s=group(03x2)@16", "s=group(300x2)@16"})
    CHECK(!parse_specialization("2d i32 x=unit@16 r=row(3)@16 " + std::string(wrong), kernel));
  for (const char* wrong :
       {"x=unit(2)@16 r=row@16", "x=unit@16 r=row(6)@16", "x=unit@16 r=row(3x2)@16"})
    CHECK(!parse_specialization("2d i32 " + std::string(wrong) + " s=group@16", kernel));
}

TEST_CASE("a specialization prints to one line") {
  const ir::Kernel kernel = gated();
  CHECK(canonical(contiguous(kernel), kernel) == "flat i32 gate=unit@16 up=unit@16 h=unit@16");
  Specialization known = interleaved(kernel);
  known.index64 = known.exact = true;
  known.tensors[2].aliased = true;
  CHECK(canonical(known, kernel) ==
        "flat i64 exact gate=even(up)@16 up=odd(gate)@2 h=unit@16 aliased");
  CHECK_NOTHROW(check_specialization(known, kernel));
}

TEST_CASE("counts of valid rows are part of the line, and need rows") {
  const ir::Kernel kernel = gated(ir::Broadcast::per_row);
  Specialization known = contiguous(kernel);
  known.valid_rows = ValidRows::one;
  CHECK(canonical(known, kernel) == "2d i32 valid_rows=one:i32 gate=row@16 up=unit@16 h=unit@16");
  known.valid_rows = ValidRows::per_batch;
  known.counts64 = true;
  CHECK(canonical(known, kernel) ==
        "2d i32 valid_rows=per_batch:i64 gate=row@16 up=unit@16 h=unit@16");
  CHECK_NOTHROW(check_specialization(known, kernel));
  const ir::Kernel flat = gated();
  known = contiguous(flat);
  known.valid_rows = ValidRows::one;
  CHECK_THROWS_WITH(check_specialization(known, flat),
                    ContainsSubstring("valid_rows needs rows and columns"));
}

TEST_CASE("broadcasts need rows and columns") {
  const ir::Kernel kernel = gated(ir::Broadcast::per_row);
  Specialization known = contiguous(kernel);
  CHECK_FALSE(known.flat);
  CHECK_NOTHROW(check_specialization(known, kernel));
  known.flat = true;
  CHECK_THROWS_WITH(check_specialization(known, kernel),
                    ContainsSubstring("'gate'") && ContainsSubstring("flat run"));
}

TEST_CASE("a specialization that does not fit its kernel is refused") {
  const ir::Kernel kernel = gated();
  const auto refused = [&](auto change, const ir::Kernel& of) {
    Specialization known = contiguous(of);
    change(known);
    try {
      check_specialization(known, of);
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CHECK_THAT(refused([](auto& s) { s.tensors.pop_back(); }, kernel),
             ContainsSubstring("describes 2 tensors, kernel 'gated' has 3"));
  CHECK_THAT(refused([](auto& s) { s.tensors[0].align_log2 = 0; }, kernel),
             ContainsSubstring("below that of one bf16"));
  CHECK_THAT(refused([](auto& s) { s.tensors[0].align_log2 = 7; }, kernel),
             ContainsSubstring("64 bytes"));
  CHECK_THAT(refused([](auto& s) { s.tensors[0].layout = Layout::per_row; }, kernel),
             ContainsSubstring("does not fit its broadcast"));
  CHECK_THAT(refused([](auto& s) { s.tensors[0].layout = Layout::interleaved_even; }, kernel),
             ContainsSubstring("partner"));
  CHECK_THAT(refused([](auto& s) { s.columns_known = true; }, kernel),
             ContainsSubstring("columns are said to be known"));
  const auto swap = [&](auto& s) { s = interleaved(kernel); };
  CHECK_THAT(refused(swap, gated(ir::Broadcast::none, f16)),
             ContainsSubstring("both must be of one type"));
}
