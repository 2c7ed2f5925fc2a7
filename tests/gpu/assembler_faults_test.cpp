// assembler_faults_test.cpp -- what an assembler made wrong code of has the evaluator's bits on a
// CUDA device; see codegen/assembler_faults.hpp.
#include <string_view>

#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// `text` on 64 rows of `columns`, by default and in a few schedules.
void check(const Device& device, const std::string& text, std::int64_t columns = 216) {
  INFO(text);
  check_some(device, device.kernel(text, ""), {64, columns}, {}, schedules_of_call(2, 4), 141);
}

} // namespace

TEST_CASE("maxima and minima of negated integers have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* type : {"i8", "i16", "i32"})
    for (const char* value :
         {"max(max(a, -b), c)", "min(min(a, 0 - b), c)", "max(max(a, b * -1), c)",
          "max(max(a, -abs(b)), c)", "max(max(a, b * -4), c)", "min(min(a, b / -4), c)",
          "row_max(-a)", "row_min(-a)", "row_max(a * -128)"})
      check(*device,
            fmt::format("kernel k(a: in {0}, b: in {0}, c: in {0}, y: out {0}{1}, z: out {0} [row])"
                        " {{ y = {2}; z = row_max(max(max(a, -b), c)); }}",
                        type, std::string_view(value).starts_with("row") ? " [row]" : "", value));
}

TEST_CASE("products with reduced constants have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* constant :
       {"group_max(i32(-1), 8)", "row_max(i32(-1))", "group_sum(i32(-1), 8) + 7",
        "row_min(i32(-1))", "group_max(i16(-1), 8)"})
    for (const char* reduction : {"row_min", "row_max"})
      check(*device,
            fmt::format("kernel k(x: in i32, s: i16, y: out i32 [row], z: out i32) {{"
                        "  let t = s * ({}); y = {}(max(t, t)); z = max(max(x, t), s); }}",
                        constant, reduction),
            768);
}

TEST_CASE("products of 64-bit integers and powers of two have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* factor :
       {"2147483648", "-2147483648", "1073741824", "4294967296", "-4294967296"})
    for (const char* kernel :
         {"kernel k(x: in f8e4m3fnuz, s: i64, y: out i64 [col group 32]) {{ y = s * {}; }}",
          "kernel k(x: in f8e4m3fnuz, a: in i64, s: i64, y: out i64, z: out i64 [group 24])"
          " {{ y = a * {0}; z = s * {0}; }}",
          "kernel k(a: in i64, r: in i64 [row], s: i64, y: out i64 [row], z: out i64 [col])"
          " {{ y = row_sum(a * {0}) + r * {0}; z = s * {0}; }}"})
      check(*device, fmt::format(fmt::runtime(kernel), factor));
}

TEST_CASE("absolute values of the least integers have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* type : {"i8", "i16", "i32", "i64"})
    check(*device,
          fmt::format("kernel k(x: in {}, a: out f32, b: out f64, c: out i64, d: out i32) {{"
                      "  a = f32(abs(x)); b = f64(abs(x)) * 2; c = i64(abs(x));"
                      "  d = i32(max(abs(x), 0)); }}",
                      type));
}

TEST_CASE("bytes of maxima with zero have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* type : {"u8", "i8"})
    for (const char* value : {"max(x, 0)", "round(max(x, 0))", "max(round(x), -0.0)", "relu(x)",
                              "x > 0 ? x : 0", "-min(x, 0)", "max(min(x, 300), 0)",
                              "clamp(x * 100, 0, 255)", "floor(max(x * 100, 0))", "max(x, y)"})
      for (const char* input : {"f32", "f16"})
        check(*device,
              fmt::format("kernel k(x: in {0}, y: f32, q: out {1}, m: out f32) {{"
                          "  let h = f32({2}); q = {1}(h); m = h; }}",
                          input, type, value),
              320);
}

TEST_CASE("chosen constants rounded to fewer bits have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* type : {"f16", "bf16", "f8e5m2", "f8e4m3", "f32"})
    for (const char* wide : {"i32(x) - 3", "i64(x) - 3", "f64(x ? 2.0 : 3.0)"})
      check(*device,
            fmt::format("kernel k(x: in bool [col], g: in f32, y: out {0}, z: out {0}, w: out f32)"
                        " {{ let t = {1}; y = round(trunc({0}(t))); z = {0}(t); w = f32(t); }}",
                        type, wide),
            320);
}
