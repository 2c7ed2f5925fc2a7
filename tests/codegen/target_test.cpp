// target_test.cpp -- targets by name and number, and their canonical lines.
#include "tests/support/catch.hpp"

#include <regex>

#include "codegen/compile.hpp"
#include "codegen/target.hpp"
#include "swage/error.hpp"

using namespace swage;
using namespace swage::codegen;

TEST_CASE("an architecture is compiled for with the lowest PTX version that knows it") {
  CHECK(canonical(cuda_target(75)) == "cuda sm_75 ptx63");
  CHECK(canonical(cuda_target(80)) == "cuda sm_80 ptx70");
  CHECK(canonical(cuda_target(90)) == "cuda sm_90 ptx78");
  CHECK(canonical(cuda_target(120)) == "cuda sm_120 ptx87");
}

TEST_CASE("a newer GPU gets the newest code known at or below it") {
  CHECK(cuda_target(101).sm == 100);
  CHECK(cuda_target(999).sm == cuda_architectures().back());
}

TEST_CASE("an assembler of older PTX gets the nearest older architecture that it has") {
  const auto within = [](int sm, int ptx) { return canonical(within_ptx(cuda_target(sm), ptx)); };
  CHECK(within(100, 85) == "cuda sm_90 ptx85");
  CHECK(within(121, 87) == "cuda sm_120 ptx87");
  CHECK(within(88, 87) == "cuda sm_87 ptx87");
  CHECK(within(110, 88) == "cuda sm_103 ptx88");
  CHECK(within(110, 90) == "cuda sm_110 ptx90");
  CHECK(within(80, 85) == "cuda sm_80 ptx70");
  CHECK(within_ptx(host_target(), 63) == host_target());
  Target wide = cuda_target(100); // for accesses of 32 bytes
  wide.ptx = 88;
  CHECK(canonical(within_ptx(wide, 87)) == "cuda sm_100 ptx87");
}

TEST_CASE("a GPU before 7.5 is refused") {
  CHECK_THROWS_WITH(cuda_target(70), Catch::Matchers::ContainsSubstring("7.0 is older than 7.5"));
}

TEST_CASE("targets are found by name, and an unknown name lists the known ones") {
  CHECK(target_from_name("sm_86") == cuda_target(86));
  CHECK(target_from_name("host") == host_target());
  CHECK_THROWS_WITH(target_from_name("sm_42"),
                    Catch::Matchers::ContainsSubstring("'sm_42'") &&
                        Catch::Matchers::ContainsSubstring("host, sm_75, sm_80"));
}

TEST_CASE("the host is described without starting LLVM's pipeline, the same every time") {
  const auto before = compile_count();
  const Target& target = host_target();
  CHECK(compile_count() == before);
  CHECK(target.kind == Target::Kind::host);
  CHECK_FALSE(target.triple.empty());
  CHECK_FALSE(target.cpu.empty());
  CHECK((target.vector_bits == 128 || target.vector_bits == 256 || target.vector_bits == 512));
  CHECK(canonical(target).starts_with("host "));
}

TEST_CASE("the toolchain names itself, a digest of its sources, and LLVM") {
  const std::regex form(R"(Swage 0\.\d+\.\d+ [0-9a-f]{12}, LLVM \d+\.\d+\.\d+)");
  CHECK(std::regex_match(std::string(toolchain_identity()), form));
}
