// simplify_identities.cpp -- simplifying a kernel: the identities that hold for every value.
#include "ir/simplifier.hpp"

#include <cmath>
#include <utility>

namespace swage::ir {

Simplifier::Made Simplifier::rewrite(Op op, const Args& args) {
  const auto& [a, b, c] = args;
  switch (op) {
  case Op::add: return rewrite_add(a, b);
  case Op::sub: return rewrite_sub(a, b);
  case Op::mul: return rewrite_mul(a, b);
  case Op::div: return rewrite_div(a, b);
  case Op::neg: return rewrite_neg(a);
  case Op::eq:
  case Op::ne: return rewrite_equality(op, a, b);
  case Op::lt:
  case Op::le:
  case Op::gt:
  case Op::ge: return rewrite_order(op, a, b);
  case Op::logical_and:
  case Op::logical_or: return rewrite_logic(op, a, b);
  case Op::logical_not: return rewrite_not(a);
  case Op::select: return rewrite_select(a, b, c);
  case Op::min:
  case Op::max: return rewrite_extremum(op, a, b);
  case Op::clamp: return rewrite_clamp(a, b, c);
  case Op::abs:
    if (is_op(a, Op::neg)) // |-x| = |x|
      return make(Op::abs, {arg(a)});
    break;
  default: break;
  }
  return info(op).idempotent && is_op(a, op) ? Made(a) : std::nullopt; // f(f(x)) = f(x)
}

Simplifier::Made Simplifier::rewrite_add(NodeId a, NodeId b) {
  // x + (-0.0) = x, but x + 0.0 is not x where x is -0.0.
  if (is_value(b, -0.0) || is_integer_value(b, 0))
    return a;
  if (is_value(a, -0.0) || is_integer_value(a, 0))
    return b;
  if (is_op(b, Op::neg)) // a + (-b) = a - b
    return make(Op::sub, {a, arg(b)});
  if (is_op(a, Op::neg)) // (-a) + b = b - a
    return make(Op::sub, {b, arg(a)});
  return std::nullopt;
}

Simplifier::Made Simplifier::rewrite_sub(NodeId a, NodeId b) {
  if (is_value(b, 0.0) || is_integer_value(b, 0)) // x - 0 = x
    return a;
  if (is_value(a, -0.0) || is_integer_value(a, 0)) // -0 - x = -x
    return make(Op::neg, {b});
  if (a == b && !is_float(type(a)))
    return record(out_.integer(type(a), 0));
  if (is_op(b, Op::neg)) // a - (-b) = a + b
    return make(Op::add, {a, arg(b)});
  return std::nullopt;
}

Simplifier::Made Simplifier::rewrite_mul(NodeId a, NodeId b) {
  if (is_one(b))
    return a;
  if (is_one(a))
    return b;
  if (is_minus_one(b))
    return make(Op::neg, {a});
  if (is_minus_one(a))
    return make(Op::neg, {b});
  if (is_integer_value(a, 0))
    return a;
  if (is_integer_value(b, 0))
    return b;
  if (is_op(a, Op::neg) && is_op(b, Op::neg)) // (-a) * (-b) = a * b
    return make(Op::mul, {arg(a), arg(b)});
  return std::nullopt;
}

Simplifier::Made Simplifier::rewrite_div(NodeId a, NodeId b) {
  if (!is_float(type(a))) {
    if (is_integer_value(b, 0) || is_integer_value(a, 0)) // x / 0 = 0 / x = 0
      return record(out_.integer(type(a), 0));
    if (is_one(b))
      return a;
    return is_minus_one(b) ? Made(make(Op::neg, {a})) : std::nullopt;
  }
  if (!divides_exactly(type(a)))
    return std::nullopt;
  if (is_one(b))
    return a;
  if (is_minus_one(b))
    return make(Op::neg, {a});
  if (is_op(a, Op::neg) && is_op(b, Op::neg)) // (-a) / (-b) = a / b
    return make(Op::div, {arg(a), arg(b)});
  if (is_constant(b)) {
    // x / 2^k = x * 2^-k: both are the one rounding of the same number. Normal powers only, so that
    // a mode that flushes subnormals agrees.
    const double divisor = node(b).real();
    const double inverse = 1 / divisor;
    const double normal = type(b) == DType::f32 ? 0x1p-126 : 0x1p-1022;
    int exponent = 0;
    if (std::abs(std::frexp(divisor, &exponent)) == 0.5 && std::abs(inverse) >= normal &&
        std::abs(divisor) >= normal)
      return make(Op::mul, {a, record(out_.real(type(b), inverse))});
  }
  if (is_one(a)) // 1 / x and rcp(x) are the same correctly rounded quotient
    return make(Op::rcp, {b});
  return std::nullopt;
}

Simplifier::Made Simplifier::rewrite_neg(NodeId a) {
  return is_op(a, Op::neg) ? Made(arg(a)) : std::nullopt;
}

Simplifier::Made Simplifier::rewrite_equality(Op op, NodeId a, NodeId b) {
  const bool equal = op == Op::eq;
  if (a == b && is_float(type(a))) { // x != x where x is NaN
    const NodeId test = make(Op::isnan, {a});
    return equal ? make(Op::logical_not, {test}) : test;
  }
  if (a == b)
    return boolean(equal);
  if (type(a) != DType::boolean)
    return std::nullopt;
  if (is_constant(a))
    std::swap(a, b);
  if (!is_constant(b))
    return std::nullopt;
  return (node(b).integer() != 0) == equal ? a : make(Op::logical_not, {a});
}

Simplifier::Made Simplifier::rewrite_order(Op op, NodeId a, NodeId b) {
  if (a != b)
    return std::nullopt;
  if (op == Op::lt || op == Op::gt) // x < x is false, for NaN too
    return boolean(false);
  return is_float(type(a)) ? std::nullopt : Made(boolean(true));
}

Simplifier::Made Simplifier::rewrite_logic(Op op, NodeId a, NodeId b) {
  if (a == b)
    return a;
  if (is_constant(a))
    std::swap(a, b);
  if (!is_constant(b))
    return std::nullopt;
  // true is the unit of && and absorbs in ||; false the reverse.
  return (node(b).integer() != 0) == (op == Op::logical_and) ? a : b;
}

Simplifier::Made Simplifier::rewrite_not(NodeId a) {
  const Args args = node(a).args;
  switch (node(a).op) {
  case Op::logical_not: return args[0];
  case Op::eq: return make(Op::ne, args);
  case Op::ne: return make(Op::eq, args);
  default: break;
  }
  if (!info(node(a).op).arity || is_float(type(args[0])))
    return std::nullopt; // !(x < y) is not x >= y where either is NaN
  switch (node(a).op) {
  case Op::lt: return make(Op::ge, args);
  case Op::le: return make(Op::gt, args);
  case Op::gt: return make(Op::le, args);
  case Op::ge: return make(Op::lt, args);
  default: return std::nullopt;
  }
}

Simplifier::Made Simplifier::rewrite_select(NodeId condition, NodeId yes, NodeId no) {
  if (yes == no)
    return yes;
  if (is_constant(condition))
    return node(condition).integer() != 0 ? yes : no;
  if (is_op(condition, Op::logical_not)) // !c ? a : b = c ? b : a
    return make(Op::select, {arg(condition), no, yes});
  if (type(yes) == DType::boolean && is_constant(yes) && is_constant(no)) // c ? true : false
    return node(yes).integer() != 0 ? condition : make(Op::logical_not, {condition});
  return std::nullopt;
}

Simplifier::Made Simplifier::rewrite_extremum(Op op, NodeId a, NodeId b) {
  if (a == b)
    return a;
  // min(x, inf) = max(x, -inf) = x, for NaN too.
  const double unit = op == Op::min ? HUGE_VAL : -HUGE_VAL;
  if (is_value(b, unit))
    return a;
  return is_value(a, unit) ? Made(b) : std::nullopt;
}

Simplifier::Made Simplifier::rewrite_clamp(NodeId a, NodeId low, NodeId high) {
  // By definition min(max(a, low), high).
  if (is_value(low, -HUGE_VAL))
    return make(Op::min, {a, high});
  return is_value(high, HUGE_VAL) ? Made(make(Op::max, {a, low})) : std::nullopt;
}

} // namespace swage::ir
