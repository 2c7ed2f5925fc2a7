// ops.cpp -- the op table as data.
#include "ir/ops.hpp"

namespace swage::ir {

namespace {

constexpr OpInfo kOps[] = {
#define SWAGE_OP(id, spelling, form, arity, rule, real, integer, d_a, d_b, d_c)                    \
  {Op::id, #id, spelling, OpForm::form, arity, TypeRule::rule, {d_a, d_b, d_c}},
#include "ir/ops.def"
};

} // namespace

const OpInfo& info(Op op) noexcept {
  return kOps[static_cast<int>(op)];
}

bool is_reduction(Op op) noexcept {
  return info(op).form >= OpForm::over_row;
}

bool is_call(OpForm form) noexcept {
  return form == OpForm::call || form >= OpForm::over_row;
}

std::optional<Op> function_from_name(std::string_view name) noexcept {
  for (const OpInfo& entry : kOps)
    if (is_call(entry.form) && entry.spelling == name)
      return entry.op;
  return std::nullopt;
}

} // namespace swage::ir
