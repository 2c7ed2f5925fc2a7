// classify_test.cpp -- what is known about a call: collapse, layouts, alignment, index width.
#include "tests/runtime/call_support.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::string_view kUnary = "kernel k(a: in f32, y: out f32) { y = a + 1; }";
constexpr std::string_view kBinary = "kernel k(a: in bf16, b: in bf16, y: out bf16) { y = a * b; }";
constexpr std::string_view kRow = "kernel k(a: in f32, s: in f32 [row], y: out f32) { y = a * s; }";
constexpr std::string_view kColumn =
    "kernel k(a: in f32, s: in f32 [col], y: out f32) { y = a * s; }";

std::string unary(const Tensor& a, const Tensor& y) {
  return ClassifiedCall(kUnary, {a, y}).text();
}

Tensor dense(int block, std::initializer_list<std::int64_t> shape, DType type = f32) {
  return Tensor(address(block), type, shape);
}

} // namespace

TEST_CASE("contiguous tensors of every rank are one flat run") {
  CHECK(unary(dense(0, {}), dense(1, {})) == "1x1 flat i32 a=unit@16 y=unit@16");
  CHECK(unary(dense(0, {64}), dense(1, {64})) == "1x64 flat i32 exact a=unit@16 y=unit@16");
  CHECK(unary(dense(0, {3, 5}), dense(1, {3, 5})) == "1x15 flat i32 a=unit@16 y=unit@16");
  CHECK(unary(dense(0, {2, 3, 4, 5, 1, 2, 1, 4}), dense(1, {2, 3, 4, 5, 1, 2, 1, 4})) ==
        "1x960 flat i32 exact a=unit@16 y=unit@16");
}

TEST_CASE("strides of dimensions of size 1 mean nothing") {
  const Tensor a(address(0), f32, {1, 64, 1}, {777, 1, -3});
  CHECK(unary(a, dense(1, {1, 64, 1})) == "1x64 flat i32 exact a=unit@16 y=unit@16");
}

TEST_CASE("rows with a gap are rows and columns") {
  const Tensor a(address(0), f32, {7, 64}, {100, 1});
  CHECK(unary(a, dense(1, {7, 64})) == "7x64 2d i32 exact a=unit@16 y=unit@16");
  const ClassifiedCall call(kUnary, {a, dense(1, {7, 64})});
  CHECK(call.call.tensors[0].row_stride == 100);
  CHECK(call.call.tensors[1].row_stride == 64);
}

TEST_CASE("leading dimensions merge where every tensor allows it") {
  const Tensor a(address(0), f32, {2, 3, 64}, {300, 100, 1});
  CHECK(unary(a, dense(1, {2, 3, 64})) == "6x64 2d i32 exact a=unit@16 y=unit@16");
  const Tensor gapped(address(0), f32, {2, 3, 64}, {400, 64, 1});
  CHECK(unary(gapped, dense(1, {2, 3, 64})) == "2x192 2d i32 exact a=unit@16 y=unit@16");
}

TEST_CASE("a packed gate-up buffer is two views of one row stride") {
  const Tensor gate(address(0), bf16, {5, 128}, {256, 1});
  const Tensor up(address(0, 256), bf16, {5, 128}, {256, 1});
  const ClassifiedCall call(kBinary, {gate, up, dense(1, {5, 128}, bf16)});
  CHECK(call.text() == "5x128 2d i32 exact a=unit@16 b=unit@16 y=unit@16");
}

TEST_CASE("interleaved halves are recognised as one") {
  const Tensor gate(address(0), bf16, {5, 128}, {256, 2});
  const Tensor up(address(0, 2), bf16, {5, 128}, {256, 2});
  const ClassifiedCall forward(kBinary, {gate, up, dense(1, {5, 128}, bf16)});
  CHECK(forward.text() == "1x640 flat i32 exact a=even(b)@16 b=odd(a)@2 y=unit@16");
  const ClassifiedCall swapped(kBinary, {up, gate, dense(1, {5, 128}, bf16)});
  CHECK(swapped.text() == "1x640 flat i32 exact a=odd(b)@2 b=even(a)@16 y=unit@16");

  const Tensor wide(address(0), bf16, {5, 128}, {300, 2});
  const Tensor wide_up(address(0, 2), bf16, {5, 128}, {300, 2});
  const ClassifiedCall rows(kBinary, {wide, wide_up, dense(1, {5, 128}, bf16)});
  CHECK(rows.text() == "5x128 2d i32 exact a=even(b)@8 b=odd(a)@2 y=unit@16");
}

TEST_CASE("a column stride of 2 without the other half is only strided") {
  const Tensor a(address(0), bf16, {5, 128}, {256, 2});
  const Tensor b(address(0, 6), bf16, {5, 128}, {256, 2}); // three elements on, not one
  const ClassifiedCall call(kBinary, {a, b, dense(1, {5, 128}, bf16)});
  CHECK(call.text() == "1x640 2d i32 exact a=strided@2 b=strided@2 y=unit@16");
}

