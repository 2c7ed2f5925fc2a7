// verify_test.cpp -- `swage verify`: what it covers, counts and refuses.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "ir/number.hpp"
#include "ir/source.hpp"
#include "runtime/verify/histogram.hpp"
#include "runtime/verify/row_inputs.hpp"
#include "runtime/verify/test_inputs.hpp"
#include "swage/error.hpp"
#include "tests/cli/subprocess.hpp"

using namespace swage;
using test::Outcome;
using verify::ErrorHistogram;
using verify::InputOptions;
using verify::TestInputs;
using Json = nlohmann::json;

namespace {

Outcome run_verify(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "verify");
  arguments.insert(arguments.end(), {"--device", "cpu"});
  return test::run_swage(arguments, {"SWAGE_CACHE_DIR="});
}

Json verify_json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = run_verify(arguments);
  INFO(outcome.err);
  return Json::parse(outcome.out);
}

ir::Kernel kernel(const char* text) {
  return ir::load_kernel({text}, "", {});
}

std::vector<std::uint16_t> filled(const TestInputs& inputs, std::size_t param, std::int64_t first,
                                  std::size_t count) {
  std::vector<std::uint16_t> values(count);
  inputs.fill(param, first, std::as_writable_bytes(std::span(values)));
  return values;
}

} // namespace

TEST_CASE("errors are counted in the bucket that they are in, bounds included") {
  ErrorHistogram histogram;
  for (const double error : {0.0, 0.25, 0.5, 0.5000001, 0.51, 1.0, 3.0})
    histogram.add(error);
  histogram.add(std::numeric_limits<double>::infinity());
  histogram.add(std::numeric_limits<double>::quiet_NaN());
  CHECK(histogram.count(0) == 1);
  CHECK(histogram.count(1) == 1);
  CHECK(histogram.count(2) == 1);
  CHECK(histogram.count(3) == 1);
  CHECK(histogram.count(ErrorHistogram::kBounds.size() - 1) == 2);
  CHECK(histogram.total() == 9);
  CHECK(ErrorHistogram::label(2) == "0.25 to 0.5");
}

TEST_CASE("exhaustive inputs are every combination of bits once") {
  const ir::Kernel graph = kernel("kernel k(a: in i8, b: in u8, y: out i8) { y = a + b; }");
  const TestInputs inputs(graph, {.exhaustive = true});
  REQUIRE(inputs.count() == 65536);
  std::vector<std::byte> a(65536), b(65536);
  inputs.fill(0, 0, a);
  inputs.fill(1, 0, b);
  std::set<std::pair<std::byte, std::byte>> pairs;
  for (std::size_t i = 0; i < a.size(); ++i)
    pairs.insert({a[i], b[i]});
  CHECK(pairs.size() == 65536);
}

TEST_CASE("with pairs every value of the first input meets so many of the second") {
  const ir::Kernel graph = kernel("kernel k(a: in bf16, b: in bf16, y: out bf16) { y = a * b; }");
  const TestInputs inputs(graph, {.exhaustive = true, .pairs = 3});
  REQUIRE(inputs.count() == 3 * 65536);
  const auto a = filled(inputs, 0, 3 * 1000, 6);
  CHECK(a == std::vector<std::uint16_t>{1000, 1000, 1000, 1001, 1001, 1001});
  const auto b = filled(inputs, 1, 0, 3000);
  CHECK(std::set(b.begin(), b.end()).size() > 2800);
  // Any element can be had without those before it.
  CHECK(filled(inputs, 1, 1500, 10) == std::vector(b.begin() + 1500, b.begin() + 1510));
}

TEST_CASE("random inputs hold special values and many exponents") {
  const ir::Kernel graph = kernel("kernel k(a: in f16, y: out f16) { y = a; }");
  const auto values = filled(TestInputs(graph, {.samples = 4000}), 0, 0, 4000);
  std::set<int> exponents;
  for (const std::uint16_t value : values)
    exponents.insert(value >> 10 & 31);
  CHECK(exponents.size() == 32);
  const std::set<std::uint16_t> all(values.begin(), values.end());
  for (const int special : {0x0000, 0x8000, 0x0001, 0x7c00, 0xfc00, 0x7bff, 0x7e00})
    CHECK(all.count(static_cast<std::uint16_t>(special)) == 1);
}

