// approximate_test.cpp -- instructions with an error bound: special cases, and the bound itself.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <functional>
#include <random>

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::uint64_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
constexpr std::uint64_t kInfinity = 0x7f800000;
constexpr std::uint64_t kCanonical = 0x7fffffff;

/// op(in[i]) for every input, in one launch.
std::vector<float> map(const std::string& instruction, const std::vector<float>& in,
                       Approximation approximation, std::uint64_t seed = 0) {
  const std::string text = std::string(kHeader) +
                           ".entry k(.param .u64 in, .param .u64 out)\n{\n.reg .b32 %r<4>;\n"
                           ".reg .b64 %rd<4>;\nmov.u32 %r0, %ctaid.x;\nld.param.u64 %rd0, [in];\n"
                           "ld.param.u64 %rd1, [out];\nmad.wide.u32 %rd2, %r0, 4, %rd0;\n"
                           "mad.wide.u32 %rd3, %r0, 4, %rd1;\nld.global.b32 %r1, [%rd2];\n" +
                           instruction + "\nst.global.b32 [%rd3], %r2;\nret;\n}\n";
  std::vector<float> out(in.size());
  Memory memory;
  memory.add(const_cast<float*>(in.data()), in.size() * 4);
  memory.add(out.data(), out.size() * 4);
  LaunchConfig config;
  config.grid = {static_cast<unsigned>(in.size()), 1, 1};
  config.approximation = approximation;
  config.seed = seed;
  config.parameters = (Arguments() << in.data() << out.data()).bytes;
  run(text, config, memory);
  return out;
}

struct Bounded {
  const char* instruction;
  std::function<double(double)> exact;
  double low, high;
  enum { ulps, relative, absolute } measure;
  double bound;
};

double error(const Bounded& op, float in, float out) {
  const double exact = op.exact(in);
  if (op.measure == Bounded::ulps)
    return std::fabs(double(std::bit_cast<std::int32_t>(out)) -
                     double(std::bit_cast<std::int32_t>(static_cast<float>(exact))));
  return std::fabs(out - exact) / (op.measure == Bounded::relative ? std::fabs(exact) : 1);
}

} // namespace

TEST_CASE("approximate instructions give the ISA's special results") {
  CHECK_CASES({
      {"ex2.approx.f32 %r0, %r1;", {{"%r1", 0xff800000}}, "%r0", 0},
      {"ex2.approx.f32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", bits(1.0F)},
      {"ex2.approx.f32 %r0, %r1;", {{"%r1", bits(-149.0F)}}, "%r0", 1},
      {"ex2.approx.ftz.f32 %r0, %r1;", {{"%r1", bits(-149.0F)}}, "%r0", 0},
      {"ex2.approx.ftz.f32 %r0, %r1;", {{"%r1", bits(128.0F)}}, "%r0", kInfinity},
      {"ex2.approx.f32 %r0, %r1;", {{"%r1", 0x7fc00000}}, "%r0", kCanonical},
      {"lg2.approx.f32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", 0xff800000},
      {"lg2.approx.f32 %r0, %r1;", {{"%r1", bits(-1.0F)}}, "%r0", kCanonical},
      {"lg2.approx.f32 %r0, %r1;", {{"%r1", 1}}, "%r0", bits(-149.0F)},
      {"lg2.approx.ftz.f32 %r0, %r1;", {{"%r1", 1}}, "%r0", 0xff800000},
      {"rcp.approx.ftz.f32 %r0, %r1;", {{"%r1", 0x80000001}}, "%r0", 0xff800000},
      {"rcp.approx.f32 %r0, %r1;", {{"%r1", 0xff800000}}, "%r0", 0x80000000},
      {"rsqrt.approx.f32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", 0xff800000},
      {"rsqrt.approx.f32 %r0, %r1;", {{"%r1", bits(-4.0F)}}, "%r0", kCanonical},
      {"sqrt.approx.f32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", 0x80000000},
      {"tanh.approx.f32 %r0, %r1;", {{"%r1", 0xff800000}}, "%r0", bits(-1.0F)},
      {"sin.approx.f32 %r0, %r1;", {{"%r1", 0x80000000}}, "%r0", 0x80000000},
      {"cos.approx.f32 %r0, %r1;", {{"%r1", kInfinity}}, "%r0", kCanonical},
      {"ex2.approx.f16 %rs0, %rs1;", {{"%rs1", 0x4000}}, "%rs0", 0x4400},
      {"ex2.approx.ftz.bf16x2 %r0, %r1;", {{"%r1", 0x40003f80}}, "%r0", 0x40804000},
      {"tanh.approx.bf16 %rs0, %rs1;", {{"%rs1", 0x7f80}}, "%rs0", 0x3f80},
  });
}

