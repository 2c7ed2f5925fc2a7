// byte_float_test.cpp -- conversions to and from floats of one byte on both back ends, bit by bit.
#include "tests/support/catch.hpp"

#include <cstring>

#include <fmt/format.h>

#include "ir/number.hpp"
#include "ir/source.hpp"
#include "tests/codegen/conversions.hpp"
#include "tests/support/byte_float.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;
using swage::test::byte_number;
using swage::test::ByteRounding;
using swage::test::kByteFloats;
using swage::test::value_of_bits;

namespace {

/// All 2^16 values of `type`, or 2^8.
std::vector<std::byte> all_values(DType type) {
  const std::size_t size = static_cast<std::size_t>(size_of(type)), count = size == 2 ? 65536 : 256;
  std::vector<std::byte> bytes(count * size);
  for (std::size_t i = 0; i < count; ++i)
    ir::store_bits(type, bytes.data() + i * size, i);
  return bytes;
}

std::string first_wrong(DType from, DType to, bool saturate, const std::vector<std::byte>& y) {
  const ByteRounding rounding(to);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const unsigned expected =
        rounding(value_of_bits(from, static_cast<std::uint32_t>(i)), saturate);
    if (static_cast<unsigned>(y[i]) != expected)
      return fmt::format("{} {:x} to {} gave {:x}, expected {:x}", name_of(from), i, name_of(to),
                         static_cast<unsigned>(y[i]), expected);
  }
  return {};
}

std::string to_text(DType to, bool saturate) {
  return saturate ? fmt::format("{0}(clamp(x, -{1}, {1}))", name_of(to), ByteRounding(to).largest())
                  : fmt::format("{}(x)", name_of(to));
}

} // namespace

TEST_CASE("all 16-bit floats convert to byte floats as defined, on the host") {
  for (const DType to : kByteFloats)
    for (const DType from : {bf16, f16})
      for (const bool saturate : {false, true}) {
        if (to == e8m0 && saturate)
          continue;
        const ir::Kernel kernel = kernel_of(from, to, to_text(to, saturate));
        for (const int lanes : {1, 16})
          CHECK(first_wrong(from, to, saturate, on_host(kernel, all_values(from), 65536, lanes)) ==
                "");
      }
}

TEST_CASE("all 16-bit floats convert to byte floats as defined, in PTX") {
  for (const int sm : {75, 90})
    for (const DType to : kByteFloats)
      for (const DType from : {bf16, f16})
        for (const bool saturate : {false, true}) {
          if ((to == e8m0 && saturate) || (sm == 75 && from == f16))
            continue;
          INFO("sm_" << sm);
          const ir::Kernel kernel = kernel_of(from, to, to_text(to, saturate));
          CHECK(first_wrong(from, to, saturate, in_ptx(kernel, all_values(from), 65536, sm, 8)) ==
                "");
        }
}

TEST_CASE("all byte floats widen exactly on both back ends") {
  for (const DType from : kByteFloats) {
    const ir::Kernel kernel = kernel_of(from, f32, "x");
    const auto check = [&](const std::vector<std::byte>& y) {
      for (unsigned code = 0; code < 256; ++code) {
        const double got =
            value_of_bits(f32, static_cast<std::uint32_t>(ir::load_bits(f32, y.data() + 4 * code)));
        const double expected = byte_number(from, code);
        INFO(name_of(from) << " " << code << " gave " << got);
        CHECK((std::isnan(expected)
                   ? std::isnan(got)
                   : got == expected && std::signbit(got) == std::signbit(expected)));
      }
    };
    check(on_host(kernel, all_values(from), 256, 16));
    check(on_host(kernel, all_values(from), 256, 1));
    for (const int sm : {75, 90})
      check(in_ptx(kernel, all_values(from), 256, sm, 8));
  }
}

