// aarch64_test.cpp -- host code for AArch64, made on any machine, as far as it can be read;
// scripts/arm64.sh runs it.
#include "tests/support/catch.hpp"

#include <regex>

#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>

#include "codegen/host_level.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "tests/codegen/run.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

Target aarch64() {
  return target_of(*find_host_level("aarch64"));
}

ir::Kernel swiglu(DType type) {
  return ir::load_kernel({std::string(kernels::find("swiglu")->text)}, "swiglu", {{"T", type}});
}

} // namespace

#if defined(SWAGE_LLVM_FOREIGN) || defined(__aarch64__)

namespace {

std::size_t count(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

} // namespace

TEST_CASE("SwiGLU for AArch64: fused in whole vectors, in registers, calling nothing") {
  for (const DType type : {f32, bf16, f16}) {
    const ir::Kernel kernel = swiglu(type);
    const Specialization flat = contiguous(kernel);
    const std::string text =
        emit_text(kernel, flat, default_schedule(kernel, flat, aarch64(), 1 << 20), aarch64(),
                  Emit::assembly);
    INFO(name_of(type));
    CHECK(count(text, "\tfml[as]\tv[0-9]+\\.4s") >= 16);
    CHECK(count(text, "\tq[0-9]+.*\\[sp|, q[0-9]+, \\[sp") == 0); // no vector through memory
    CHECK(count(text, "\tblr?\t") == count(text, "\tbl\tswage_swiglu_loops"));
    CHECK(count(text, "\tmrs\tx[0-9]+, FPCR") == 1);
    CHECK(count(text, "\tmsr\tFPCR, xzr") == 1);
    CHECK(count(text, "\tmsr\tFPCR, x[0-9]+") == 1);
  }
}

TEST_CASE("an object for AArch64 is one, and needs no symbol from outside") {
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    const ir::Kernel kernel = swage::test::random_kernel(seed);
    Random random(seed);
    const Call call(kernel, random, {});
    const Artifact artifact = compile(
        kernel, call.specialization(),
        HostSchedule{.lanes = 1 << random.below(6), .streaming = random.one_in(2)}, aarch64());
    auto object = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef(artifact.payload, "kernel.o"));
    REQUIRE(static_cast<bool>(object));
    CHECK((*object)->getArch() == llvm::Triple::aarch64);
    for (const auto& symbol : (*object)->symbols()) {
      const auto name = llvm::cantFail(symbol.getName());
      INFO("seed " << seed << ", symbol '" << name.str() << "'");
      CHECK((name.empty() ||
             !(llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined)));
    }
  }
}

#else

TEST_CASE("a build with one back end says that it compiles for no other CPU") {
  const ir::Kernel kernel = swiglu(f32);
  CHECK_THROWS_WITH(compile(kernel, contiguous(kernel), HostSchedule{}, aarch64()),
                    Catch::Matchers::Contains("for its own architecture alone, not for aarch64"));
}

#endif
