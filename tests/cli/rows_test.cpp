// rows_test.cpp -- the command on kernels that reach along their rows.
#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

namespace {

using swage::test::Outcome;
using swage::test::run_swage;

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

TEST_CASE("a limit that no result can meet is seen by run --verify") {
  const Outcome ran = run_swage({"run", "softmax", "-D", "T=f32", "--shape", "5x1300", "--device",
                                 "cpu", "--verify", "--repeat", "0", "--max-ulp", "0.1"});
  CHECK(ran.status == 1);
  CHECK(holds(ran.out, "NOT verified"));
}

TEST_CASE(
    "verify and certify say that rows are for run, and compile that CUDA has no sums over rows") {
  for (const std::string verb : {"verify", "certify"}) {
    const Outcome verified = run_swage({verb, "softmax", "-D", "T=f32", "--device", "cpu"});
    CHECK(verified.status == 1);
    CHECK(holds(verified.err, "kernel 'softmax' uses row_max: " + verb +
                                  " tries elements one by one; hold whole rows to the evaluator "
                                  "with swage run --verify"));
  }
  const Outcome compiled =
      run_swage({"compile", "rms_norm_backward", "-D", "T=f32", "--arch", "sm_90"});
  CHECK(compiled.status == 0);
  CHECK(holds(compiled.out, ".entry swage_rms_norm_backward_totals("));
  const Outcome softmax = run_swage({"compile", "softmax", "-D", "T=bf16", "--arch", "sm_90",
                                     "--layout", "rows exact columns=4096"});
  CHECK(softmax.status == 0);
  CHECK(holds(softmax.out, "shfl.sync.bfly"));
}