TEST_CASE("an input half and an output half are not paired") {
  constexpr std::string_view source = "kernel k(a: in f32, y: out f32) { y = a; }";
  const Tensor a(address(0), f32, {64}, {2});
  const Tensor y(address(0, 4), f32, {64}, {2});
  CHECK(ClassifiedCall(source, {a, y}).text() == "1x64 2d i32 exact a=strided@4 y=strided@4");
}

TEST_CASE("views with one common order of dimensions are flat in any order") {
  // channels-last: contiguous memory, permuted dimensions
  const Tensor a(address(0), f32, {2, 3, 4, 5}, {60, 1, 15, 3});
  const Tensor y(address(1), f32, {2, 3, 4, 5}, {60, 1, 15, 3});
  CHECK(unary(a, y) == "1x120 flat i32 a=unit@16 y=unit@16");
}

TEST_CASE("a transposed input is read with a column stride") {
  const Tensor a(address(0), f32, {32, 64}, {1, 32});
  CHECK(unary(a, dense(1, {32, 64})) == "32x64 2d i32 exact a=strided@4 y=unit@16");
}

TEST_CASE("an expanded input has zero strides") {
  const Tensor row(address(0), f32, {32, 64}, {0, 1});
  CHECK(unary(row, dense(1, {32, 64})) == "32x64 2d i32 exact a=unit@16 y=unit@16");
  const Tensor scalar(address(0), f32, {32, 64}, {0, 0});
  CHECK(unary(scalar, dense(1, {32, 64})) == "1x2048 2d i32 exact a=strided@4 y=unit@16");
}

TEST_CASE("negative strides are legal") {
  const Tensor a(address(0, 4096), f32, {64}, {-1});
  CHECK(unary(a, dense(1, {64})) == "1x64 2d i32 exact a=strided@4 y=unit@16");
  const Tensor flipped(address(0, 65536), f32, {4, 64}, {-64, 1});
  CHECK(unary(flipped, dense(1, {4, 64})) == "4x64 2d i32 exact a=unit@16 y=unit@16");
}

TEST_CASE("alignment is that of every row's first element, up to what is of use") {
  const auto aligned = [](std::int64_t offset, std::int64_t row_stride) {
    const Tensor a(address(0, offset), f32, {4, 8}, {row_stride, 1});
    return ClassifiedCall(kUnary, {a, dense(1, {4, 8})}).specialization().tensors[0].align_log2;
  };
  CHECK(aligned(0, 12) == 4);
  CHECK(aligned(8, 12) == 3);
  CHECK(aligned(4, 12) == 2);
  CHECK(aligned(0, 10) == 3);
  CHECK(aligned(0, 9) == 2);
  CHECK(aligned(64, 64) == 4);
}

TEST_CASE("a [row] tensor takes any of its three shapes") {
  const std::string expected = "6x8 2d i32 a=unit@16 s=row@4 y=unit@16";
  const auto with = [](const Tensor& s) {
    return ClassifiedCall(kRow, {dense(0, {2, 3, 8}), s, dense(1, {2, 3, 8})}).text();
  };
  CHECK(with(dense(2, {2, 3})) == expected);
  CHECK(with(dense(2, {2, 3, 1})) == expected);
  CHECK(with(dense(2, {6})) == expected);
  CHECK(with(Tensor(address(2), f32, {6}, {5})) == expected);
  CHECK(with(Tensor(address(2), f32, {2, 3}, {0, 0})) == expected);
}

TEST_CASE("a [row] tensor's stride is that between rows") {
  const ClassifiedCall call(
      kRow, {dense(0, {2, 3, 8}), Tensor(address(2), f32, {6}, {5}), dense(1, {2, 3, 8})});
  CHECK(call.call.tensors[1].row_stride == 5);
  CHECK(call.call.tensors[1].column_stride == 0);
  CHECK(call.call.tensors[0].row_stride == 8);
}

TEST_CASE("a [col] tensor takes the columns, with or without leading ones") {
  const auto with = [](const Tensor& s) {
    return ClassifiedCall(kColumn, {dense(0, {2, 3, 8}), s, dense(1, {2, 3, 8})}).text();
  };
  CHECK(with(dense(2, {8})) == "6x8 2d i32 a=unit@16 s=col@16 y=unit@16");
  CHECK(with(dense(2, {1, 1, 8})) == "6x8 2d i32 a=unit@16 s=col@16 y=unit@16");
  CHECK(with(Tensor(address(2), f32, {8}, {3})) == "6x8 2d i32 a=unit@16 s=colstrided@4 y=unit@16");
}

TEST_CASE("broadcasts work at rank 0 and 1") {
  CHECK(ClassifiedCall(kRow, {dense(0, {}), dense(2, {}), dense(1, {})}).text() ==
        "1x1 2d i32 a=unit@16 s=row@4 y=unit@16");
  CHECK(ClassifiedCall(kRow, {dense(0, {8}), dense(2, {1}), dense(1, {8})}).text() ==
        "1x8 2d i32 a=unit@16 s=row@4 y=unit@16");
  CHECK(ClassifiedCall(kColumn, {dense(0, {8}), dense(2, {8}), dense(1, {8})}).text() ==
        "1x8 2d i32 a=unit@16 s=col@16 y=unit@16");
}

