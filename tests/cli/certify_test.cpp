// certify_test.cpp -- what `swage certify` states, on the CPU and on an emulated GPU.
#include <nlohmann/json.hpp>

#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

const std::vector<std::string> kGpu = {"SWAGE_CACHE_DIR=",
                                       "SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY};

std::vector<std::string> with(std::vector<std::string> all,
                              std::initializer_list<const char*> more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

} // namespace

TEST_CASE("certify on a GPU says which modes' bits a kernel has") {
  // Arithmetic alone, one operation: every reference has its bits.
  const test::TemporaryFolder folder;
  const std::string path = folder.file("product.swg");
  test::write_text(path, "kernel product<T>(a: in T, b: in T, y: out T) { y = a * b; }\n");
  const test::Outcome equal = test::run_swage(
      {"certify", path, "-D", "T=bf16", "--samples", "5000", "--device", "cuda:0", "--json"}, kGpu);
  INFO(equal.out << equal.err);
  REQUIRE(equal.status == 0);
  const auto statement = nlohmann::json::parse(equal.out);
  CHECK(statement["certified"] == true);
  CHECK(statement["inputs"] == 5000);
  CHECK(statement["exhaustive"] == false);
  for (const char* reference : {"evaluator", "triton", "torch"}) {
    CHECK(statement["outputs"][0][reference]["checked"] == 5000);
    CHECK(statement["outputs"][0][reference]["differ"] == 0);
  }

  const test::Outcome other = test::run_swage(
      {"certify", "swiglu", "-D", "T=bf16", "--samples", "5000", "--device", "cuda:0", "--json"},
      kGpu);
  REQUIRE(other.status == 0);
  CHECK(nlohmann::json::parse(other.out)["outputs"][0]["triton"]["differ"] > 0);
}

TEST_CASE("certify says why there is no comparison") {
  const test::Outcome cpu = test::run_swage(
      {"certify", "silu_backward", "-D", "T=bf16", "--samples", "5000", "--device", "cpu"});
  INFO(cpu.out << cpu.err);
  CHECK(cpu.status == 0);
  CHECK(cpu.out.find("not compared with triton: its bits are those of a CUDA device") !=
        std::string::npos);
  CHECK(cpu.out.find("gradient of silu: ") != std::string::npos);
  CHECK(cpu.out.find("\ncertified\n") != std::string::npos);

  const test::Outcome gpu = test::run_swage(
      {"certify", "gelu", "-D", "T=f64", "--samples", "1000", "--device", "cuda:0"}, kGpu);
  CHECK(gpu.out.find("not compared with torch: ") != std::string::npos);
}

TEST_CASE("a planted fault is not certified") {
  const test::Outcome outcome = test::run_swage(
      {"certify", "swiglu", "-D", "T=bf16", "--samples", "5000", "--device", "cuda:0"},
      with(kGpu, {"SWAGE_FAKE_CUDA_PLANT=cvt.rn.bf16x2.f32=>cvt.rz.bf16x2.f32"}));
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(outcome.out.find("\nNOT certified\n") != std::string::npos);
}
