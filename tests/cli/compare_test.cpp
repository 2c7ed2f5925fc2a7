// compare_test.cpp -- verification sees every wrong element, and only those.
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>

#include "ir/source.hpp"
#include "runtime/verify/admissible.hpp"
#include "runtime/verify/compare.hpp"
#include "swage/swage.hpp"

using namespace swage;
using namespace swage::verify;

namespace {

ir::Kernel bound(const std::string& text, const std::vector<Binding>& bindings = {},
                 std::optional<ir::MathMode> math = std::nullopt) {
  return ir::load_kernel({text}, "", bindings, math);
}

/// A kernel run on the CPU, with a way to spoil its results.
struct Run {
  Run(const std::string& text, const Shape& call_shape)
      : graph(bound(text)), shape(call_shape), operands(device, graph, {.shape = call_shape}) {
    operands.upload(true);
    device.kernel(text, "").launch(nullptr, operands.arguments());
  }
  template <class T>
  T& at(std::size_t param, std::size_t index) {
    return static_cast<T*>(operands.all()[param].buffer.data())[index];
  }
  std::vector<OutputComparison> compared(const CompareOptions& options = {}) const {
    return compare(graph, operands, shape, options);
  }

  Device device = Device::open("cpu");
  ir::Kernel graph;
  Shape shape;
  Operands operands;
};

const std::string kSwiglu = "kernel k(gate: in f32, up: in f32, h: out f32) "
                            "{ h = gate * sigmoid(gate) * up; }";

float as_float(std::uint64_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}
std::uint64_t bits_of(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

} // namespace

TEST_CASE("a right result passes, every element of it") {
  const Run run(kSwiglu, {7, 1001});
  const auto outputs = run.compared();
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].checked == 7 * 1001);
  CHECK(outputs[0].wrong == 0);
  CHECK(outputs[0].max_error < 16);
  CHECK(outputs[0].max_error > 0);
}

TEST_CASE("one wrong element anywhere is found and shown") {
  for (const std::size_t index : {0, 255, 256, 3500, 7006}) {
    Run run(kSwiglu, {7, 1001});
    float& element = run.at<float>(2, index);
    const float right = element;
    element *= 1.00001f; // 80 to 170 ulp
    const auto outputs = run.compared();
    CHECK(outputs[0].wrong == 1);
    REQUIRE(outputs[0].worst);
    CHECK(outputs[0].worst->index == static_cast<std::int64_t>(index));
    CHECK(std::abs(as_float(outputs[0].worst->expected) / right - 1) < 1e-6f);
    CHECK(as_float(outputs[0].worst->got) == element);
    CHECK(outputs[0].worst->error > 50);
    CHECK(outputs[0].worst->inputs[0] == bits_of(run.at<float>(0, index)));
  }
}

TEST_CASE("a kernel that never ran is wrong in every element") {
  const Device device = Device::open("cpu");
  const ir::Kernel kernel = bound("kernel k(a: in i8, b: out i8) { b = a; }");
  Operands operands(device, kernel, {.shape = {1000}});
  operands.upload(true);
  CHECK(compare(kernel, operands, {1000}, {})[0].wrong == 1000);
}

TEST_CASE("an element that was never stored is found") {
  Run run("kernel k(a: in i32, b: out i32) { b = a; }", {1000});
  run.at<std::uint32_t>(1, 999) = 0x5a5a5a5a;
  const auto outputs = run.compared();
  CHECK(outputs[0].wrong == 1);
  CHECK(outputs[0].worst->index == 999);
}

TEST_CASE("a NaN for a number and a number for a NaN are infinitely wrong") {
  Run run("kernel k(a: in f32, b: out f32) { b = a * 0.5; }", {1000});
  run.at<float>(1, 10) = NAN;
  const auto outputs = run.compared();
  CHECK(outputs[0].wrong == 1);
  CHECK(std::isinf(outputs[0].max_error));
}

