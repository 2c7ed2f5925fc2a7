// math_ptx_test.cpp -- the instructions that matter in the PTX of the math functions.
#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "swage/error.hpp"
#include "tests/codegen/llvm_text.hpp"
#include "tests/codegen/math_jit.hpp"
#include "tests/support/catch.hpp"

namespace swage::codegen::test {
namespace {

using ir::MathMode;
using ir::Op;

std::string ptx_of(Op op, MathMode mode, Accuracy accuracy, int sm = 90, bool is_double = false) {
  return math_ptx(
      {.op = op, .is_double = is_double, .width = 1, .accuracy = accuracy, .mode = mode},
      cuda_target(sm));
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

/// The message that `mode` refuses an operation with; empty if it does not.
std::string refusal(MathMode mode, Op op, bool is_double) {
  try {
    ptx_of(op, mode, Accuracy::full, 90, is_double);
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported ? error.what() : "";
  }
  return "";
}

/// The instructions on floats but moves, comparisons and selections, sorted, without their type.
std::string float_instructions(const std::string& ptx) {
  static const std::regex pattern(R"(\b([a-z0-9]+(?:\.[a-z]+)*)(?:\.f32)(?:\.[a-z0-9]+)?\s)");
  std::vector<std::string> names;
  for (std::sregex_iterator it(ptx.begin(), ptx.end(), pattern), end; it != end; ++it) {
    const std::string name = (*it)[1];
    if (!name.starts_with("set") && !name.starts_with("selp") && !name.starts_with("mov") &&
        !name.starts_with("ld") && !name.starts_with("st"))
      names.push_back(name);
  }
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, " "));
}

/// Without those that a sign is taken off and put on with: LLVM 19 has several for copysign.
std::string unsigned_instructions(std::string names) {
  for (const char* name : {"abs ", "copysign ", "neg "})
    names = without(std::move(names), name);
  return names;
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

TEST_CASE("exp at half accuracy is the square of an ex2 that may flush, as its root is normal") {
  CHECK(float_instructions(ptx_of(Op::exp, MathMode::accurate, Accuracy::half)) ==
        "ex2.approx.ftz mul.rn mul.rn");
}

TEST_CASE("sigmoid at half accuracy is one exp and one reciprocal") {
  const std::string ptx = ptx_of(Op::sigmoid, MathMode::accurate, Accuracy::half);
  CHECK(holds(ptx, "ex2.approx.ftz.f32"));
  CHECK(holds(ptx, "rcp.approx"));
  CHECK(!holds(ptx, "ex2.approx.f32"));
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

TEST_CASE("triton mode takes tanh and erf from CUDA's library, as torch mode does") {
  for (const Op op : {Op::tanh, Op::erf})
    CHECK(float_instructions(ptx_of(op, MathMode::triton, Accuracy::half)) ==
          float_instructions(ptx_of(op, MathMode::torch, Accuracy::half)));
}

TEST_CASE("triton mode refuses by name what cannot be bit-equal, and the host") {
  for (const Op op : {Op::log, Op::erfc, Op::sin, Op::pow, Op::sqrt, Op::rsqrt, Op::expm1}) {
    const std::string message = refusal(MathMode::triton, op, false);
    CHECK(message.starts_with(std::string(ir::info(op).spelling) + " of f32"));
    CHECK(holds(message, "triton mode offers"));
  }
  CHECK(refusal(MathMode::triton, Op::exp, true).starts_with("exp of f64"));
  CHECK_THROWS_AS(MathFunction({.op = Op::neg, .mode = MathMode::triton}), Error);
}

TEST_CASE("torch mode emits the instructions of CUDA's compiler, on every architecture the same") {
  struct Sequence {
    Op op;
    const char* instructions; ///< on floats, in alphabetical order
    std::vector<const char*> coefficients;
  };
  const Sequence sequences[] = {
      {Op::exp,
       "add.rn cvt.sat ex2.approx.ftz fma.rm fma.rn fma.rn fma.rn mul.rn neg",
       {"0f3BBB989D", "0f437C0000", "0f4B400001", "0fCB40007F", "0f3FB8AA3B", "0f32A57060"}},
      {Op::exp2, "ex2.approx", {}},
      {Op::log,
       "add.rn cvt.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn "
       "fma.rn mul.rn mul.rn",
       {"0fBE055027", "0f3E1039F6", "0fBDF8CDCC", "0f3E0F2955", "0fBE2AD8B9", "0f3E4CED0B",
        "0fBE7FFF22", "0f3EAAAA78", "0f3F317218"}},
      {Op::log1p,
       "add.rn add.rz cvt.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn "
       "fma.rn fma.rn mul.rn mul.rn",
       {"0fBD39BF78", "0f3DD80012", "0fBE0778E0", "0f3E146475", "0fBE2A68DD", "0f3E4CAF9E",
        "0fBE800042", "0f3EAAAAE6", "0f3F317218"}},
      {Op::tanh,
       "abs add.rn copysign ex2.approx.ftz fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn mul.rn mul.rn "
       "rcp.approx.ftz",
       {"0f4038AA3B", "0f41102CB4", "0f3F19999A", "0f3C80F082", "0fBD563CAE", "0f3E085941",
        "0fBEAAA9ED"}},
      {Op::erf,
       "abs copysign ex2.approx.ftz fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn fma.rn mul.rn neg "
       "sub.rn",
       {"0f3F8060FE", "0f38EB4C3A", "0f38B1E96A", "0fBAAE005B", "0fBA574D20", "0f3C09919F",
        "0f3BAAD5EA", "0fBD24D99A", "0fBCDC1BE7", "0f3E235519", "0f3DE718AF", "0f3F69B4F9",
        "0fBEC093AC", "0f3F210A14", "0f3E0375D3"}},
      {Op::sqrt, "sqrt.rn", {}},
      {Op::rsqrt, "rsqrt.approx", {}},
      {Op::div, "div.rn", {}},
      {Op::rcp, "rcp.rn", {}},
  };
  for (const Sequence& sequence : sequences)
    for (const int sm : {75, 80, 86, 90, 100, 120}) {
      const std::string ptx = ptx_of(sequence.op, MathMode::torch, Accuracy::half, sm);
      INFO(ptx);
      const std::string expected = sequence.instructions;
      if (kLlvm < 20 && expected.find("copysign") != std::string::npos)
        CHECK(unsigned_instructions(float_instructions(ptx)) == unsigned_instructions(expected));
      else
        CHECK(float_instructions(ptx) == expected);
      for (const char* coefficient : sequence.coefficients)
        CHECK(holds(ptx, coefficient));
    }
}

TEST_CASE("torch mode refuses by name what cannot be bit-equal") {
  for (const Op op : {Op::sin, Op::cos, Op::pow, Op::hypot, Op::copysign}) {
    const std::string message = refusal(MathMode::torch, op, false);
    CHECK(message.starts_with(std::string(ir::info(op).spelling) + " of f32"));
    CHECK(holds(message, "torch mode offers"));
  }
  CHECK(refusal(MathMode::torch, Op::exp, true).starts_with("exp of f64"));
  CHECK(refusal(MathMode::torch, Op::div, true).empty());
  CHECK(refusal(MathMode::torch, Op::sqrt, true).empty());
}

TEST_CASE("fast mode flushes to zero and takes the hardware's tanh where PTX has it") {
  CHECK(holds(ptx_of(Op::exp, MathMode::fast, Accuracy::full), "ex2.approx.ftz.f32"));
  CHECK(holds(ptx_of(Op::tanh, MathMode::fast, Accuracy::full), "tanh.approx.f32"));
  CHECK(!holds(ptx_of(Op::tanh, MathMode::fast, Accuracy::full, 75), "tanh.approx.f32"));
  CHECK(holds(ptx_of(Op::sin, MathMode::fast, Accuracy::full), "sin.approx.ftz.f32"));
}

} // namespace swage::codegen::test
