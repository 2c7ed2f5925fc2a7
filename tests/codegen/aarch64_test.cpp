// aarch64_test.cpp -- host code for AArch64, made on any machine, as far as it can be read;
// scripts/arm64.sh runs it.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <regex>

#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>

#include "codegen/host_level.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/tile_plan.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "swage/error.hpp"
#include "tests/codegen/run.hpp"
#include "tests/support/valid_rows_case.hpp"

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

void check_object(const ir::Kernel& kernel, const Specialization& specialization,
                  const HostSchedule& schedule) {
  const Artifact artifact = compile(kernel, specialization, schedule, aarch64());
  auto object = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(artifact.payload, "kernel.o"));
  REQUIRE(static_cast<bool>(object));
  CHECK((*object)->getArch() == llvm::Triple::aarch64);
  bool has_entry = false;
  for (const auto& symbol : (*object)->symbols()) {
    const auto name = llvm::cantFail(symbol.getName());
    INFO("symbol '" << name.str() << "'");
    has_entry |= name == artifact.entry;
    CHECK((name.empty() ||
           !(llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined)));
  }
  CHECK(has_entry);
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
    INFO("seed " << seed);
    check_object(kernel, call.specialization(),
                 HostSchedule{.lanes = 1 << random.below(6), .streaming = random.one_in(2)});
  }
}

// Along rows with tables and numbers of columns, over rows, and by groups of rows; rows are skipped
// by every second of them, and of some calls counts say how many there are.
TEST_CASE("so does one of rows, of groups in both directions, of tables and of rows left out") {
  int tables = 0, over_rows = 0, tiles = 0, skips = 0;
  for (std::uint64_t seed = 0; seed < 90; ++seed) {
    Random random(seed);
    const std::optional<ir::Kernel> made =
        seed % 3 == 0
            ? swage::test::random_tile_kernel(seed, random.pick(std::array{1U, 2U, 6U, 32U, 65U}),
                                              random.pick(std::array{1U, 4U, 12U, 32U}))
            : swage::test::random_row_kernel(seed, seed % 3 == 1, seed % 3 == 2);
    if (!made)
      continue;
    const std::string text =
        random.one_in(2) ? swage::test::skipping_some(ir::print(*made)) : ir::print(*made);
    const ir::Kernel kernel = ir::parse_kernel({text}, "", {});
    try {
      check_lowered(kernel, aarch64());
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::unsupported);
      continue;
    }
    Specialization specialization = contiguous(kernel);
    specialization.flat = false;
    specialization.valid_rows =
        random.pick(std::array{ValidRows::all, ValidRows::one, ValidRows::per_batch});
    INFO("seed " << seed << ": " << text);
    check_object(kernel, specialization,
                 HostSchedule{.lanes = 4 << random.below(4), .unroll = 1 << random.below(3)});
    tables += std::ranges::any_of(kernel.params(), &ir::Param::is_table);
    over_rows += stores_after_rows(kernel);
    tiles += rows_of_groups(kernel) > 0;
    skips += kernel.skip().has_value();
  }
  INFO(tables << " with tables, " << over_rows << " over rows, " << tiles << " by tiles, " << skips
              << " that skip");
  CHECK(std::min({tables, over_rows, tiles, skips}) > 5);
}

#else

TEST_CASE("a build with one back end says that it compiles for no other CPU") {
  const ir::Kernel kernel = swiglu(f32);
  CHECK_THROWS_WITH(compile(kernel, contiguous(kernel), HostSchedule{}, aarch64()),
                    Catch::Matchers::Contains("for its own architecture alone, not for aarch64"));
}

#endif
