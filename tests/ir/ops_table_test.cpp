// ops_table_test.cpp -- the properties of an operation in the op table are true of its evaluation.
#include "tests/support/catch.hpp"

#include <cmath>
#include <optional>
#include <random>
#include <set>
#include <type_traits>
#include <vector>

#include "ir/accuracy.hpp"
#include "ir/arithmetic.hpp"
#include "ir/number.hpp"
#include "ir/ops.hpp"

using namespace swage;
using ir::Op;
using ir::OpInfo;

namespace {

std::vector<OpInfo> table() {
  std::vector<OpInfo> rows;
  for (int i = 0; i < ir::kOpCount; ++i)
    rows.push_back(ir::info(static_cast<Op>(i)));
  return rows;
}

/// On floats; nothing where the operation has no column for them. Truth is 0 or 1.
template <class Real>
std::optional<Real> value_of(Op op, Real a, Real b, Real c) {
  return ir::eval::with_real<Real>(op, [&]<class F>(F f) -> std::optional<Real> {
    using Result = std::invoke_result_t<F, Real, Real, Real>;
    if constexpr (std::is_same_v<Result, ir::eval::None>)
      return std::nullopt;
    else
      return static_cast<Real>(f(a, b, c));
  });
}

/// Ordinary, extreme and special numbers of bf16, which every compute type holds.
std::vector<float> samples() {
  std::vector<float> values;
  std::mt19937 random(3);
  for (const std::uint64_t bits : {0x0000, 0x8000, 0x3f80, 0xbf80, 0x3f00, 0x7f7f, 0xff7f, 0x0080,
                                   0x0001, 0x7f80, 0xff80, 0x7fc0})
    values.push_back(static_cast<float>(ir::decode(DType::bf16, bits).real));
  for (int i = 0; i < 20; ++i)
    values.push_back(static_cast<float>(
        ir::decode(DType::bf16,
                   ir::encode(DType::bf16, {.real = double(random() % 4000) / 200 - 10}))
            .real));
  return values;
}

template <class Visit>
void for_pairs(const Visit& visit) {
  for (const float a : samples())
    for (const float b : samples())
      visit(a, b);
}

bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

bool is_computed(const OpInfo& row) {
  return row.form != ir::OpForm::leaf && value_of<float>(row.op, 1, 1, 1).has_value();
}

} // namespace

TEST_CASE("rows of the op table have one name each, and sets of their own operands") {
  std::set<std::string_view> calls;
  for (const OpInfo& row : table()) {
    INFO(row.id);
    if (ir::is_call(row.form))
      CHECK(calls.insert(row.spelling).second);
    CHECK((row.fits | row.jumps) < 1 << row.arity);
    CHECK((row.cost == 0) == (row.arity == 0 && row.form == ir::OpForm::leaf));
    CHECK(row.error.f32 >= 0);
    CHECK((row.half.error == 0 || (row.half.error <= 0x1p-17 && row.half.far_error <= 0x1p-16)));
    for (std::size_t i = 0; i < 3; ++i)
      CHECK((static_cast<int>(i) < row.arity || row.derivative[i].empty()));
  }
}

TEST_CASE("what is written between or before operands has a precedence, and nothing else") {
  for (const OpInfo& row : table()) {
    INFO(row.id);
    const bool written = row.form == ir::OpForm::infix || row.form == ir::OpForm::prefix ||
                         row.form == ir::OpForm::ternary;
    CHECK((row.binds != ir::Precedence::primary) == written);
    if (row.form == ir::OpForm::infix)
      CHECK(ir::infix_from_spelling(row.spelling) == row.op);
  }
}

TEST_CASE("operands of commutative operations change places, and of no other") {
  for (const OpInfo& row : table()) {
    if (row.arity != 2 || !is_computed(row))
      continue;
    INFO(row.id);
    bool differs = false;
    for_pairs([&](float a, float b) {
      differs |= !same(*value_of<float>(row.op, a, b, 0), *value_of<float>(row.op, b, a, 0));
    });
    CHECK(differs == !row.commutes);
  }
}

TEST_CASE("idempotent operations are those that leave their own results") {
  for (const OpInfo& row : table()) {
    if (row.arity != 1 || !is_computed(row) || ir::is_reduction(row.op) ||
        row.rule == ir::TypeRule::test)
      continue;
    INFO(row.id);
    bool differs = false;
    for (const float a : samples()) {
      const float once = *value_of<float>(row.op, a, 0, 0);
      differs |= !same(*value_of<float>(row.op, once, 0, 0), once);
    }
    CHECK(differs == !row.idempotent);
  }
}

TEST_CASE("results lie in the stated range, have the stated sign and fit the stated operands") {
  for (const OpInfo& row : table()) {
    if (!is_computed(row) || row.rule == ir::TypeRule::compare || row.rule == ir::TypeRule::order)
      continue;
    INFO(row.id);
    for_pairs([&](float a, float b) {
      const long double result = *value_of<long double>(row.op, a, b, 2.0L);
      INFO(a << ", " << b << ", 2: " << static_cast<double>(result));
      if (std::isnan(result))
        return;
      CHECK((result >= row.range.low && result <= row.range.high));
      const bool never_negative =
          row.sign == ir::Sign::never_negative ||
          (row.sign == ir::Sign::if_a && a >= 0 && (b >= 0 || !ir::is_reduction(row.op))) ||
          (row.sign == ir::Sign::if_all && a >= 0 && b >= 0) ||
          (row.sign == ir::Sign::if_some && (a >= 0 || b >= 0)) ||
          (row.sign == ir::Sign::if_factors && a >= 0 && b >= 0);
      const auto is_minus_zero = [](float x) { return x == 0 && std::signbit(x); };
      if (never_negative && !is_minus_zero(a) && !is_minus_zero(b)) // whose reciprocal is -inf
        CHECK(result >= 0);
      if (row.fits != 0)
        CHECK(ir::round_to(DType::bf16, result) == result);
    });
  }
}

TEST_CASE("what is defined to the bit is so in every wider type") {
  for (const OpInfo& row : table()) {
    if (!is_computed(row) || !ir::eval::is_exactly_rounded(row.op) || row.op == Op::fma)
      continue;
    INFO(row.id);
    for_pairs([&](float a, float b) {
      const float narrow = *value_of<float>(row.op, a, b, 2);
      const float wide = static_cast<float>(*value_of<double>(row.op, a, b, 2));
      INFO(a << ", " << b);
      CHECK(same(narrow, wide));
    });
  }
}

TEST_CASE("slopes of gentle operations are about 1 at most, and of the other functions larger") {
  for (const OpInfo& row : table()) {
    if (!is_computed(row) || row.rule != ir::TypeRule::real || row.jumps != 0 || row.op == Op::fma)
      continue;
    INFO(row.id);
    long double steepest = 0;
    for (long double at = -20; at <= 20; at += 0.0625L) {
      const long double step = 0x1p-30L;
      const auto slope = (*value_of<long double>(row.op, at + step, 3, 0) -
                          *value_of<long double>(row.op, at - step, 3, 0)) /
                         (2 * step);
      if (!std::isnan(slope))
        steepest = std::max(steepest, std::fabs(slope));
    }
    CHECK((steepest < 1.13L) == row.gentle);
  }
}