TEST_CASE("what cannot be covered is refused with what to do") {
  const auto refusal = [](const char* text, const InputOptions& options) -> std::string {
    try {
      TestInputs(kernel(text), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(refusal("kernel k(a: in f64, y: out f64) { y = a; }", {.exhaustive = true}),
             ContainsSubstring("64 bits together") && ContainsSubstring("take random samples"));
  CHECK_THAT(refusal("kernel k(a: in f16, r: in f16 [row], y: out f16) { y = a * r; }",
                     {.exhaustive = true}),
             ContainsSubstring("'r'"));
  CHECK_THAT(
      refusal("kernel k(a: in f16, y: out f16) { y = a; }", {.exhaustive = true, .pairs = 9}),
      ContainsSubstring("reads 1"));
  CHECK_THAT(refusal("kernel k(a: in f16, y: out f16) { y = a; }", {.pairs = 9}),
             ContainsSubstring("exhaustive"));
}

TEST_CASE("verify covers every input of a 16-bit function within 0.51 ulp") {
  const Json report = verify_json({"gelu_tanh", "-D", "T=bf16", "--exhaustive"});
  CHECK(report["inputs"] == 65536);
  CHECK(report["verified"] == true);
  const Json& output = report["outputs"][0];
  CHECK(output["checked"] == 65536);
  std::int64_t results = 0;
  for (const Json& bucket : output["histogram"])
    results += bucket["results"].get<std::int64_t>();
  CHECK(results == 65536);
}

TEST_CASE("ties go to the side that silu is on, where it is next to x / 2 and next to x") {
  const auto misrounded = [](const char* type, const char* pairs, const char* where) {
    const Json json = verify_json({"swiglu", "-D", std::string("T=") + type, "--exhaustive",
                                   "--pairs", pairs, "--where", where});
    const Json& output = json["outputs"][0];
    CHECK(output["checked"] > 20'000);
    return output["misrounded"].get<int>();
  };
  CHECK(misrounded("bf16", "20",
                   "abs(gate) < 0x1p-26 && abs(gate) > 0x1p-120 && abs(gate * up) > 0x1p-125") ==
        0);
  CHECK(misrounded("bf16", "20", "gate > 24 && abs(gate * up) > 0x1p-125") == 0);
  CHECK(misrounded("f16", "20", "gate > 24 && abs(gate * up) > 0x1p-13") == 0);
}

TEST_CASE("swiglu on a GPU whose approximations are as bad as PTX allows is within 0.51 ulp") {
  const Outcome outcome =
      test::run_swage({"verify", "swiglu", "-D", "T=bf16", "--exhaustive", "--pairs", "2",
                       "--device", "cuda:0", "--where", "abs(silu(gate)) >= 0x1p-126", "--json"},
                      {"SWAGE_CACHE_DIR=", "SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY,
                       "SWAGE_FAKE_CUDA_WORST=1"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json output = Json::parse(outcome.out)["outputs"][0];
  CHECK(output["checked"] > 90'000);
  CHECK(output["max_ulp"] <= 0.51);
}

TEST_CASE("swiglu is within 0.51 ulp wherever silu(gate) is a normal f32") {
  for (const char* type : {"T=bf16", "T=f16"}) {
    const Json report = verify_json({"swiglu", "-D", type, "--exhaustive", "--pairs", "16",
                                     "--where", "abs(silu(gate)) >= 0x1p-126"});
    const Json& output = report["outputs"][0];
    CHECK(output["checked"].get<std::int64_t>() > 700'000);
    CHECK(output["checked"].get<std::int64_t>() < 16 * 65536);
    CHECK(output["max_ulp"].get<double>() <= 0.51);
  }
}

TEST_CASE("a hard limit makes verify fail, with the worst inputs shown") {
  const Outcome outcome =
      run_verify({"swiglu", "-D", "T=f32", "--samples", "20000", "--max-ulp", "0.1"});
  CHECK(outcome.status == 1);
  for (const char* part : {"NOT verified", "exact", "expected", "got", "gate", "up"})
    CHECK_THAT(outcome.out, Catch::Matchers::ContainsSubstring(part));
}

TEST_CASE("a wrong --where is shown with a caret") {
  const Outcome outcome = run_verify({"swiglu", "-D", "T=bf16", "--where", "abs(gat) > 1"});
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.err, Catch::Matchers::ContainsSubstring("'gat'") &&
                              Catch::Matchers::ContainsSubstring("^"));
}

TEST_CASE("rows to verify are of every kind and length, and whole groups") {
  const ir::Kernel softmax =
      kernel("kernel k(x: in f32, y: out f32) { y = exp(x - row_max(x)) / row_sum(x); }");
  const verify::RowInputs inputs(softmax, {.columns = {1, 100}, .samples = 80'000});
  std::int64_t equal = 0, not_finite = 0, small = 0, large = 0, rows = 0;
  for (const verify::RowInputs::Step& step : inputs.steps()) {
    std::vector<float> x(static_cast<std::size_t>(step.rows * step.columns));
    inputs.fill(0, step, std::as_writable_bytes(std::span(x)));
    if (step.columns == 1)
      continue;
    for (auto row = x.begin(); row != x.end(); row += step.columns, ++rows) {
      const auto end = row + step.columns;
      equal += std::all_of(row, end, [&](float value) { return value == *row; });
      not_finite += std::any_of(row, end, [](float value) { return !std::isfinite(value); });
      small += std::all_of(row, end, [](float value) { return std::fabs(value) < 0.01f; });
      large += std::any_of(row, end, [](float value) { return std::fabs(value) > 100; });
    }
  }
  CHECK(inputs.count() == 80'000);
  CHECK(rows == 400);
  for (const std::int64_t kind : {equal, not_finite, small, large})
    CHECK(kind > 8);
  const ir::Kernel groups =
      kernel("kernel k(x: in f32, s: out f32 [group 48]) { s = group_max(x, 48); }");
  const verify::RowInputs whole(groups, {});
  for (const verify::RowInputs::Step& step : whole.steps())
    CHECK(step.columns % 48 == 0);
  CHECK_THROWS_AS(verify::RowInputs(softmax, {.columns = {0}}), Error);
}
