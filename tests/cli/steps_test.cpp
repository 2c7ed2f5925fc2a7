// steps_test.cpp -- the command on kernels that are computed in steps.
#include <string>

#include <nlohmann/json.hpp>

#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

namespace {

using Catch::Matchers::Contains;
using swage::test::Outcome;
using swage::test::run_swage;
using Json = nlohmann::json;

/// A file with the gradient of a weight that the kernel normalises.
class Steps {
public:
  Steps() {
    swage::test::write_text(path_, "kernel scaled(x: in f32, w: in f32 [col], y: out f32) {"
                                   "  y = x * w * rsqrt(row_mean(w * w)); }\n"
                                   "kernel backward = grad scaled(x, w);\n");
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  Outcome run(const std::string& verb, std::vector<std::string> more,
              std::vector<std::string> environment = {}) const {
    more.insert(more.begin(), {verb, path_, "--kernel", "backward"});
    environment.push_back("SWAGE_TUNING_DIR=");
    return run_swage(more, environment);
  }

private:
  swage::test::TemporaryFolder folder_;
  std::string path_ = folder_.file("k.swg");
};

} // namespace

TEST_CASE("compile gives all steps of a kernel, or one of them") {
  const Steps steps;
  const Outcome all = steps.run("compile", {"--arch", "sm_90"});
  CHECK(all.status == 0);
  CHECK_THAT(all.out, Contains(".entry swage_backward_step1(") &&
                          Contains(".entry swage_backward_step2(") &&
                          Contains(".entry swage_backward_step2_totals(") &&
                          Contains(".entry swage_backward_step3("));
  const Outcome second = steps.run("compile", {"--arch", "sm_90", "--step", "2"});
  CHECK(second.status == 0);
  CHECK_THAT(second.out, Contains("swage_backward_step2(") && !Contains("swage_backward_step1("));
  const Outcome ir = steps.run("compile", {"--emit", "ir", "--step", "3"});
  CHECK_THAT(
      ir.out,
      Contains("kernel backward_step3(w: in f32, d_w: out f32, left2: in f32, left3: in f32"));
  CHECK_THAT(steps.run("compile", {"--emit", "ir"}).out, Contains("kernel backward("));
  const Json json = Json::parse(steps.run("compile", {"--arch", "sm_90", "--json"}).out);
  REQUIRE(json["steps"].size() == 3);
  CHECK(json["steps"][1]["kernel"] == "backward_step2");
  CHECK_THAT(steps.run("compile", {"--arch", "sm_90", "--step", "4"}).err,
             Contains("--step 4: kernel 'backward' is computed in 3 steps"));
  CHECK_THAT(run_swage({"compile", "relu", "-D", "T=f32", "--step", "1"}).err,
             Contains("--step 1: kernel 'relu' is computed in one launch"));
  const Outcome cubin = steps.run("compile", {"--emit", "cubin", "-o", steps.file("a.cubin")},
                                  {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY});
  CHECK(cubin.status == 2);
  CHECK_THAT(cubin.err, Contains("computed in 3 steps, each a cubin; name one, as in --step 1"));
  CHECK(steps
            .run("compile", {"--emit", "cubin", "--step", "2", "-o", steps.file("a.cubin")},
                 {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY})
            .status == 0);
}

TEST_CASE("steps are run, verified, timed and tuned like other kernels") {
  const Steps steps;
  const Outcome ran =
      steps.run("run", {"--shape", "5x1300", "--device", "cpu", "--verify", "--json"});
  CHECK(ran.status == 0);
  CHECK(Json::parse(ran.out)["verified"] == true);
  CHECK(steps.run("verify", {"--device", "cpu", "--samples", "20000"}).status == 0);
  const Outcome timed =
      steps.run("bench", {"--shapes", "3x1000", "--device", "cpu", "--repeat", "1", "--json"});
  INFO(timed.err);
  CHECK(timed.status == 0);
  const Outcome planned =
      steps.run("tune", {"--shapes", "5,64x4096", "--dry-run", "--device", "cuda:0", "--json"},
                {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY});
  CHECK(planned.status == 0);
  const Json shapes = Json::parse(planned.out)["shapes"];
  REQUIRE(shapes.size() == 6);
  CHECK(shapes[0]["step"] == "backward_step1");
  CHECK(shapes[5]["step"] == "backward_step3");
  CHECK(shapes[5]["elements"] == 4096);
  const Outcome tuned =
      steps.run("tune", {"--shape", "8x500", "--device", "cpu", "--force", "--budget", "20ms"});
  CHECK(tuned.status == 0);
  CHECK_THAT(tuned.out, Contains("8x500 backward_step2"));
}

TEST_CASE("steps lie in the cache one by one, and are compiled ahead for the calls to come") {
  const Steps steps;
  const std::string bundle = steps.file("kernels.swgc");
  const Outcome ahead = run_swage({"cache", "export", bundle, "--kernel", steps.file("k.swg"),
                                   "--arch", "host", "--arch", "sm_90"},
                                  {"SWAGE_CACHE_DIR="});
  CHECK(ahead.status == 0);
  // One whose first step reads no element, and so is told the shape by a tensor of one value.
  swage::test::write_text(steps.file("c.swg"), "kernel counted(x: in f32, r: in f32 [row], y: out "
                                               "f32) { y = x - col_sum(r); }\n");
  const std::string counted = steps.file("counted.swgc");
  CHECK(run_swage({"cache", "export", counted, "--kernel", steps.file("c.swg"), "--arch", "host"},
                  {"SWAGE_CACHE_DIR="})
            .status == 0);
  const Outcome shaped = run_swage(
      {"run", steps.file("c.swg"), "--shape", "128x128", "--device", "cpu", "--repeat", "0"},
      {"SWAGE_CACHE_DIR=", "SWAGE_CACHE_BUNDLE=" + counted, "SWAGE_LOG=debug",
       "SWAGE_TUNING_DIR="});
  CHECK_THAT(shaped.err, Contains("counted_step1") && !Contains("miss"));
  const Outcome ran =
      steps.run("run", {"--shape", "128x128", "--device", "cpu", "--repeat", "0"},
                {"SWAGE_CACHE_DIR=", "SWAGE_CACHE_BUNDLE=" + bundle, "SWAGE_LOG=debug"});
  INFO(ran.err);
  CHECK(ran.status == 0);
  CHECK_THAT(ran.err, Contains("backward_step1 for cpu") && Contains("backward_step2 for cpu") &&
                          Contains("hit in bundle") && !Contains("miss"));
}
