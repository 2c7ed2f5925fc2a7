// byte_float_test.cpp -- floats of one byte: every code, every 16-bit number, and what is beyond.
#include "tests/support/catch.hpp"

#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "tests/support/byte_float.hpp"

using namespace swage;
using namespace swage::ir;
using swage::test::byte_number;
using swage::test::ByteRounding;
using swage::test::kByteFloats;
using swage::test::value_of_bits;

namespace {

bool same(long double a, long double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

std::int64_t misrounded(DType from, DType to, std::uint64_t count) {
  const ByteRounding rounding(to);
  std::int64_t wrong = 0;
  for (std::uint64_t bits = 0; bits < count; ++bits) {
    const double value = value_of_bits(from, static_cast<std::uint32_t>(bits));
    wrong += encode(to, {.real = value, .integer = 0}) != rounding(value);
  }
  return wrong;
}

/// What `text` gives for x, of f32.
long double computed(const std::string& text, long double x) {
  const ir::Kernel kernel =
      load_kernel({"kernel k(x: in f32, y: out f32) { y = " + text + "; }", "k.swg"}, "k", {});
  const Evaluator evaluator(kernel);
  Evaluator::Workspace workspace;
  Scalar arguments[] = {{.real = x, .integer = 0}, {}}, results[1];
  evaluator(arguments, results, workspace);
  return results[0].real;
}

} // namespace

TEST_CASE("every code of a byte float decodes to its definition and encodes back") {
  for (const DType type : kByteFloats)
    for (unsigned code = 0; code < 256; ++code) {
      INFO(name_of(type) << " " << code);
      const long double value = decode(type, code).real;
      CHECK(same(value, byte_number(type, code)));
      if (!std::isnan(value))
        CHECK(encode(type, {.real = value, .integer = 0}) == code);
    }
}

TEST_CASE("every 16-bit float rounds to the nearest byte float, ties to even") {
  for (const DType type : kByteFloats)
    for (const DType from : {bf16, f16}) {
      INFO(name_of(from) << " to " << name_of(type));
      CHECK(misrounded(from, type, 1 << 16) == 0);
    }
}

TEST_CASE("every f32 rounds to the nearest byte float, ties to even", "[.exhaustive]") {
  for (const DType type : kByteFloats) {
    INFO(name_of(type));
    CHECK(misrounded(f32, type, std::uint64_t{1} << 32) == 0);
  }
}

TEST_CASE("an f64 rounds to a byte float once, not by way of an f32") {
  const double tie = 1.0625; // between 1 and 1.125
  CHECK(encode(f8e4m3, {.real = tie, .integer = 0}) == 0x38);
  CHECK(encode(f8e4m3, {.real = std::nextafter(tie, 2), .integer = 0}) == 0x39);
  CHECK(encode(e8m0, {.real = std::nextafter(1.5, 1), .integer = 0}) == 127);
  CHECK(encode(e8m0, {.real = 1.5L, .integer = 0}) == 128);
}

TEST_CASE("a cast to a byte float overflows to NaN or infinity, and a clamp before it saturates") {
  CHECK(computed("f8e4m3(x)", 464) == 448);
  CHECK(std::isnan(computed("f8e4m3(x)", 464.1L)));
  CHECK(std::isnan(computed("f8e4m3(x)", std::numeric_limits<long double>::infinity())));
  CHECK(computed("f8e4m3(clamp(x, -448, 448))", -1e9L) == -448);
  CHECK(computed("f8e5m2(x)", 61439) == 57344);
  CHECK(std::isinf(computed("f8e5m2(x)", 61440)));
  CHECK(std::isnan(computed("f8e4m3fnuz(x)", 248)));
  CHECK(computed("f8e4m3fnuz(x)", 247) == 240);
  CHECK(std::isnan(computed("f8e5m2fnuz(x)", -61440)));
}

TEST_CASE("e8m0 is the nearest power of two, e8m0_up the next and e8m0_down the last of what is "
          "positive") {
  CHECK(computed("e8m0(x)", 1.49L) == 1);
  CHECK(computed("e8m0(x)", 1.5L) == 2);
  CHECK(computed("e8m0_up(x)", 1) == 1);
  CHECK(computed("e8m0_up(x)", 1.0001L) == 2);
  CHECK(computed("e8m0_up(x)", 0x1p127L) == 0x1p127L);
  CHECK(computed("e8m0_down(x)", 1) == 1);
  CHECK(computed("e8m0_down(x)", 1.9999L) == 1);
  CHECK(computed("e8m0_down(x)", 0x1.8p-127L) == 0x1p-127L);
  CHECK(computed("e8m0_down(x)", 0x1.8p127L) == 0x1p127L);
  CHECK(computed("e8m0_down(x)", 0x1p300L) == 0x1p127L);
  for (const char* text : {"e8m0(x)", "e8m0_up(x)", "e8m0_down(x)"}) {
    CHECK(computed(text, 0) == 0x1p-127L);
    CHECK(computed(text, -0.0L) == 0x1p-127L);
    CHECK(computed(text, 0x1p-149L) == 0x1p-127L);
    CHECK(std::isnan(computed(text, -1)));
    CHECK(std::isnan(computed(text, 0x1.8p127L)) == (std::string(text) != "e8m0_down(x)"));
    CHECK(std::isnan(computed(text, std::numeric_limits<long double>::infinity())));
  }
}

TEST_CASE("a cast to a byte float stays where it changes a sign of zero") {
  // -x of an fnuz number may be -0, which the format has not.
  const ir::Kernel kernel = load_kernel(
      {"kernel k(x: in f8e4m3fnuz, y: out f32) { y = f8e4m3fnuz(-x); }", "k.swg"}, "k", {});
  const Evaluator evaluator(kernel);
  Evaluator::Workspace workspace;
  Scalar arguments[] = {{.real = 0, .integer = 0}, {}}, results[1];
  evaluator(arguments, results, workspace);
  CHECK(same(results[0].real, 0));
}
