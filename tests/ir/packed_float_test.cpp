// packed_float_test.cpp -- floats of four bits: every code, every 16-bit number, what the language
// says of them.
#include <bit>

#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/packed.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/byte_float.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/e2m1.hpp"

using namespace swage;
using namespace swage::ir;
using swage::test::e2m1_code;
using swage::test::kE2m1;
using swage::test::value_of_bits;

namespace {

ir::Kernel kernel_of(const std::string& text) {
  return load_kernel({text, "k.swg"}, "k", {});
}

/// The message that refuses a text.
std::string refusal(const std::string& text) {
  try {
    kernel_of(text);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::int64_t misrounded(DType from, std::uint64_t first, std::uint64_t count) {
  std::int64_t wrong = 0;
  for (std::uint64_t bits = first; bits < first + count; ++bits) {
    const double value = value_of_bits(from, static_cast<std::uint32_t>(bits));
    wrong += encode(f4e2m1, {.real = value, .integer = 0}) != e2m1_code(value);
  }
  return wrong;
}

} // namespace

TEST_CASE("every code of four bits decodes to its definition and encodes back") {
  for (unsigned code = 0; code < 16; ++code) {
    const long double value = decode(f4e2m1, code).real;
    CHECK(value == (code < 8 ? kE2m1[code] : -kE2m1[code - 8]));
    CHECK(std::signbit(value) == (code >= 8));
    CHECK(encode(f4e2m1, {.real = value, .integer = 0}) == code);
    CHECK(decode(f4e2m1, code | 0xf0).real == value); // another element's bits
  }
}

TEST_CASE("every 16-bit float rounds to the nearest number of four bits, ties to even") {
  for (const DType from : {bf16, f16})
    CHECK(misrounded(from, 0, 1 << 16) == 0);
}

TEST_CASE("f32 around every tie rounds to the nearest number of four bits") {
  for (const double tie : {0.0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0, 7.0, 8.0})
    for (const std::uint32_t sign : {0u, 0x80000000u}) {
      const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(tie));
      CHECK(misrounded(f32, (bits | sign) - (tie == 0 ? 0 : 64), 128) == 0);
    }
  CHECK(misrounded(f32, 0x7f7fff00, 0x200) == 0); // infinity and NaN
  CHECK(misrounded(f32, 0xff7fff00, 0x200) == 0);
}

TEST_CASE("an f64 and an integer round to four bits once") {
  CHECK(encode(f4e2m1, {.real = std::nextafter(2.5, 3), .integer = 0}) == 5);
  CHECK(encode(f4e2m1, {.real = 2.5L, .integer = 0}) == 4);
  CHECK(encode(f4e2m1, {.real = std::nextafter(0.25L, 1), .integer = 0}) == 1);
}

TEST_CASE("errors in ulp of numbers that saturate are those of the largest number") {
  CHECK(ulp_error(f4e2m1, 6, 1e9L) == 0);
  CHECK(ulp_error(f4e2m1, 6, std::numeric_limits<long double>::quiet_NaN()) == 0);
  CHECK(ulp_error(f4e2m1, -6, -std::numeric_limits<long double>::infinity()) == 0);
  CHECK(ulp_error(f4e2m1, 4, 1e9L) == 1);
  CHECK(ulp_error(f4e2m1, 1, 1.25L) == 0.5);
  CHECK(ulp_error(f4e2m1, 0, 0.25L) == 0.5);
}

TEST_CASE("codes are packed with the even element in the lower half") {
  const std::byte packed[] = {std::byte{0x21}, std::byte{0xf7}};
  std::byte codes[4], again[2];
  unpack(packed, codes);
  CHECK(codes[0] == std::byte{1});
  CHECK(codes[1] == std::byte{2});
  CHECK(codes[2] == std::byte{7});
  CHECK(codes[3] == std::byte{15});
  codes[0] |= std::byte{0xa0}; // what is above a code does not count
  pack(codes, again);
  CHECK(again[0] == packed[0]);
  CHECK(again[1] == packed[1]);
}

TEST_CASE("a cast to four bits stays where it changes a value, and goes where it does not") {
  const auto text = [](const std::string& expression) {
    return print(simplify(
        kernel_of("kernel k(x: in f4e2m1, y: out f32, z: in f32) { y = " + expression + "; }")));
  };
  CHECK_FALSE(has(text("f4e2m1(x)"), "f4e2m1("));
  CHECK_FALSE(has(text("f8e4m3(x)"), "f8e4m3("));
  CHECK_FALSE(has(text("f4e2m1(-x)"), "f4e2m1("));
  CHECK(has(text("f4e2m1(z)"), "f4e2m1("));
  CHECK(has(text("f8e4m3fnuz(x)"), "f8e4m3fnuz(")); // it has no -0
  CHECK(has(text("f4e2m1(x + x)"), "f4e2m1("));
}

TEST_CASE("a constant NaN becomes 6 in a cast to four bits") {
  const ir::Kernel kernel = simplify(kernel_of("kernel k(y: out f32) { y = f4e2m1(f32(nan)); }"));
  const Evaluator evaluator(kernel);
  Evaluator::Workspace workspace;
  Scalar arguments[1] = {}, results[1];
  evaluator(arguments, results, workspace);
  CHECK(results[0].real == 6);
}

TEST_CASE("tensors of four bits have one value an element, and groups are even") {
  CHECK(has(refusal("kernel k(x: in f4e2m1 [row], y: out f32) { y = x; }"),
            "'x' has one value a row and is f4e2m1, two of which share a byte"));
  CHECK(has(refusal("kernel k(x: in f32, y: out f32, s: out f4e2m1 [group 4]) { y = x; "
                    "s = group_max(x, 4); }"),
            "'s' has one value a group of 4 columns"));
  CHECK(has(refusal("kernel k<T>(x: in f4e2m1 [table], i: in i32 [row], y: out f32) { y = x[i]; }"),
            "'x' has one value an index"));
  CHECK(has(refusal("kernel k(x: in f32, q: out f4e2m1) { q = x / group_max(x, 3); }"),
            "'q' is f4e2m1, two of which share a byte, and the kernel has groups of 3 columns"));
  CHECK(refusal("kernel k(x: in f32, q: out f4e2m1, s: f4e2m1) { q = s * x / group_max(x, 6); }") ==
        "");
}

TEST_CASE("what is read in four bits differentiates as it is widened") {
  const ir::Kernel kernel =
      load_kernel({"kernel f(q: in f4e2m1, s: in f32 [group 16], y: out f32) { y = q * s; }"
                   "kernel k = grad f(s);",
                   "k.swg"},
                  "k", {});
  CHECK(has(print(kernel), "q: in f4e2m1"));
  CHECK(has(print(kernel), "group_sum"));
}
