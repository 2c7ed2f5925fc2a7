// simplify.cpp -- constant folding and the identities that hold for every value.
//
// The kernel is rebuilt operand first, and each node goes through `make`, which folds it, rewrites
// it or passes it on to the builder. A rule sees operands that are already simple and answers with
// a node made the same way, so one pass reaches the fixpoint. Every rule gives the same bits as
// what it replaces, for NaN (up to payload), infinities and both zeros, in every math mode; the few
// that need an exactly rounded division ask `divides_exactly`.
#include <cmath>
#include <optional>
#include <utility>

#include "ir/arithmetic.hpp"
#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

using Args = std::array<NodeId, 3>;
using TypeSet = std::uint16_t;

constexpr TypeSet set_of(DType type) noexcept {
  return static_cast<TypeSet>(1u << static_cast<unsigned>(type));
}

/// The types that hold every value of `type`, of the same kind: float, or integer and bool.
TypeSet holders(DType type) noexcept {
  TypeSet set = set_of(type);
  const auto add = [&set](auto... types) { ((set |= set_of(types)), ...); };
  switch (type) {
  case DType::bf16:
  case DType::f16: add(DType::f32, DType::f64); break;
  case DType::f32: add(DType::f64); break;
  case DType::boolean: add(DType::i8, DType::u8, DType::i16, DType::i32, DType::i64); break;
  case DType::i8:
  case DType::u8: add(DType::i16, DType::i32, DType::i64); break;
  case DType::i16: add(DType::i32, DType::i64); break;
  case DType::i32: add(DType::i64); break;
  default: break;
  }
  return set;
}

class Simplifier {
public:
  explicit Simplifier(const Kernel& kernel)
      : kernel_(kernel),
        out_(kernel.name(), kernel.math(), {kernel.params().begin(), kernel.params().end()}) {}

  Kernel run() &&;

private:
  using Made = std::optional<NodeId>;

  NodeId make(Op op, const Args& args);
  NodeId cast(DType storage, NodeId value);
  NodeId record(NodeId id);
  TypeSet fitting(const Node& node) const;
  TypeSet fitting_constant(const Node& node) const;
  NodeId stored(const Param& param, NodeId value) const;

  Made fold(Op op, const Args& args);
  template <class Real>
  Made fold_real(Op op, const Args& args);
  Made fold_integer(Op op, const Args& args);

  Made rewrite(Op op, const Args& args);
  Made rewrite_add(NodeId a, NodeId b);
  Made rewrite_sub(NodeId a, NodeId b);
  Made rewrite_mul(NodeId a, NodeId b);
  Made rewrite_div(NodeId a, NodeId b);
  Made rewrite_neg(NodeId a);
  Made rewrite_equality(Op op, NodeId a, NodeId b);
  Made rewrite_order(Op op, NodeId a, NodeId b);
  Made rewrite_logic(Op op, NodeId a, NodeId b);
  Made rewrite_not(NodeId a);
  Made rewrite_select(NodeId condition, NodeId yes, NodeId no);
  Made rewrite_extremum(Op op, NodeId a, NodeId b);
  Made rewrite_clamp(NodeId a, NodeId low, NodeId high);

  const Node& node(NodeId id) const { return out_.node(id); }
  DType type(NodeId id) const { return node(id).type; }
  bool is_op(NodeId id, Op op) const { return node(id).op == op; }
  NodeId arg(NodeId id) const { return node(id).args[0]; }
  bool is_constant(NodeId id) const { return is_op(id, Op::constant); }
  /// A constant equal to `value`, with its sign where that is zero.
  bool is_value(NodeId id, double value) const;
  bool is_integer_value(NodeId id, std::int64_t value) const {
    return is_constant(id) && !is_float(type(id)) && node(id).integer() == value;
  }
  bool is_one(NodeId id) const { return is_value(id, 1) || is_integer_value(id, 1); }
  bool is_minus_one(NodeId id) const { return is_value(id, -1) || is_integer_value(id, -1); }
  NodeId boolean(bool value) { return record(out_.integer(DType::boolean, value)); }
  /// Triton's f32 division is an approximation whose bits are the promise of that mode.
  bool divides_exactly(DType of) const {
    return kernel_.math() != MathMode::triton || of != DType::f32;
  }

  const Kernel& kernel_;
  KernelBuilder out_;
  std::vector<TypeSet> fits_; ///< by new node: the types a cast to which would change nothing
};

Kernel Simplifier::run() && {
  std::vector<NodeId> made;
  made.reserve(kernel_.nodes().size());
  for (const Node& old : kernel_.nodes()) {
    const Args args = renamed_args(old, made);
    if (old.op == Op::cast)
      made.push_back(cast(old.storage, args[0]));
    else if (info(old.op).form == OpForm::leaf || reaches_beyond(old.op))
      // A reduction stays, even of a constant: its value depends on how many columns there are.
      made.push_back(record(rebuild(out_, old, made)));
    else
      made.push_back(make(old.op, args));
  }
  for (const Store& store : kernel_.stores())
    out_.store(store.param, stored(kernel_.params()[store.param], made[store.node]));
  return std::move(out_).build();
}

NodeId Simplifier::make(Op op, const Args& args) {
  if (const Made folded = fold(op, args))
    return *folded;
  if (const Made rewritten = rewrite(op, args))
    return *rewritten;
  const auto arity = static_cast<std::size_t>(info(op).arity);
  return record(out_.make(op, std::span(args.data(), arity)));
}

NodeId Simplifier::record(NodeId id) {
  if (id >= fits_.size())
    fits_.push_back(fitting(node(id)));
  return id;
}

// ---- casts ----

