// silu_test.cpp -- what a CPU leaves out of a sigmoid beside its argument, and shares.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>

#include "codegen/silu.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/text_count.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

ir::Kernel kernel_of(const std::string& body) {
  return ir::load_kernel({"kernel k(a: in bf16, b: in bf16, y: out bf16) { y = " + body + "; }"},
                         "k", {});
}

ir::NodeId sigmoid_in(const ir::Kernel& kernel) {
  for (ir::NodeId id = 0; id < kernel.nodes().size(); ++id)
    if (kernel.node(id).op == ir::Op::sigmoid)
      return id;
  throw std::runtime_error("no sigmoid");
}

bool has_nan_from_argument(const std::string& body) {
  const ir::Kernel kernel = kernel_of(body);
  return nan_comes_from_argument(kernel, sigmoid_in(kernel));
}

std::ptrdiff_t slope_products(const ir::Kernel& kernel) {
  return std::ranges::count_if(find_slope_products(kernel),
                               [](const auto& product) { return product.has_value(); });
}

constexpr const char* kBackward = R"(
kernel k(d: in bf16, gate: in bf16, up: in bf16, d_gate: out bf16, d_up: out bf16) {
  let s = sigmoid(gate);
  d_gate = d * up * s * (1 + gate * (1 - s));
  d_up = d * (gate * s);
})";

double decoded(std::uint64_t bits) {
  return static_cast<double>(ir::decode(bf16, bits).real);
}

std::uint64_t encoded(double value) {
  return ir::encode(bf16, {.real = value});
}

} // namespace

TEST_CASE("a sigmoid need not be NaN where all that is stored is NaN for its argument's sake") {
  for (const char* body :
       {"a * sigmoid(a)", "b * sigmoid(a) * a", "b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))",
        "bf16(sigmoid(a) - b) / a", "min(sigmoid(a), b) + a", "max(-a * sigmoid(a), b)"}) {
    INFO(body);
    CHECK(has_nan_from_argument(body));
  }
  for (const char* body :
       {"sigmoid(a)", "b * sigmoid(a)", "a < b ? a * sigmoid(a) : sigmoid(a)",
        "sigmoid(a) * max(a, b)", "b * (1 - sigmoid(a))", "isnan(sigmoid(a)) ? a : b"}) {
    INFO(body);
    CHECK_FALSE(has_nan_from_argument(body));
  }
}

TEST_CASE("a gate of bf16 is clamped as bf16, two to a word, and gives the bits of one alone") {
  const ir::Kernel silu =
      ir::load_kernel({"kernel k(a: in bf16, y: out bf16) { y = a * sigmoid(a); }"}, "k", {});
  const ir::Kernel slope = ir::load_kernel(
      {"kernel k(a: in bf16, y: out bf16) { let s = sigmoid(a); y = a * s * s; }"}, "k", {});
  for (const ir::Kernel* kernel : {&silu, &slope}) {
    Random random(1);
    Call call(*kernel, random, {.rows = 1, .columns = 1 << 16, .random_layouts = false});
    for (std::int64_t i = 0; i < call.columns(); ++i)
      call.set(0, 0, i, static_cast<std::uint64_t>(i));
    run_on_host(call, {.lanes = 1});
    const auto expected = call.snapshot();
    for (const int lanes : {2, 8, 32}) {
      for (std::int64_t i = 0; i < call.columns(); ++i)
        call.set(0, 0, i, static_cast<std::uint64_t>(i));
      run_on_host(call, {.lanes = lanes});
      CHECK(call.difference(expected) == "");
    }
  }
  const std::string text =
      emit_text(silu, contiguous(silu), HostSchedule{.lanes = 32}, host_target(), Emit::llvm);
  CHECK(count(text, "call <32 x i16> @llvm.smin") == 1);
  CHECK(count(text, "call <32 x i32> @llvm.smin") == 0);
}