TEST_CASE("powers of two above and below are the same on both back ends") {
  for (const bool up : {true, false}) {
    const ir::Kernel kernel = kernel_of(bf16, e8m0, up ? "e8m0_up(x)" : "e8m0_down(x)");
    const auto check = [&](const std::vector<std::byte>& y) {
      for (std::uint32_t i = 0; i < 65536; ++i) {
        const double value = value_of_bits(bf16, i);
        unsigned expected = 255;
        if (value >= 0 && value <= 0x1p127)
          for (expected = 0; byte_number(e8m0, expected) < value;)
            ++expected;
        if (!up && value >= 0 && !std::isinf(value))
          for (expected = 0; expected < 254 && byte_number(e8m0, expected + 1) <= value;)
            ++expected;
        if (static_cast<unsigned>(y[i]) != expected) {
          FAIL_CHECK((up ? "up" : "down")
                     << " of bf16 " << i << " gave " << static_cast<unsigned>(y[i]));
          return;
        }
      }
    };
    check(on_host(kernel, all_values(bf16), 65536, 16));
    for (const int sm : {75, 90})
      check(in_ptx(kernel, all_values(bf16), 65536, sm, 8));
  }
  // Of f64 there is more on both sides.
  const ir::Kernel wide =
      ir::load_kernel({"kernel k(x: in bf16, y: out e8m0) { y = e8m0(e8m0_down(f64(x) * (x > 1 ? "
                       "1.0e30 : 1.0e-30))); }"},
                      "", {});
  CHECK(on_host(wide, all_values(bf16), 65536, 16) == in_ptx(wide, all_values(bf16), 65536, 90, 8));
}

TEST_CASE("reciprocals of powers of two are exact on both back ends, without a quotient") {
  for (const char* text : {"rcp(e8m0_up(x))", "rcp(e8m0_down(x))", "rcp(e8m0(x))"}) {
    const ir::Kernel kernel = kernel_of(bf16, f32, text);
    const std::vector<std::byte> powers =
        in_ptx(kernel_of(bf16, f32, std::string(text).substr(4, std::strlen(text) - 5)),
               all_values(bf16), 65536, 90, 8);
    const auto wrong = [&](const std::vector<std::byte>& y) {
      int count = 0;
      for (std::size_t i = 0; i < 65536; ++i) {
        const auto at = [&](const std::vector<std::byte>& values) {
          return value_of_bits(
              f32, static_cast<std::uint32_t>(ir::load_bits(f32, values.data() + 4 * i)));
        };
        const double power = at(powers), got = at(y);
        count += std::isnan(power) ? !std::isnan(got) : got != 1 / power;
      }
      return count;
    };
    INFO(text);
    CHECK(wrong(on_host(kernel, all_values(bf16), 65536, 16)) == 0);
    CHECK(wrong(on_host(kernel, all_values(bf16), 65536, 1)) == 0);
    for (const int sm : {75, 90})
      CHECK(wrong(in_ptx(kernel, all_values(bf16), 65536, sm, 8)) == 0);
    const std::string ptx =
        compile(kernel, contiguous(kernel), CudaSchedule{}, cuda_target(90)).payload;
    CHECK(ptx.find("rcp.") == std::string::npos);
    CHECK(ptx.find("div.") == std::string::npos);
  }
}

TEST_CASE("all f32 convert to byte floats as defined, on the host", "[.exhaustive]") {
  constexpr std::size_t kChunk = 1 << 22;
  for (const DType to : kByteFloats) {
    const ir::Kernel kernel = kernel_of(f32, to, to_text(to, false));
    const ByteRounding rounding(to);
    std::vector<std::byte> x(4 * kChunk);
    std::int64_t wrong = 0;
    for (std::uint64_t first = 0; first < std::uint64_t{1} << 32; first += kChunk) {
      for (std::size_t i = 0; i < kChunk; ++i)
        ir::store_bits(f32, x.data() + 4 * i, first + i);
      const std::vector<std::byte> y = on_host(kernel, x, kChunk, 16);
      for (std::size_t i = 0; i < kChunk; ++i)
        wrong += static_cast<unsigned>(y[i]) !=
                 rounding(value_of_bits(f32, static_cast<std::uint32_t>(first + i)));
    }
    INFO(name_of(to));
    CHECK(wrong == 0);
  }
}

TEST_CASE("byte floats are converted in pairs where the GPU can, without a clamp it does itself") {
  const auto ptx = [](const std::string& expression, int sm) {
    const ir::Kernel kernel = kernel_of(bf16, f8e4m3, expression);
    Specialization known = contiguous(kernel);
    for (TensorSpec& spec : known.tensors)
      spec.align_log2 = 4;
    return compile(kernel, known, CudaSchedule{}, cuda_target(sm)).payload;
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const std::string saturating = ptx("f8e4m3(clamp(x, -448, 448))", 90);
  CHECK(has(saturating, "cvt.rn.satfinite.e4m3x2.f32"));
  CHECK_FALSE(has(saturating, "min.")); // of the clamp
  CHECK_FALSE(has(saturating, "setp.gtu.f32"));
  CHECK(has(ptx("f8e4m3(x)", 90), "cvt.rn.satfinite.e4m3x2.f32"));
  CHECK(has(ptx("f8e4m3(x)", 89), ".version 8.1"));
  CHECK_FALSE(has(ptx("f8e4m3(x)", 86), "e4m3x2"));
}
