// bench_test.cpp -- `swage bench` as a user runs it, on the CPU and on the test double of CUDA.
#include <nlohmann/json.hpp>

#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

test::Outcome bench(std::vector<std::string> more) {
  more.insert(more.begin(), {"bench", "swiglu", "-D", "T=f32", "--repeat", "3", "--quick"});
  return test::run_swage(more, {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY});
}

/// The names of the stages, each checked to be a time.
std::vector<std::string> stages(const Json& call) {
  std::vector<std::string> names;
  double sum = 0;
  for (const auto& [name, seconds] : call["stage_seconds"].items()) {
    names.push_back(name);
    CHECK(seconds.get<double>() >= 0);
    sum += seconds.get<double>();
  }
  CHECK(call["seconds"].get<double>() == Approx(sum));
  return names;
}

void check_times(const Json& json) {
  CHECK(json["launch"]["seconds"] > 0);
  CHECK(json["launch"]["bare_seconds"] > 0);
  CHECK(json["launch"]["shape"] == json["first_call"]["shape"]);
  for (const Json& shape : json["shapes"]) {
    CHECK(shape["seconds"] > 0);
    CHECK(shape["seconds_low"] <= shape["seconds_high"]);
    CHECK(shape["bytes"] == shape["elements"].get<int>() * 3 * 4);
    CHECK(shape["argument_sets"] >= 1);
    CHECK_FALSE(shape.contains("share_of_memory"));
  }
}

} // namespace

TEST_CASE("bench times shapes, launches and the first call's stages on the CPU") {
  const test::Outcome outcome = bench({"--device", "cpu", "--shapes", "16,4x256", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json json = Json::parse(outcome.out);
  CHECK(stages(json["first_call"]) ==
        std::vector<std::string>{"code", "launch", "load", "lower", "optimise", "parse"});
  REQUIRE(json["shapes"].size() == 2);
  CHECK(json["shapes"][0]["shape"] == Json({16, 256}));
  CHECK(stages(json["first_call_from_disk"]) ==
        std::vector<std::string>{"launch", "load", "parse", "read"});
  CHECK(json["first_call"]["shape"] == Json({4, 256})); // the smallest
  check_times(json);
}

TEST_CASE("bench splits a first call on CUDA into PTX and driver") {
  const test::Outcome outcome = bench({"--device", "cuda:0", "--shapes", "1x8", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Json json = Json::parse(outcome.out);
  CHECK(stages(json["first_call_from_disk"]) ==
        std::vector<std::string>{"launch", "load", "parse", "read"});
  CHECK(stages(json["first_call"]) ==
        std::vector<std::string>{"driver", "launch", "load", "lower", "optimise", "parse", "ptx"});
  check_times(json);
}

TEST_CASE("bench without a place for temporary files leaves out the call from disk") {
  const test::Outcome outcome =
      test::run_swage({"bench", "swiglu", "-D", "T=f32", "--repeat", "1", "--quick", "--device",
                       "cpu", "--shapes", "1x64", "--json"},
                      {"TMPDIR=/nonexistent", "SWAGE_CACHE_DIR="});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK_FALSE(Json::parse(outcome.out).contains("first_call_from_disk"));
}

TEST_CASE("bench shows people a table of stages and one of shapes") {
  const test::Outcome outcome = bench({"--device", "cpu", "--shapes", "1x64"});
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.out, Contains("warm") && Contains("bare") && Contains("optimise") &&
                              Contains("of memory") && Contains("1x64"));
}

TEST_CASE("bench gives a kernel that works in place its values back") {
  const test::Outcome outcome =
      test::run_swage({"bench", "swiglu_backward_inplace", "-D", "T=f32", "--device", "cpu",
                       "--shapes", "4x64", "--quick", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(Json::parse(outcome.out)["shapes"][0]["argument_sets"] == 1);
}

TEST_CASE("bench refuses what cannot be timed") {
  const auto wrong = [](std::vector<std::string> arguments, const char* text) {
    const test::Outcome outcome = bench(std::move(arguments));
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, Contains(text));
  };
  wrong({"--shapes", "0x8"}, "0x8 has no elements");
  wrong({"--shapes", "1,,2"}, "shape");
  wrong({"--repeat", "0", "--shapes", "8"}, "--repeat");
}