/// The types that hold the value of `node` exactly, whatever the arguments are.
TypeSet Simplifier::fitting(const Node& node) const {
  const TypeSet own = holders(node.type);
  switch (node.op) {
  case Op::load:
  case Op::scalar:
  case Op::lookup: return holders(kernel_.params()[node.param].dtype);
  case Op::constant: return fitting_constant(node);
  case Op::cast: return holders(node.storage);
  default: break;
  }
  const OpInfo& row = info(node.op);
  const bool changes_sign = node.op == Op::neg || node.op == Op::abs;
  if (row.fits == 0 || (changes_sign && !is_float(node.type))) // -(-128) leaves i8
    return own;
  TypeSet set = static_cast<TypeSet>(~TypeSet{0});
  for (int i = 0; i < row.arity; ++i)
    if ((row.fits >> i & 1) != 0)
      set &= fits_[node.args[static_cast<std::size_t>(i)]];
  return set;
}

TypeSet Simplifier::fitting_constant(const Node& constant) const {
  TypeSet set = 0;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto candidate = static_cast<DType>(i);
    if (is_float(candidate) != is_float(constant.type))
      continue;
    const bool fits =
        is_float(candidate)
            ? std::isnan(constant.real()) || round_to(candidate, constant.real()) == constant.real()
            : eval::wrap(candidate, constant.integer()) == constant.integer();
    if (fits)
      set |= set_of(candidate);
  }
  return set;
}

NodeId Simplifier::cast(DType storage, NodeId value) {
  const DType to = compute_type(storage);
  // A cast that kept its value is skipped: what it was made of can be cast directly.
  while (is_op(value, Op::cast) && (fits_[arg(value)] & set_of(node(value).storage)) != 0)
    value = arg(value);
  // Of wrapping casts the narrower decides.
  while (is_op(value, Op::cast) && is_integer(storage) && is_integer(node(value).storage) &&
         is_integer(type(arg(value))) && size_of(storage) <= size_of(node(value).storage))
    value = arg(value);
  if (type(value) == to && (fits_[value] & set_of(storage)) != 0)
    return value;
  if (!is_constant(value))
    return record(out_.cast(storage, value));
  const Node& constant = node(value);
  if (is_float(storage)) {
    const std::uint64_t bits = is_float(constant.type)
                                   ? encode(storage, {.real = constant.real()})
                                   : with_float(storage, [&]<DType format>() {
                                       return encode_float<format>(constant.integer());
                                     });
    return record(out_.real(to, static_cast<double>(decode(storage, bits).real)));
  }
  if (!is_float(constant.type))
    return record(out_.integer(to, eval::wrap(storage, constant.integer())));
  return record(out_.integer(to, storage == DType::boolean
                                     ? constant.real() != 0
                                     : eval::saturate(storage, constant.real())));
}

/// A store rounds or wraps by itself: a cast to the same type just before it does nothing.
NodeId Simplifier::stored(const Param& param, NodeId value) const {
  while (is_op(value, Op::cast) && node(value).storage == param.dtype &&
         type(arg(value)) == type(value))
    value = arg(value);
  return value;
}

// ---- constants ----

Simplifier::Made Simplifier::fold(Op op, const Args& args) {
  for (int i = 0; i < info(op).arity; ++i)
    if (!is_constant(args[static_cast<std::size_t>(i)]))
      return std::nullopt;
  const DType of = type(args[0]);
  if (op == Op::select)
    return std::nullopt; // an identity
  if (!is_float(of))
    return fold_integer(op, args);
  const bool exact = eval::is_exactly_rounded(op);
  if (!exact && kernel_.math() == MathMode::torch)
    return std::nullopt; // PyTorch computes it when it runs, with bits of its own
  const bool divides = op == Op::div || op == Op::rcp || op == Op::sqrt;
  if ((!exact || divides) && !divides_exactly(of))
    return std::nullopt; // Triton's approximations have bits of their own
  if (of == DType::f32)
    return exact ? fold_real<float>(op, args) : fold_real<double>(op, args);
  return exact ? fold_real<double>(op, args) : fold_real<long double>(op, args);
}

template <class Real>
Simplifier::Made Simplifier::fold_real(Op op, const Args& args) {
  std::array<Real, 3> values{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(info(op).arity); ++i)
    values[i] = static_cast<Real>(node(args[i]).real());
  const DType of = type(args[0]);
  return eval::with_real<Real>(op, [&]<class F>(F f) -> Made {
    using Result = std::invoke_result_t<F, Real, Real, Real>;
    if constexpr (std::is_same_v<Result, bool>)
      return boolean(f(values[0], values[1], values[2]));
    else if constexpr (std::is_same_v<Result, Real>)
      return record(
          out_.real(of, static_cast<double>(round_to(of, f(values[0], values[1], values[2])))));
    else
      return std::nullopt;
  });
}

Simplifier::Made Simplifier::fold_integer(Op op, const Args& args) {
  std::array<std::int64_t, 3> values{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(info(op).arity); ++i)
    values[i] = node(args[i]).integer();
  const DType of = info(op).rule == TypeRule::number ? type(args[0]) : DType::boolean;
  return eval::with_integer(op, [&]<class F>(F f) -> Made {
    using Result = std::invoke_result_t<F, std::int64_t, std::int64_t, std::int64_t>;
    if constexpr (std::is_same_v<Result, eval::None>)
      return std::nullopt;
    else
      return record(out_.integer(of, f(values[0], values[1], values[2])));
  });
}

bool Simplifier::is_value(NodeId id, double value) const {
  return is_constant(id) && is_float(type(id)) && node(id).real() == value &&
         std::signbit(node(id).real()) == std::signbit(value);
}

// ---- identities ----

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

} // namespace

Kernel simplify(const Kernel& kernel) {
  const DefaultFloatEnvironment environment;
  return Simplifier(kernel).run();
}

} // namespace swage::ir
