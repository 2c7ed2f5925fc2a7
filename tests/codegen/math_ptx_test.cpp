// math_ptx_test.cpp -- the instructions that matter in the PTX of the math functions.
#include <string>
#include <vector>

#include "swage/error.hpp"
#include "tests/codegen/math_jit.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::MathMode;
using ir::Op;

Target cuda(int sm, int ptx) {
  Target target;
  target.kind = Target::Kind::cuda;
  target.sm = sm;
  target.ptx = ptx;
  return target;
}

std::string ptx_of(Op op, MathMode mode, Accuracy accuracy, int sm = 90, bool is_double = false) {
  return math_ptx(
      {.op = op, .is_double = is_double, .width = 1, .accuracy = accuracy, .mode = mode},
      cuda(sm, sm == 75 ? 63 : 78));
}

bool holds(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// `text` with every `part` taken out.
std::string without(std::string text, std::string_view part) {
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;)
    text.erase(at, part.size());
  return text;
}

/// The message that triton mode refuses an operation with; empty if it does not.
std::string refusal(Op op, bool is_double) {
  try {
    ptx_of(op, MathMode::triton, Accuracy::full, 90, is_double);
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported ? error.what() : "";
  }
  return "";
}

const std::vector<Op>& all_ops() {
  static const std::vector<Op> ops = [] {
    std::vector<Op> found = {Op::div, Op::abs, Op::neg, Op::min, Op::max, Op::clamp, Op::relu};
    for (int i = 0; i < ir::kOpCount; ++i) {
      const ir::OpInfo& info = ir::info(static_cast<Op>(i));
      if (info.rule == ir::TypeRule::real || info.rule == ir::TypeRule::test)
        found.push_back(info.op);
    }
    return found;
  }();
  return ops;
}

} // namespace

TEST_CASE("no function calls another or approximates at full accuracy in PTX") {
  for (const Op op : all_ops())
    for (const bool is_double : {false, true}) {
      std::string ptx = ptx_of(op, MathMode::accurate, Accuracy::full, 80, is_double);
      INFO(ptx);
      // The reciprocal that a quotient starts from leaves no trace in it.
      if (op == Op::sigmoid || op == Op::tanh || op == Op::erfc || op == Op::pow)
        ptx = without(ptx, "rcp.approx.ftz.f32");
      CHECK(!holds(ptx, "call"));
      CHECK(!holds(ptx, ".approx"));
      CHECK(!holds(ptx, ".full"));
      CHECK(!holds(ptx, ".ftz"));
      CHECK(!holds(ptx, ".local"));
    }
}

TEST_CASE("no f32 function pays the slow path of a division whose range is known") {
  for (const Op op : {Op::sigmoid, Op::tanh, Op::erfc, Op::pow}) {
    const std::string ptx = ptx_of(op, MathMode::accurate, Accuracy::full);
    INFO(ptx);
    CHECK(!holds(ptx, "div."));
    CHECK(!holds(ptx, "rcp.rn"));
    CHECK(holds(ptx, "fma.rp.f32"));
  }
}

TEST_CASE("every function lowers to PTX in every mode on the oldest and a new architecture") {
  for (const Op op : all_ops())
    for (const int sm : {75, 90})
      for (const MathMode mode : {MathMode::accurate, MathMode::fast}) {
        const std::string ptx = ptx_of(op, mode, Accuracy::half, sm);
        INFO(ptx);
        CHECK(!holds(ptx, "call"));
      }
}

TEST_CASE("sigmoid at half accuracy is one ex2 that keeps subnormal numbers and one reciprocal") {
  const std::string ptx = ptx_of(Op::sigmoid, MathMode::accurate, Accuracy::half);
  CHECK(holds(ptx, "ex2.approx.f32"));
  CHECK(holds(ptx, "rcp.approx"));
  CHECK(!holds(ptx, "ex2.approx.ftz"));
  CHECK(!holds(ptx, "div"));
}

TEST_CASE("triton mode emits Triton's instructions for exp, sigmoid and division") {
  const std::string exp = ptx_of(Op::exp, MathMode::triton, Accuracy::half);
  CHECK(holds(exp, "0f3FB8AA3B"));
  CHECK(holds(exp, "ex2.approx.f32"));
  const std::string sigmoid = ptx_of(Op::sigmoid, MathMode::triton, Accuracy::full);
  CHECK(holds(sigmoid, "ex2.approx.f32"));
  CHECK(holds(sigmoid, "div.full.f32"));
  CHECK(!holds(sigmoid, "rcp"));
  CHECK(holds(ptx_of(Op::div, MathMode::triton, Accuracy::full), "div.full.f32"));
}

TEST_CASE("triton mode refuses by name what cannot be bit-equal, and the host") {
  for (const Op op : {Op::log, Op::tanh, Op::erf, Op::sin, Op::pow, Op::sqrt, Op::expm1}) {
    const std::string message = refusal(op, false);
    CHECK(message.starts_with(std::string(ir::info(op).spelling) + " of f32"));
    CHECK(holds(message, "triton mode offers"));
  }
  CHECK(refusal(Op::exp, true).starts_with("exp of f64"));
  CHECK_THROWS_AS(MathFunction({.op = Op::neg, .mode = MathMode::triton}), Error);
}

TEST_CASE("fast mode flushes to zero and takes the hardware's tanh where PTX has it") {
  CHECK(holds(ptx_of(Op::exp, MathMode::fast, Accuracy::full), "ex2.approx.ftz.f32"));
  CHECK(holds(ptx_of(Op::tanh, MathMode::fast, Accuracy::full), "tanh.approx.f32"));
  CHECK(!holds(ptx_of(Op::tanh, MathMode::fast, Accuracy::full, 75), "tanh.approx.f32"));
  CHECK(holds(ptx_of(Op::sin, MathMode::fast, Accuracy::full), "sin.approx.ftz.f32"));
}

} // namespace swage::codegen::test