TEST_CASE("a wrong element is shown before an admitted one with a larger error") {
  // Next to the root of 1 - exp(a), any error in ulp is possible and admitted.
  Run run("kernel k(a: in f32, b: out f32) { b = 1 - exp(a); }", {4});
  for (const std::size_t i : {0, 1, 2, 3})
    run.at<float>(0, i) = i == 1 ? 1e-7f : 0.5f;
  run.at<float>(1, 0) = run.at<float>(1, 2) = -0.6487213f;
  run.at<float>(1, 1) = -2.1e-7f; // -1e-7, with exp(a) an ulp off
  run.at<float>(1, 3) = -0.6488f;
  const auto outputs = run.compared();
  CHECK(outputs[0].admitted == 1);
  CHECK(outputs[0].admitted_by[static_cast<std::size_t>(Reason::cancellation)] == 1);
  CHECK(outputs[0].wrong == 1);
  CHECK(outputs[0].worst->index == 3);
}

TEST_CASE("where every step is correctly rounded, terms that cancel leave no choice") {
  Run run("kernel k(a: in f32, b: out f32) { b = 1 - a * a * a; }", {1});
  run.at<float>(0, 0) = 1.0000001f;
  run.at<float>(1, 0) = -4e-7f; // -3.6e-7
  CHECK(run.compared()[0].wrong == 1);
}

TEST_CASE("a limit of the user's is hard") {
  Run run("kernel k(a: in f32, b: out f32) { b = 1 - exp(a); }", {1});
  run.at<float>(0, 0) = 1e-7f;
  run.at<float>(1, 0) = -2.1e-7f;
  CHECK(run.compared()[0].wrong == 0);
  CHECK(run.compared({.max_ulp = 16.0})[0].wrong == 1);
}

