// ties_test.cpp -- where a CPU rounds to bf16 without looking for ties, and that it looks
// elsewhere.
#include "tests/support/catch.hpp"

#include <cmath>

#include "codegen/host_level.hpp"
#include "codegen/ties.hpp"
#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/text_count.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

constexpr std::int64_t kAll = 1 << 16; ///< numbers of bf16
constexpr std::int64_t kTail = 7;      ///< elements that no vector takes

/// y = body, of a and b.
ir::Kernel kernel_of(const std::string& body, const char* stored = "bf16") {
  return ir::load_kernel({"kernel k(a: in bf16, b: in bf16, y: out " + std::string(stored) +
                          ") { y = " + body + "; }"},
                         "k", {});
}

enum class Sigmoids { plain, never_exact };

Ties ties_of(const ir::Kernel& kernel, Sigmoids sigmoids = Sigmoids::plain) {
  std::vector<bool> never_exact;
  for (const ir::Node& node : kernel.nodes())
    never_exact.push_back(sigmoids == Sigmoids::never_exact && node.op == ir::Op::sigmoid);
  return ties(kernel, ir::accuracies(kernel), never_exact)[kernel.stores()[0].node];
}

Ties ties_of(const std::string& body, Sigmoids sigmoids = Sigmoids::plain) {
  return ties_of(kernel_of(body), sigmoids);
}

/// All numbers of bf16 as `a`, the last few twice, and b(column) as `b`.
template <typename B>
Call call_over_all(const ir::Kernel& kernel, const B& b) {
  Random random(1);
  Call call(kernel, random, {.rows = 1, .columns = kAll + kTail, .random_layouts = false});
  for (std::int64_t column = 0; column < call.columns(); ++column) {
    call.set(0, 0, column, static_cast<std::uint64_t>(column) & 0xffff);
    call.set(1, 0, column, b(column));
  }
  return call;
}

double value(const Call& call, std::size_t param, std::int64_t column) {
  return static_cast<double>(ir::decode(bf16, call.load(param, 0, column)).real);
}

/// The exact result of one element.
long double exact(const Call& call, std::int64_t column) {
  const ir::Evaluator evaluator(call.kernel());
  ir::Evaluator::Workspace workspace;
  std::vector<ir::Scalar> arguments(3), results(1);
  const auto bits = call.arguments(0, column);
  for (std::size_t p = 0; p < 3; ++p)
    arguments[p] = ir::decode(bf16, bits[p]);
  evaluator(arguments, results, workspace);
  return results[0].real;
}

} // namespace

TEST_CASE("ties of products with a sigmoid and at most one number of bf16 go away from zero") {
  for (const char* body : {"sigmoid(a)", "a * sigmoid(a)", "b * sigmoid(a)", "-(a * sigmoid(a))",
                           "0.5 * b * sigmoid(a)", "bf16(a * b) * sigmoid(a)",
                           "bf16(a * b) * sigmoid(a) * (1 + a * (1 - sigmoid(a)))"}) {
    INFO(body);
    CHECK(ties_of(body) == Ties::away_from_zero);
  }
}

TEST_CASE("ties of products with silu and numbers go towards zero") {
  for (const char* body : {"b * (a * sigmoid(a))", "3 * (sigmoid(a) * a) * bf16(exp(b))",
                           "b * (a * sigmoid(a)) * (1 + a * (1 - sigmoid(a)))"}) {
    INFO(body);
    CHECK(ties_of(body) == Ties::towards_zero);
  }
}

TEST_CASE("ties of all else go to even") {
  for (const char* body :
       {"a", "a * b", "a + sigmoid(a)", "a * b * sigmoid(a)", "3 * b * sigmoid(a)", "b * exp(a)",
        "b * (1 + a * (1 - sigmoid(a)))", "a * b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))",
        "b * sigmoid(a) * (1 + b * (1 - sigmoid(a)))",
        "b * sigmoid(a) * (1 + b * (1 - sigmoid(b)))", "b * (a * sigmoid(a)) * exp(b)",
        "a * sigmoid(a) * (b / sigmoid(a))", "b * (a * sigmoid(a)) * sigmoid(b)"}) {
    INFO(body);
    CHECK(ties_of(body) == Ties::to_even);
  }
}

