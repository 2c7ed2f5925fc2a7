// advice_test.cpp -- check names sigmoid where a form of it is not recognised, and there alone.
#include "cli/advice.hpp"

#include "ir/source.hpp"
#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::cli;

namespace {

bool names_sigmoid(const std::string& expression, const char* mode = "") {
  const std::string text = std::string(mode) +
                           "kernel k(x: in bf16, b: in bf16, y: out bf16) { y = " + expression +
                           "; }";
  const auto sentences = advice(ir::load_kernel({text}, "k", std::vector<Binding>{}));
  return sentences.size() == 1 && sentences[0].find("sigmoid(x)") != std::string::npos;
}

} // namespace

TEST_CASE("forms of sigmoid that are not recognised are named") {
  for (const char* form :
       {"x / bf16(1 + exp(-x))", "x / (1 + bf16(exp(-x)))", "bf16(1) / (1 + exp2(-1.442695 * x))",
        "x / (2 + 2 * exp(-x))", "x / (1 + 1 / exp(x))", "pow(1 + exp(-x), -1)",
        "x / (b * 0 + 3 + exp(-x)) + 1 / (4 + exp(x))"}) {
    INFO(form);
    CHECK(names_sigmoid(form));
  }
}

TEST_CASE("nothing is said of sigmoid, of recognised forms, and of modes that compute as written") {
  for (const char* form : {"x * sigmoid(x)", "x / (1 + exp(-x))", "exp(2 * x) / (1 + exp(2 * x))",
                           "rcp(1 + exp(x))", "x / (1 + b)", "exp(x) / b", "log1p(exp(x))"}) {
    INFO(form);
    CHECK(!names_sigmoid(form));
  }
  CHECK(!names_sigmoid("x / bf16(1 + exp(-x))", "@torch "));
  CHECK(!names_sigmoid("x / bf16(1 + exp(-x))", "@triton "));
}

TEST_CASE("check says it, with the line, of every type that the kernel can be bound to") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("forms.swg");
  // In f64 and f32 the cast changes nothing, and the form is recognised.
  test::write_text(path, "kernel plain<T>(x: in T, y: out T) { y = x / (1 + exp(-x)); }\n"
                         "kernel stored<T>(x: in T, y: out T) { y = x / (1 + T(exp(-x))); }\n");
  const test::Outcome outcome = test::run_swage({"check", path});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("forms.swg:2: note: stored divides by") != std::string::npos);
  CHECK(outcome.out.find(":1: note:") == std::string::npos);
}
