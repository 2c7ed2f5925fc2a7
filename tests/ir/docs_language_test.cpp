// docs_language_test.cpp -- what docs/language.md shows is true.
#include <fstream>
#include <sstream>

#include "ir/bind.hpp"
#include "ir/lexer.hpp"
#include "ir/ops.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

namespace {

std::string page() {
  std::ifstream file(std::string(SWAGE_SOURCE_DIR) + "/docs/language.md", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The fenced blocks of `language`.
std::vector<std::string> blocks(const std::string& text, std::string_view language) {
  std::vector<std::string> result;
  const std::string fence = "\n```" + std::string(language) + "\n";
  for (std::size_t at = text.find(fence); at != text.npos; at = text.find(fence, at + 1)) {
    const std::size_t begin = at + fence.size();
    result.push_back(text.substr(begin, text.find("\n```", begin) + 1 - begin));
  }
  return result;
}

} // namespace

TEST_CASE("every program of the language page parses and binds for every float type") {
  const auto programs = blocks(page(), "swage");
  CHECK(programs.size() >= 10);
  for (const std::string& program : programs) {
    INFO(program);
    for (const KernelDeclaration& kernel : list_kernels({program, "language.md"}))
      for (DType type : {f64, f32, f16, bf16}) {
        std::vector<Binding> bindings;
        for (const std::string& generic : kernel.generics)
          bindings.push_back({generic, type});
        // A run-time scalar of type f32 does not mix with f64; such a kernel is for the others.
        if (type == f64 && program.find("gain: f32") != program.npos)
          continue;
        CHECK(errors_of(program, bindings, kernel.name) == "");
      }
  }
}

TEST_CASE("the errors shown on the language page are the errors given") {
  const auto shown = blocks(page(), "text");
  REQUIRE(shown.size() >= 2);
  const auto in_file = [](std::string text, const std::string& file) {
    for (std::size_t at; (at = text.find("k.swg:")) != text.npos;)
      text.replace(at, 5, file);
    return text + "\n";
  };
  const std::string spaces =
      errors_of("kernel mean(x: in f32, y: out f32, m: out f32 [row]) { m = x; y = x; }\n");
  CHECK(shown[0] == in_file(spaces, "norm.swg"));
  const std::string errors = errors_of("fn silu(x) = x * sigmoid(x);\n"
                                       "kernel swiglu(gate: in f32, up: in f32, h: out f32) {\n"
                                       "  h = silu(gat) * up;\n"
                                       "}\n");
  CHECK(shown[1] == in_file(errors, "swiglu.swg"));
}

TEST_CASE("the language page names every function, type, keyword and limit") {
  const std::string text = page();
  const auto has = [&](std::string_view word) {
    INFO(word);
    CHECK(text.find(word) != text.npos);
  };
  for (int i = 0; i < kOpCount; ++i)
    if (const OpInfo& op = info(static_cast<Op>(i)); is_call(op.form)) {
      INFO(op.spelling);
      const std::string name(op.spelling);
      CHECK((text.find("`" + name + "`") != text.npos || text.find("`" + name + "(") != text.npos));
    }
  for (int i = 0; i < kDTypeCount; ++i)
    has(fmt::format("`{}`", name_of(static_cast<DType>(i))));
#define SWAGE_KEYWORD(id) has(#id);
#include "ir/symbols.def"
  for (std::size_t limit :
       {kMaxSourceBytes, kMaxExprs, kMaxNodes, kMaxVisited, kMaxNameBytes, kMaxParams,
        std::size_t{kMaxGroup}, std::size_t{kMaxNesting}, std::size_t{kMaxInlinedCalls}})
    has(fmt::format("| {}", limit));
}

} // namespace swage::ir::testing