TEST_CASE("ties of every product with a sigmoid that is never exact go away from zero") {
  CHECK(ties_of("a * sigmoid(a) * b", Sigmoids::never_exact) == Ties::away_from_zero);
  CHECK(ties_of("3 * a * sigmoid(a) * b", Sigmoids::never_exact) == Ties::away_from_zero);
  CHECK(ties_of("a * sigmoid(a) + b", Sigmoids::never_exact) == Ties::to_even);
}

TEST_CASE("ties at full accuracy go to even") {
  CHECK(ties_of(kernel_of("a * sigmoid(a)", "f32"), Sigmoids::never_exact) == Ties::to_even);
}

TEST_CASE("products of numbers of bf16 are rounded to nearest even, in words and alone") {
  const ir::Kernel kernel = kernel_of("a * b");
  for (const double b : {1.0, -1.5, 0x1.02p0, 0x1.fep0, 3.0, -0x1.a6p0, 0x1.02p-90, 0x1.54p-126,
                         0x1p-133, 0x1.86p70, 0x1.fep127, double(INFINITY), double(NAN)}) {
    const Call call =
        call_over_all(kernel, [&](std::int64_t) { return ir::encode(bf16, {.real = b}); });
    run_on_host(call, HostSchedule{});
    std::int64_t wrong = 0;
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      const double product = value(call, 0, column) * b;
      const bool is_right = std::isnan(product)
                                ? std::isnan(value(call, 2, column))
                                : call.load(2, 0, column) == ir::encode(bf16, {.real = product});
      wrong += !is_right;
    }
    INFO("times " << b);
    CHECK(wrong == 0);
  }
}

TEST_CASE("silu and glu of every number of bf16 are within 0.51 ulp on the host") {
  for (const char* body : {"a * sigmoid(a)", "bf16(a * sigmoid(a))", "b * sigmoid(a)"}) {
    Random random(3);
    const Call call = call_over_all(kernel_of(body), [&](std::int64_t) {
      return ir::encode(bf16, {.real = 1 + static_cast<double>(random.below(128)) / 128});
    });
    run_on_host(call, HostSchedule{});
    double worst = 0, at = 0;
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      if (!std::isfinite(value(call, 0, column))) // 0 times infinity is NaN
        continue;
      const auto error = static_cast<double>(
          ir::ulp_error(bf16, ir::decode(bf16, call.load(2, 0, column)).real, exact(call, column)));
      if (!(error <= worst)) {
        worst = error;
        at = value(call, 0, column);
      }
    }
    INFO(body << " at " << at);
    CHECK(worst <= 0.51);
  }
}

namespace {

/// silu(gate), off the tie that it is near by as much as a double can be: silu of a small number is
/// a little more than half of it, of a large one a little less than it.
double silu_beside_ties(double gate) {
  if (gate > 30)
    return gate * (1 - 0x1p-40);
  if (std::fabs(gate) < 0x1p-30)
    return gate * (0.5 + std::copysign(0x1p-40, gate));
  return gate / (1 + std::exp(-gate));
}

double to_bf16(double value) {
  return static_cast<double>(ir::decode(bf16, ir::encode(bf16, {.real = value})).real);
}

} // namespace

TEST_CASE("near ties of gate times up and of half of it go where silu says on the host") {
  const ir::Kernel kernel = kernel_of("a * sigmoid(a) * b");
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    Random random(seed);
    const Call call = call_over_all(kernel, [&](std::int64_t) {
      return ir::encode(bf16, {.real = 1 + static_cast<double>(random.below(128)) / 128});
    });
    run_on_host(call, HostSchedule{});
    std::int64_t wrong = 0, ties = 0;
    for (std::int64_t column = 0; column < call.columns(); ++column) {
      const double gate = value(call, 0, column), up = value(call, 1, column);
      // Where sigmoid is next to 1/2 or 1, nearer than an f32 is to its neighbours, and the result
      // is normal.
      const bool is_small = std::fabs(gate) < 0x1p-22 && std::fabs(gate) > 0x1p-124;
      if (!is_small && !(gate > 17 && gate < 0x1p126))
        continue;
      ties += to_bf16(gate * up * (1 + 0x1p-40)) != to_bf16(gate * up * (1 - 0x1p-40));
      wrong += value(call, 2, column) != to_bf16(silu_beside_ties(gate) * up);
    }
    CHECK(ties > 50);
    CHECK(wrong == 0);
  }
}