TEST_CASE("a sample covers the first and the last elements and states its size") {
  Run run("kernel k(a: in u8, b: out u8) { b = a; }", {1'000'003});
  const CompareOptions options = {.sample = 10'000};
  const auto right = run.compared(options);
  CHECK(right[0].checked == 9984); // 39 blocks of 256
  CHECK(right[0].wrong == 0);
  run.at<std::uint8_t>(1, 0) = 100;
  run.at<std::uint8_t>(1, 1'000'002) = 100;
  CHECK(run.compared(options)[0].wrong == 2);
}

TEST_CASE("broadcasts are followed by row and by column") {
  const std::string text = "kernel k(x: in f32, r: in f32 [row], c: in f32 [col], y: out f32) "
                           "{ y = x * r + c; }";
  for (const Shape& shape : {Shape{5, 7}, Shape{2, 3, 300}, Shape{1, 1}, Shape{300, 1}}) {
    Run run(text, shape);
    CHECK(run.compared()[0].wrong == 0);
    run.at<float>(3, 0) += 1;
    CHECK(run.compared()[0].wrong == 1);
  }
}

TEST_CASE("no elements verify") {
  const Run run(kSwiglu, {0, 5});
  CHECK(run.compared()[0].checked == 0);
  CHECK(run.compared()[0].wrong == 0);
}

TEST_CASE("either side of a tie at a rounding point is admitted, and nothing further") {
  // a + b is a tie of bf16 up to an f32 rounding: T may go to either neighbour.
  const AdmissibleResults results(
      bound("kernel k(a: in f32, b: in f32, y: out bf16) { y = bf16(a / b) * 2; }"));
  const float tie = 1 + 0x1p-8f; // between 1 and 1 + 2^-7
  const std::uint64_t arguments[] = {bits_of(tie * 3), bits_of(3), 0};
  const auto twice = [](float x) {
    return bits_of(x * 2) >> 16; // exact
  };
  CHECK(results.check(0, twice(1), arguments));
  CHECK(results.check(0, twice(1 + 0x1p-7f), arguments));
  CHECK_FALSE(results.check(0, twice(1 + 0x1p-6f), arguments));
  CHECK_FALSE(results.check(0, twice(1 - 0x1p-7f), arguments));
}

TEST_CASE("a comparison of values within rounding may go either way") {
  const AdmissibleResults results(
      bound("kernel k(a: in f32, b: in f32, y: out f32) { y = exp(a) < b ? 1 : 2; }"));
  const std::uint64_t close[] = {bits_of(1), bits_of(2.7182817f), 0};
  CHECK(results.check(0, bits_of(1), close));
  CHECK(results.check(0, bits_of(2), close));
  CHECK_FALSE(results.check(0, bits_of(3), close));
  const std::uint64_t apart[] = {bits_of(1), bits_of(2.8f), 0};
  CHECK(results.check(0, bits_of(1), apart));
  CHECK_FALSE(results.check(0, bits_of(2), apart));
}

TEST_CASE("an infinity or NaN where the exact value is finite is wrong, however it came about") {
  const AdmissibleResults results(
      bound("kernel k(a: in f32, b: in f32, y: out f32) { y = (a * a) * b; }"));
  const std::uint64_t arguments[] = {bits_of(0x1p100f), bits_of(0x1p-100f), 0};
  CHECK_FALSE(results.check(0, bits_of(INFINITY), arguments));
  CHECK_FALSE(results.check(0, bits_of(NAN), arguments));
  const std::uint64_t small[] = {bits_of(1), bits_of(2), 0};
  CHECK_FALSE(results.check(0, bits_of(INFINITY), small));
}

TEST_CASE("what overflow loses is admitted below the smallest normal number, and no further") {
  const AdmissibleResults results(
      bound("kernel k(x: in f32, c: in f32, y: out f32) { y = c / (2 + exp(-x)); }"));
  const std::uint64_t one[] = {bits_of(-95), bits_of(1), 0}; // 5.5e-42
  CHECK(results.check(0, bits_of(0), one) == Reason::overflow);
  const std::uint64_t large[] = {bits_of(-95), bits_of(1e10f), 0}; // 5.5e-32
  CHECK_FALSE(results.check(0, bits_of(0), large));
}

TEST_CASE("a jump gives the values on its sides, within the stated error of its argument") {
  const AdmissibleResults steps(bound("kernel k(a: in f32, y: out f32) { y = floor(exp(a)); }"));
  const std::uint64_t one[] = {bits_of(0), 0};
  CHECK(steps.check(0, bits_of(0), one) == Reason::jump);
  CHECK(steps.check(0, bits_of(1), one));
  CHECK_FALSE(steps.check(0, bits_of(0.5f), one));
  CHECK_FALSE(steps.check(0, bits_of(2), one));
  const AdmissibleResults chosen(
      bound("kernel k(a: in f32, y: out f32) { y = exp(a) < 1 ? 3 : 7; }"));
  CHECK(chosen.check(0, bits_of(3), one));
  CHECK(chosen.check(0, bits_of(7), one));
  CHECK_FALSE(chosen.check(0, bits_of(5), one));
  const std::uint64_t near[] = {bits_of(3e-7f), 0}; // three ulp above 1, of which exp owes one
  CHECK_FALSE(chosen.check(0, bits_of(3), near));
}

TEST_CASE("what is correctly rounded and exact leaves a jump no choice") {
  const AdmissibleResults quotient(
      bound("kernel k(a: in bf16, b: in bf16, y: out bf16) { y = trunc(a / b); }"));
  const std::uint64_t thirds[] = {bits_of(33) >> 16, bits_of(33) >> 16, 0};
  CHECK(quotient.check(0, bits_of(1) >> 16, thirds));
  CHECK_FALSE(quotient.check(0, bits_of(0) >> 16, thirds));
}

TEST_CASE("admitted elements are counted by reason, and the worst is kept") {
  Run run("kernel k(a: in f32, y: out f32) { y = exp(a) < 1 ? 3 : 7; }", {4});
  for (const std::size_t i : {0, 1, 2, 3}) {
    run.at<float>(0, i) = i == 3 ? 1.0f : 0.0f;
    run.at<float>(1, i) = i < 2 ? 3.0f : 7.0f;
  }
  const OutputComparison found = run.compared()[0];
  CHECK(found.wrong == 0);
  CHECK(found.admitted == 2);
  CHECK(found.admitted_by[static_cast<std::size_t>(Reason::jump)] == 2);
  REQUIRE(found.worst_admitted);
  CHECK(found.worst_admitted->index == 0);
  CHECK(as_float(found.worst_admitted->got) == 3);
}

TEST_CASE("modes other than accurate are held to wider bounds") {
  const std::string text = "kernel k(a: in f32, y: out f32) { y = exp(a); }";
  const AdmissibleResults accurate(bound(text));
  const AdmissibleResults triton(bound(text, {}, ir::MathMode::triton));
  const std::uint64_t arguments[] = {bits_of(0), 0};
  const std::uint64_t off = bits_of(1 + 30 * 0x1p-23f);
  CHECK_FALSE(accurate.check(0, off, arguments));
  CHECK(triton.check(0, off, arguments));
}