TEST_CASE("approximate division: full range, or zero for huge divisors") {
  CHECK_CASES({
      {"div.full.f32 %r0, %r1, %r2;",
       {{"%r1", bits(1.0F)}, {"%r2", bits(0x1p127F)}},
       "%r0",
       bits(0x1p-127F)},
      {"div.approx.f32 %r0, %r1, %r2;",
       {{"%r1", bits(-1.0F)}, {"%r2", bits(0x1p127F)}},
       "%r0",
       0x80000000},
      {"div.approx.f32 %r0, %r1, %r2;",
       {{"%r1", kInfinity}, {"%r2", bits(0x1p127F)}},
       "%r0",
       kCanonical},
      {"div.full.f32 %r0, %r1, %r2;", {{"%r1", 0}, {"%r2", 0}}, "%r0", kCanonical},
      {"div.full.ftz.f32 %r0, %r1, %r2;",
       {{"%r1", bits(0x1p-126F)}, {"%r2", bits(2.0F)}},
       "%r0",
       0},
  });
}

TEST_CASE("the worst case stays within the ISA's bound, reaches it, and repeats") {
  const double pi = std::acos(-1.0);
  const Bounded operations[] = {
      {"ex2.approx.f32 %r2, %r1;", [](double x) { return std::exp2(x); }, -120, 120, Bounded::ulps,
       2},
      {"rcp.approx.f32 %r2, %r1;", [](double x) { return 1 / x; }, 0.5, 100, Bounded::ulps, 1},
      {"rsqrt.approx.f32 %r2, %r1;", [](double x) { return 1 / std::sqrt(x); }, 0.1, 100,
       Bounded::relative, std::exp2(-22.9)},
      {"sqrt.approx.f32 %r2, %r1;", [](double x) { return std::sqrt(x); }, 0.1, 100,
       Bounded::relative, 0x1p-23},
      {"lg2.approx.f32 %r2, %r1;", [](double x) { return std::log2(x); }, 0.51, 1.99,
       Bounded::absolute, 0x1p-22},
      {"lg2.approx.f32 %r2, %r1;", [](double x) { return std::log2(x); }, 2, 1e30,
       Bounded::relative, 0x1p-22},
      {"sin.approx.f32 %r2, %r1;", [](double x) { return std::sin(x); }, -2 * pi, 2 * pi,
       Bounded::absolute, std::exp2(-20.5)},
      {"cos.approx.f32 %r2, %r1;", [](double x) { return std::cos(x); }, 3 * pi, 90 * pi,
       Bounded::absolute, std::exp2(-14.7)},
      {"tanh.approx.f32 %r2, %r1;", [](double x) { return std::tanh(x); }, -8, 8, Bounded::relative,
       0x1p-11},
      {"div.full.f32 %r2, 0f40E00000, %r1;", [](double x) { return 7 / x; }, 0.1, 100,
       Bounded::ulps, 2},
  };
  std::mt19937 random(1);
  for (const Bounded& op : operations) {
    INFO(op.instruction);
    std::vector<float> in(2000);
    for (float& x : in)
      x = static_cast<float>(std::uniform_real_distribution<double>(op.low, op.high)(random));
    const std::vector<float> worst = map(op.instruction, in, Approximation::worst_case);
    double largest = 0;
    for (std::size_t i = 0; i < in.size(); ++i)
      largest = std::max(largest, error(op, in[i], worst[i]));
    CHECK(largest <= op.bound);
    CHECK(largest > 0.5 * op.bound);
    CHECK(worst == map(op.instruction, in, Approximation::worst_case));
    CHECK(worst != map(op.instruction, in, Approximation::worst_case, 1));
    const std::vector<float> nearest = map(op.instruction, in, Approximation::nearest);
    for (std::size_t i = 0; i < in.size(); ++i)
      CHECK(nearest[i] == static_cast<float>(op.exact(in[i])));
  }
}
