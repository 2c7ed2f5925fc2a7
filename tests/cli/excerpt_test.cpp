// excerpt_test.cpp -- one kernel out of a program text.
#include "tests/support/catch.hpp"

#include "cli/excerpt.hpp"
#include "cli/kernel_text.hpp"
#include "kernels/catalogue.hpp"

using namespace swage;
using namespace swage::cli;

namespace {

constexpr const char* kText = "// Shared by both.\n"
                              "fn half(x) = x * 0.5;\n"
                              "fn quarter(x) =\n"
                              "  half(half(x)); // not the end; { neither\n"
                              "fn unused(x) = x;\n"
                              "\n"
                              "// A quarter.\n"
                              "// Of x.\n"
                              "kernel q(x: in f32, y: out f32) {\n"
                              "  // } no end\n"
                              "  y = quarter(x);\n"
                              "}\n"
                              "kernel dq = grad q(x);\n"
                              "kernel plain(x: in f32, y: out f32) { y = x; }\n";

std::string excerpt_of(const char* name) {
  for (const ir::KernelDeclaration& kernel : ir::list_kernels({kText}))
    if (kernel.name == name)
      return excerpt(kText, kernel);
  return "";
}

} // namespace

TEST_CASE("an excerpt holds the kernel, its comment and the functions it needs") {
  CHECK(excerpt_of("q") == "// Shared by both.\n"
                           "fn half(x) = x * 0.5;\n"
                           "fn quarter(x) =\n"
                           "  half(half(x)); // not the end; { neither\n"
                           "\n"
                           "// A quarter.\n"
                           "// Of x.\n"
                           "kernel q(x: in f32, y: out f32) {\n"
                           "  // } no end\n"
                           "  y = quarter(x);\n"
                           "}\n");
  CHECK(excerpt_of("dq") == "kernel dq = grad q(x);\n");
  CHECK(excerpt_of("plain") == "kernel plain(x: in f32, y: out f32) { y = x; }\n");
}

TEST_CASE("a derived kernel states what it is derived from") {
  const auto kernels = ir::list_kernels({kText});
  CHECK(derivation(kText, kernels.at(0)).empty());
  CHECK(derivation(kText, kernels.at(1)) == "grad q(x)");
}

TEST_CASE("the excerpt of every catalogue kernel that is not derived parses alone") {
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name})) {
      if (!derivation(file.text, kernel).empty())
        continue;
      INFO(kernel.name);
      const std::string text = excerpt(file.text, kernel);
      const auto declared = ir::list_kernels({text});
      REQUIRE(declared.size() == 1);
      CHECK(declared[0].name == kernel.name);
      std::vector<Binding> bindings;
      for (const std::string& generic : kernel.generics)
        bindings.push_back({generic, DType::f32});
      CHECK(ir::load_kernel({text}, "", bindings) ==
            ir::load_kernel({file.text}, kernel.name, bindings));
    }
}