TEST_CASE(
    "near ties of d * silu(gate) for a large gate go towards zero, as d times less than gate") {
  // The sigmoid is stored too, so that it is 1 where it is next to that.
  const ir::Kernel kernel =
      ir::load_kernel({"kernel k(a: in bf16, b: in bf16, y: out bf16, s: out bf16) {"
                       "  let t = sigmoid(a); y = b * (a * t); s = t; }"},
                      "k", {});
  Random random(1);
  const Call call = call_over_all(kernel, [&](std::int64_t) {
    return ir::encode(bf16, {.real = 1 + static_cast<double>(random.below(128)) / 128});
  });
  run_on_host(call, HostSchedule{});
  std::int64_t wrong = 0, ties = 0;
  for (std::int64_t column = 0; column < call.columns(); ++column) {
    const double gate = value(call, 0, column), d = value(call, 1, column);
    if (!(gate > 17 && gate < 0x1p126))
      continue;
    ties += to_bf16(gate * d * (1 + 0x1p-40)) != to_bf16(gate * d * (1 - 0x1p-40));
    wrong += value(call, 2, column) != to_bf16(gate * d * (1 - 0x1p-40));
  }
  CHECK(ties > 50);
  CHECK(wrong == 0);
}

TEST_CASE("silu is rounded to bf16 on the way to 8 bits as where it is stored, but next to 0") {
  const ir::Kernel kernel =
      ir::load_kernel({"kernel k(a: in bf16, y: out bf16, q: out f8e4m3) {"
                       "  let s = bf16(a * sigmoid(a)); y = s; q = f8e4m3(0.5 * s); }"},
                      "k", {});
  Random random(1);
  Call call(kernel, random, {.rows = 1, .columns = 1 << 16, .random_layouts = false});
  for (std::int64_t column = 0; column < call.columns(); ++column)
    call.set(0, 0, column, static_cast<std::uint64_t>(column));
  run_on_host(call, HostSchedule{});
  std::int64_t wrong = 0;
  for (std::int64_t column = 0; column < call.columns(); ++column) {
    const double a = value(call, 0, column);
    const double expected = to_bf16(a / (1 + std::exp(-a)));
    if (std::fabs(expected) < 0x1p-126 || !std::isfinite(a))
      continue;
    INFO("a " << a);
    if (std::fabs(a) > 0.01)
      CHECK(value(call, 1, column) == expected);
    wrong += value(call, 1, column) != expected;
  }
  CHECK(wrong <= 2); // 2^-7 and -2^-8, whose silu is within 2^-25 of a tie
}

TEST_CASE("ties cost operations only where they are no accidents") {
  const auto text = [](const ir::Kernel& kernel) {
    return emit_text(kernel, contiguous(kernel), HostSchedule{}, host_target(),
                     Emit::llvm_optimised);
  };
  const std::string gated = text(kernel_of("a * sigmoid(a) * b"));
  CHECK(gated.find("i32 32768") != std::string::npos);
  CHECK(gated.find("i32 32767") == std::string::npos);
  CHECK(gated.find("usub.sat") == std::string::npos);
  // A vector rounds the halves of words, a single element for itself.
  const std::string product = text(kernel_of("a * b"));
  CHECK(product.find("usub.sat.v16i16") != std::string::npos);
  CHECK(product.find("(i32 32767)") == std::string::npos);
  CHECK(product.find("32768") == std::string::npos);
}

#if defined(__x86_64__)
TEST_CASE(
    "with AVX-512 a CPU rounds to even in three operations, and takes what is kept in a fourth") {
  const ir::Kernel kernel = kernel_of("bf16(a * b) * a", "f32");
  const std::string text = emit_text(kernel, contiguous(kernel), HostSchedule{.lanes = 16},
                                     target_of(*find_host_level("x86-64-v4")), Emit::assembly);
  const std::string loop = text.substr(0, text.find("jl\t"));
  INFO(loop);
  for (const char* once : {"vpsrld\t", "vpternlogd\t", "vpsubd\t"})
    CHECK(count(loop, once) == 1);
  for (const char* never : {"vpaddd\t", "vpxord\t"})
    CHECK(count(loop, never) == 0);
}
#endif
