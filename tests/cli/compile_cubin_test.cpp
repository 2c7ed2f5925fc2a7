// compile_cubin_test.cpp -- `swage compile --emit cubin`, by the test double of the CUDA driver.
#include <nlohmann/json.hpp>

#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;

namespace {

test::Outcome compile(std::vector<std::string> more, std::vector<std::string> environment = {}) {
  more.insert(more.begin(), {"compile", "swiglu", "-D", "T=bf16", "--emit", "cubin"});
  environment.insert(environment.begin(), "SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY);
  return test::run_swage(more, environment);
}

const std::vector<std::string> kTwo = {"SWAGE_FAKE_CUDA_DEVICES=2", "SWAGE_FAKE_CUDA_SM=80,90"};

} // namespace

TEST_CASE("a cubin is what the driver of a device of that architecture makes") {
  const test::TemporaryFolder folder;
  for (const char* arch : {"sm_80", "sm_90"}) {
    const std::string path = folder.file(arch);
    const test::Outcome outcome = compile({"--arch", arch, "-o", path}, kTwo);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.out.empty());
    const std::string cubin = test::read_text(path);
    CHECK(cubin.starts_with("\177ELF"));
    CHECK_THAT(cubin, Contains(std::string(".target ") + arch)); // the double's cubin holds its PTX
  }
}

TEST_CASE("without --arch a cubin is for the first CUDA device") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.cubin");
  const test::Outcome outcome = compile({"-o", path, "--json"}, kTwo);
  REQUIRE(outcome.status == 0);
  const nlohmann::json json = nlohmann::json::parse(outcome.out);
  CHECK(json["form"] == "cubin");
  CHECK(json["output"] == path);
  CHECK_FALSE(json.contains("text"));
  CHECK_THAT(test::read_text(path), Contains(".target sm_80"));
}

TEST_CASE("a cubin that cannot be made says what is there") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.cubin");
  const test::Outcome other = compile({"--arch", "sm_120", "-o", path}, kTwo);
  CHECK(other.status == 1);
  CHECK_THAT(other.err,
             Contains("no sm_120 device") && Contains("found cuda:0 (sm_80), cuda:1 (sm_90)"));
  const test::Outcome none = compile({"--arch", "sm_90", "-o", path}, {"SWAGE_LIBCUDA_PATH="});
  CHECK(none.status == 1);
  CHECK_THAT(none.err, Contains("found no CUDA device"));
  CHECK(test::read_text(path).empty());
}

TEST_CASE("a cubin is neither printed nor made for the host") {
  const test::TemporaryFolder folder;
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"--arch", "sm_90"}, {"--arch", "sm_90", "-o", "-"}}) {
    const test::Outcome printed = compile(arguments);
    CHECK(printed.status == 2);
    CHECK(printed.out.empty());
    CHECK_THAT(printed.err, Contains("name a file with -o"));
  }
  const test::Outcome host = compile({"--arch", "host", "-o", folder.file("a")});
  CHECK(host.status == 2);
  CHECK_THAT(host.err, Contains("the host has no cubin"));
}