TEST_CASE("with a broadcast the last dimension stays the columns") {
  CHECK(ClassifiedCall(kRow, {dense(0, {4, 1}), dense(2, {4}), dense(1, {4, 1})}).text() ==
        "4x1 2d i32 a=unit@4 s=row@4 y=unit@4");
}

TEST_CASE("indices are 64-bit as soon as an offset or a count nears 2^31") {
  const auto wide = [](const Tensor& a, const Tensor& y) {
    return ClassifiedCall(kUnary, {a, y}).specialization().index64;
  };
  const std::int64_t limit = (std::int64_t{1} << 31) - (std::int64_t{1} << 19);
  CHECK_FALSE(wide(dense(0, {limit - 1}), dense(1, {limit - 1})));
  CHECK(wide(dense(0, {limit}), dense(1, {limit})));
  // few elements, far apart
  CHECK(wide(Tensor(address(0), f32, {2, 64}, {limit, 1}), dense(1, {2, 64})));
  CHECK_FALSE(wide(Tensor(address(0), f32, {2, 64}, {limit / 2, 1}), dense(1, {2, 64})));
  CHECK(wide(Tensor(address(1), f32, {2, 64}, {-limit, 1}), dense(2, {2, 64})));
}

TEST_CASE("columns that are a multiple of 64 need no tail") {
  const auto exact = [](std::int64_t columns) {
    return ClassifiedCall(kUnary, {dense(0, {columns}), dense(1, {columns})})
        .specialization()
        .exact;
  };
  CHECK(exact(64));
  CHECK(exact(14336));
  CHECK_FALSE(exact(63));
  CHECK_FALSE(exact(3420));
}

TEST_CASE("stores stream when a call touches more than the cache and nothing written was read") {
  device::ClassifyLimits limits;
  limits.cache_bytes = 1 << 20;
  const auto streams = [&](std::string_view source, std::vector<Tensor> tensors) {
    return ClassifiedCall(source, std::move(tensors), limits).call.key.streaming();
  };
  CHECK(streams(kUnary, {dense(0, {200000}), dense(1, {200000})}));
  CHECK_FALSE(streams(kUnary, {dense(0, {100000}), dense(1, {100000})}));
  CHECK_FALSE(streams(kUnary, {dense(0, {200000}), dense(0, {200000})}));
  CHECK_FALSE(streams("kernel k(a: inout f32) { a = a + 1; }", {dense(0, {400000})}));
}

TEST_CASE("an output equal to an input is marked") {
  CHECK(unary(dense(0, {64}), dense(0, {64})) == "1x64 flat i32 exact a=unit@16 aliased y=unit@16");
  constexpr std::string_view source =
      "kernel k(a: in f32, b: inout f32, y: out f32) { b = a + b; y = a; }";
  CHECK(ClassifiedCall(source, {dense(0, {64}), dense(1, {64}), dense(0, {64})}).text() ==
        "1x64 flat i32 exact a=unit@16 aliased b=unit@16 y=unit@16");
}

TEST_CASE("zero elements are no call, whatever the pointers") {
  launch::Call call;
  const launch::Signature signature = signature_of(kUnary);
  const Tensor none(nullptr, f32, {4, 0, 3});
  launch::classify(signature, std::vector<Arg>{none, none}, {}, call);
  CHECK(call.elements() == 0);
}

TEST_CASE("equal calls have equal keys and different ones different keys") {
  const ClassifiedCall a(kUnary, {dense(0, {4, 100}), dense(1, {4, 100})});
  const ClassifiedCall b(kUnary, {dense(2, {400}), dense(3, {400})});
  const ClassifiedCall larger(kUnary, {dense(2, {4000}), dense(3, {4000})});
  const ClassifiedCall shifted(kUnary, {Tensor(address(2, 4), f32, {400}), dense(3, {400})});
  CHECK(a.call.key == b.call.key);
  CHECK(a.call.key.hash() == b.call.key.hash());
  CHECK_FALSE(a.call.key == larger.call.key);
  CHECK_FALSE(a.call.key == shifted.call.key);
}

TEST_CASE("a key keeps the bound of columns that code for rows is made for") {
  for (std::int64_t columns = 0; columns < (std::int64_t{1} << 40);
       columns = columns < 40 ? columns + 1 : columns + columns / 7) {
    const std::int64_t bound = codegen::column_bound(columns);
    launch::SpecializationKey key, other;
    for (launch::SpecializationKey* each : {&key, &other}) {
      each->reset(2);
      each->set_call(false, false, true, false, 40);
    }
    key.set_columns(columns);
    other.set_columns(bound + 1);
    CHECK(key.specialization(2).columns_at_most == bound);
    CHECK(key.specialization(2).columns_known == (columns == bound && columns > 0));
    CHECK(key.specialization(2).flat == false);
    CHECK(key.specialization(2).valid_rows == codegen::ValidRows::all);
    CHECK(key.specialization(2).exact);
    CHECK(key.size_class() == 40);
    CHECK_FALSE(key == other);
  }
}
