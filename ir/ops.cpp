// ops.cpp -- the op table as data.
#include "ir/ops.hpp"

namespace swage::ir {

namespace {

using enum Precedence;
using enum Sign;
constexpr OperandSet a = 1, b = 2, c = 4;
constexpr double inf = std::numeric_limits<double>::infinity();

constexpr OpInfo kOps[] = {
#define SWAGE_OP(id_, spelling_, form_, arity_, rule_, real, integer, d_a, d_b, d_c, ...)          \
  {.op = Op::id_,                                                                                  \
   .id = #id_,                                                                                     \
   .spelling = spelling_,                                                                          \
   .form = OpForm::form_,                                                                          \
   .arity = arity_,                                                                                \
   .rule = TypeRule::rule_,                                                                        \
   .derivative = {d_a, d_b, d_c},                                                                  \
   __VA_ARGS__},
#include "ir/ops.def"
};

} // namespace

const OpInfo& info(Op op) noexcept {
  return kOps[static_cast<int>(op)];
}

bool is_reduction(Op op) noexcept {
  return info(op).form >= OpForm::over_row;
}

bool takes_size(OpForm form) noexcept {
  return form == OpForm::over_group || form == OpForm::over_col_group;
}

bool is_extreme(Op op) noexcept {
  return is_reduction(op) && info(op).fits != 0;
}

bool reaches_beyond(Op op) noexcept {
  return is_reduction(op) || info(op).form == OpForm::place || op == Op::lookup;
}

bool is_comparison(Op op) noexcept {
  return info(op).rule == TypeRule::compare || info(op).rule == TypeRule::order;
}

bool is_call(OpForm form) noexcept {
  return form == OpForm::call || form >= OpForm::place;
}

std::optional<Op> infix_from_spelling(std::string_view spelling) noexcept {
  for (const OpInfo& entry : kOps)
    if (entry.form == OpForm::infix && entry.spelling == spelling)
      return entry.op;
  return std::nullopt;
}

std::optional<Op> function_from_name(std::string_view name) noexcept {
  for (const OpInfo& entry : kOps)
    if (is_call(entry.form) && entry.spelling == name)
      return entry.op;
  return std::nullopt;
}

} // namespace swage::ir
