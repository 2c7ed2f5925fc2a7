// llvm_start_test.cpp -- what would end the process inside LLVM is an exception for Swage.
#include "codegen/llvm_start.hpp"

#include <new>

#include <llvm/Support/ErrorHandling.h>

#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;

TEST_CASE("an error that LLVM takes to be fatal is an error of Swage inside it") {
  const LlvmScope scope;
  try {
    llvm::report_fatal_error("no such instruction");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::internal);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("no such instruction"));
  }
}

TEST_CASE("an allocation that fails inside LLVM is std::bad_alloc") {
  const LlvmScope scope;
  CHECK_THROWS_AS(llvm::report_bad_alloc_error("a buffer"), std::bad_alloc);
}

TEST_CASE("scopes inside LLVM nest, and LLVM is started once") {
  const LlvmScope outer;
  start_llvm();
  {
    const LlvmScope inner;
    start_llvm();
  }
  CHECK_THROWS_AS(llvm::report_bad_alloc_error("a buffer"), std::bad_alloc);
}