TEST_CASE("the slope of silu shares gate * sigmoid(gate) where that is there, and only there") {
  CHECK(slope_products(ir::load_kernel({kBackward}, "k", {})) == 1);
  const auto beside_silu = [](const std::string& body) {
    return kernel_of("max(a * sigmoid(a), " + body + ")");
  };
  for (const char* slope :
       {"sigmoid(a) * (1 + a * (1 - sigmoid(a)))", "b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))",
        "(1 + (1 - sigmoid(a)) * a) * (sigmoid(a) * b)"})
    CHECK(slope_products(beside_silu(slope)) == 1);
  for (const char* other :
       {"b * sigmoid(a) * (1 + b * (1 - sigmoid(a)))", "b * (1 + a * (1 - sigmoid(a)))",
        "b * sigmoid(a) * (2 + a * (1 - sigmoid(a)))",
        "b * sigmoid(b) * (1 + a * (1 - sigmoid(a)))"})
    CHECK(slope_products(beside_silu(other)) == 0);
  CHECK(slope_products(kernel_of("b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))")) == 0);
}

TEST_CASE("gradients of a SwiGLU in bf16 are right to 0.51 ulp and the error of the sigmoid") {
  const ir::Kernel kernel = ir::load_kernel({kBackward}, "k", {});
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Random random(seed);
    Call call(kernel, random, {.rows = 1, .columns = 1 << 16, .random_layouts = false});
    const auto factor = [&] {
      const double mantissa = 1 + static_cast<double>(random.below(128)) / 128;
      return (random.one_in(2) ? 1 : -1) * std::ldexp(mantissa, static_cast<int>(random.below(40)));
    };
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      call.set(0, 0, column, encoded(factor()));
      call.set(1, 0, column, static_cast<std::uint64_t>(column));
      call.set(2, 0, column, encoded(factor()));
    }
    run_on_host(call, HostSchedule{});
    std::int64_t wrong = 0;
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      const long double d = decoded(call.load(0, 0, column)),
                        gate = decoded(call.load(1, 0, column)),
                        up = decoded(call.load(2, 0, column));
      if (!std::isfinite(gate) || std::fabs(gate) > 0x1p40L || gate < -80)
        continue;
      const long double s = 1 / (1 + std::exp(-gate)), rest = 1 / (1 + std::exp(gate));
      const auto check = [&](std::size_t param, long double exact, long double size) {
        if (std::fabs(exact) < 0x1p-126L)
          return;
        const long double got = decoded(call.load(param, 0, column));
        const long double slack = ir::ulp_error(bf16, exact + 0x1p-19L * size, exact);
        wrong += !(ir::ulp_error(bf16, got, exact) <= 0.51L + slack);
      };
      check(3, d * up * s * (1 + gate * rest),
            std::fabs(d * up) * s *
                (std::fabs(gate) * rest + (gate > 17 ? std::fabs(gate) * 0x1p-5L : 0)));
      check(4, d * gate * s, 0);
    }
    INFO("seed " << seed);
    CHECK(wrong == 0);
  }
}

TEST_CASE("gradients of a SwiGLU are NaN and infinite where the formula is") {
  const ir::Kernel kernel = ir::load_kernel({kBackward}, "k", {});
  Random random(1);
  constexpr std::uint64_t kNan[] = {0x7fc0, 0xffc0, 0x7f81, 0xff81, 0x7fff, 0xffff};
  constexpr std::int64_t kColumns = 150; // whole vectors, smaller ones and single elements
  for (const std::uint64_t gate :
       {kNan[0], kNan[1], kNan[2], kNan[3], kNan[4], kNan[5], encoded(INFINITY), encoded(-INFINITY),
        encoded(0.0), encoded(-0.0), encoded(0x1.fep127), encoded(-0x1.fep127)}) {
    Call call(kernel, random, {.rows = 1, .columns = kColumns, .random_layouts = false});
    for (std::int64_t column = 0; column < kColumns; ++column) {
      call.set(0, 0, column, encoded(1.5));
      call.set(1, 0, column, gate);
      call.set(2, 0, column, encoded(-2.0));
    }
    run_on_host(call, HostSchedule{});
    const float g = static_cast<float>(decoded(gate)), s = g > 0    ? 1
                                                           : g < 0  ? 0
                                                           : g == 0 ? 0.5f
                                                                    : g;
    const float d_gate = -3 * s * (1 + g * (1 - s)), d_up = 1.5f * (g * s);
    INFO("gate " << g);
    for (std::int64_t column = 0; column < kColumns; ++column) {
      const auto is_same = [](double got, float wanted) {
        return std::isnan(wanted) ? std::isnan(got) : got == decoded(encoded(wanted));
      };
      CHECK(is_same(decoded(call.load(3, 0, column)), d_gate));
      CHECK(is_same(decoded(call.load(4, 0, column)), d_up));
    }
  }
}
