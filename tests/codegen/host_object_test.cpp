// host_object_test.cpp -- host artifacts stand alone: no symbols, no control register of the
// caller's, no instruction that flushes.
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstring>

#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ir/number.hpp"
#include "tests/codegen/run.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

/// y = op(x) with both of type `type`.
ir::Kernel unary(ir::Op op, DType type) {
  ir::KernelBuilder builder(
      "unary", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, type, {}}, {"y", ir::ParamKind::out, type, {}}});
  builder.store(1, builder.make(op, {builder.load(0)}));
  return std::move(builder).build();
}

ir::Kernel halve(DType type) {
  ir::KernelBuilder builder(
      "halve", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, type, {}}, {"y", ir::ParamKind::out, type, {}}});
  const auto half = builder.real(compute_type(type), 0.5);
  builder.store(1, builder.make(ir::Op::mul, {builder.load(0), half}));
  return std::move(builder).build();
}

std::string assembly(const ir::Kernel& kernel, const Schedule& schedule) {
  return emit_text(kernel, contiguous(kernel), schedule, host_target(), Emit::assembly);
}

} // namespace

TEST_CASE("a host object needs no symbol from outside") {
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    const ir::Kernel kernel = swage::test::random_kernel(seed);
    Random random(seed);
    const Call call(kernel, random, {});
    const Artifact artifact = compile(
        kernel, call.specialization(),
        HostSchedule{.lanes = 1 << random.below(6), .streaming = random.one_in(2)}, host_target());
    auto object = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef(artifact.payload, "kernel.o"));
    REQUIRE(static_cast<bool>(object));
    bool has_entry = false;
    for (const auto& symbol : (*object)->symbols()) {
      const auto name = llvm::cantFail(symbol.getName());
      has_entry |= name == artifact.entry;
      INFO("seed " << seed << ", symbol '" << name.str() << "'");
      CHECK((name.empty() ||
             !(llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined)));
    }
    CHECK(has_entry);
    for (const auto& section : (*object)->sections()) {
      const std::string name = llvm::cantFail(section.getName()).str();
      INFO("section " << name);
      CHECK_FALSE((section.isBSS() || name.starts_with(".data") || name.starts_with(".got")));
    }
  }
}

#if defined(__x86_64__)
TEST_CASE("subnormals survive a caller that flushes them, and its setting survives the call") {
  for (const DType type : {f32, f16, bf16}) {
    const ir::Kernel kernel = halve(type);
    const HostFunction function(compile(kernel, contiguous(kernel), HostSchedule{}, host_target()));
    std::vector<std::uint64_t> x(100, 0), y(100, 0); // bytes enough for 100 of any type
    for (std::size_t i = 0; i < 100; ++i)
      ir::store_bits(type, reinterpret_cast<std::byte*>(x.data()) + i * size_of(type), 2 * i);
    const std::uint64_t words[] = {reinterpret_cast<std::uintptr_t>(x.data()),
                                   reinterpret_cast<std::uintptr_t>(y.data()), 100};
    const unsigned saved = _mm_getcsr();
    const unsigned flushing = saved | 0x8040 | 0x6000; // FTZ, DAZ, rounding toward zero
    _mm_setcsr(flushing);
    function(words, 0, 100);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(saved);
    CHECK(after == flushing);
    for (std::size_t i = 0; i < 100; ++i)
      REQUIRE(ir::load_bits(type, reinterpret_cast<std::byte*>(y.data()) + i * size_of(type)) == i);
  }
}

TEST_CASE("bf16 is rounded in integers, because vcvtneps2bf16 flushes subnormals") {
  const std::string text = assembly(halve(bf16), HostSchedule{});
  CHECK(text.find("vcvtne") == std::string::npos);
  CHECK(text.find("call") == text.find("callq\tswage_halve_loops"));
}

TEST_CASE("streaming schedules store past the cache and fence") {
  const std::string text = assembly(halve(f32), HostSchedule{.streaming = true});
  CHECK(text.find("movntp") != std::string::npos);
  CHECK(text.find("sfence") != std::string::npos);
  CHECK(assembly(halve(f32), HostSchedule{}).find("movnt") == std::string::npos);
}
#endif

TEST_CASE("loops over plain copies do not become calls of memcpy") {
  ir::KernelBuilder builder("copy", ir::MathMode::accurate,
                            {{"x", ir::ParamKind::in, u8, {}}, {"y", ir::ParamKind::out, u8, {}}});
  builder.store(1, builder.load(0));
  const ir::Kernel kernel = std::move(builder).build();
  CHECK(assembly(kernel, HostSchedule{.lanes = 1}).find("memcpy") == std::string::npos);
}

TEST_CASE("f16 is right on a host without F16C") {
  Target target = host_target();
  if (target.features.find("+f16c") == std::string::npos)
    SUCCEED("this host has no F16C: every other test covers it");
  else {
    // AVX-512 brings conversions of its own; leave nothing but AVX2.
    target.cpu = "x86-64-v2";
    target.features = "+avx,+avx2,+fma,-f16c";
    target.vector_bits = 256;
    const ir::Kernel kernel = unary(ir::Op::neg, f16);
    const HostFunction function(
        compile(kernel, contiguous(kernel), HostSchedule{.lanes = 8}, target));
    std::vector<std::uint16_t> x(65536), y(65536);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<std::uint16_t>(i);
    const std::uint64_t words[] = {reinterpret_cast<std::uintptr_t>(x.data()),
                                   reinterpret_cast<std::uintptr_t>(y.data()), x.size()};
    function(words, 0, static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!std::isnan(ir::decode(f16, i).real))
        REQUIRE(y[i] == (i ^ 0x8000));
      else
        REQUIRE(std::isnan(ir::decode(f16, y[i]).real));
  }
}
