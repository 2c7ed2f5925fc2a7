// rows_test.cpp -- the command on kernels that reach along their rows.
#include <string>

#include <nlohmann/json.hpp>

#include "tests/cli/subprocess.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/catch.hpp"

namespace {

using swage::codegen::test::guarded_loads;
using swage::test::Outcome;
using swage::test::run_swage;
using swage::test::TemporaryFolder;
using swage::test::write_text;

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("run --verify holds whole rows of the catalogue's norms and softmax to the evaluator") {
  for (const char* name : {"rms_norm", "rms_norm_backward", "rms_norm_gemma", "layer_norm",
                           "layer_norm_backward", "l2_norm", "softmax", "softmax_backward",
                           "softmax_grad", "log_softmax", "log_softmax_backward"})
    for (const char* type : {"T=bf16", "T=f32", "T=f64"}) {
      INFO(name << " " << type);
      const Outcome ran = run_swage({"run", name, "-D", type, "--shape", "5x1300", "--device",
                                     "cpu", "--verify", "--repeat", "0"});
      INFO(ran.out << ran.err);
      CHECK(ran.status == 0);
      CHECK(holds(ran.out, "\nverified"));
    }
}

TEST_CASE("run --verify counts what it compares: values of rows of no columns, one for all once") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg");
  write_text(kernel, "kernel rows(x: in f32, y: out f32 [row]) { y = row_sum(x) + 1; }\n"
                     "kernel all(x: in f32, y: out f32 [tensor], r: out f32 [row]) { y = 3; r = "
                     "row_sum(x); }");
  const auto checked = [&](const char* name, const char* of_shape) {
    const Outcome ran = run_swage({"run", kernel, "--kernel", name, "--shape", of_shape, "--device",
                                   "cpu", "--verify", "--repeat", "0", "--json"});
    INFO(ran.out << ran.err);
    REQUIRE(ran.status == 0);
    return nlohmann::json::parse(ran.out)["outputs"][0]["checked"].get<int>();
  };
  CHECK(checked("rows", "4x0") == 4);
  CHECK(checked("all", "10x8") == 1);
}

TEST_CASE("a limit that no result can meet is seen by run --verify") {
  const Outcome ran = run_swage({"run", "softmax", "-D", "T=f32", "--shape", "5x1300", "--device",
                                 "cpu", "--verify", "--repeat", "0", "--max-ulp", "0.1"});
  CHECK(ran.status == 1);
  CHECK(holds(ran.out, "NOT verified"));
}

TEST_CASE("verify and certify hold rows of every kind to the evaluator, forward and backward") {
  for (const std::string verb : {"verify", "certify"})
    for (const char* name : {"rms_norm", "rms_norm_backward", "layer_norm_backward", "softmax",
                             "softmax_backward", "log_softmax"})
      for (const char* type : {"T=bf16", "T=f16", "T=f32"}) {
        INFO(verb << " " << name << " " << type);
        const Outcome ran = run_swage({verb, name, "-D", type, "--device", "cpu", "--columns",
                                       "1,100,1300", "--samples", "12000", "--json"});
        INFO(ran.out << ran.err);
        CHECK(ran.status == 0);
        const auto report = nlohmann::json::parse(ran.out);
        // 40 rows of 100 columns, 3 of 1300 and 4000 of one.
        CHECK(report["inputs"] == 4000 + 4000 + 3900);
      }
}

TEST_CASE("verify and certify take a gradient along rows of what is elementwise itself") {
  for (const std::string verb : {"verify", "certify"}) {
    const Outcome ran =
        run_swage({verb, "swiglu_scaled_gradient", "-D", "T=bf16", "-D", "S=f32", "--device", "cpu",
                   "--columns", "1,100", "--samples", "2000", "--json"});
    INFO(verb << ran.out << ran.err);
    const auto report = nlohmann::json::parse(ran.out);
    CHECK(report.contains("inputs"));
  }
}

TEST_CASE("a limit that no row can meet is seen by verify") {
  const Outcome ran = run_swage({"verify", "softmax", "-D", "T=f32", "--device", "cpu", "--samples",
                                 "5000", "--max-ulp", "0.1"});
  CHECK(ran.status == 1);
  CHECK(holds(ran.out, "NOT verified"));
}

TEST_CASE("what does not fit rows, or is for rows alone, is refused by verify and certify") {
  for (const std::string verb : {"verify", "certify"}) {
    const auto error = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), verb);
      arguments.insert(arguments.end(), {"-D", "T=f32", "--device", "cpu"});
      const Outcome ran = run_swage(arguments);
      CHECK(ran.status != 0);
      return ran.err;
    };
    CHECK(holds(error({"softmax", "--exhaustive"}),
                "kernel 'softmax' uses row_max: its inputs are whole rows, which are too many to "
                "try all; leave --exhaustive and --pairs out"));
    CHECK(holds(error({"relu", "--columns", "64"}),
                "--columns is for kernels that reach along their rows, 'relu' does not"));
    CHECK(holds(error({"softmax", "--columns", "64,x"}), "'x' for --columns"));
  }
}

TEST_CASE("compile says that CUDA has no sums over rows") {
  const Outcome compiled =
      run_swage({"compile", "rms_norm_backward", "-D", "T=f32", "--arch", "sm_90"});
  CHECK(compiled.status == 0);
  CHECK(holds(compiled.out, ".entry swage_rms_norm_backward_totals("));
  const Outcome softmax = run_swage({"compile", "softmax", "-D", "T=bf16", "--arch", "sm_90",
                                     "--layout", "rows exact columns=4096"});
  CHECK(softmax.status == 0);
  CHECK(holds(softmax.out, "shfl.sync.bfly"));
  CHECK(guarded_loads(softmax.out) == 0);
  const Outcome up_to = run_swage({"compile", "softmax", "-D", "T=bf16", "--arch", "sm_90",
                                   "--layout", "rows exact columns<=4096"});
  CHECK(up_to.status == 0);
  CHECK(guarded_loads(up_to.out) > 0);
  CHECK(run_swage({"compile", "softmax", "-D", "T=bf16", "--arch", "sm_90", "--layout",
                   "rows exact columns=4000"})
            .out == up_to.out); // no bound
}
