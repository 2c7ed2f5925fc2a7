// simplify.cpp -- simplifying a kernel: its nodes, its casts, its constants.
#include "ir/simplifier.hpp"

#include <cmath>
#include <utility>

#include "ir/arithmetic.hpp"
#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

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
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz: add(DType::f16, DType::bf16, DType::f32, DType::f64); break;
  case DType::e8m0: add(DType::bf16, DType::f32, DType::f64); break;
  case DType::f4e2m1:
    add(DType::f8e4m3, DType::f8e5m2, DType::f16, DType::bf16, DType::f32, DType::f64);
    break;
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

/// Types that do not hold what an operation makes of their values: -0, or any 0 or sign.
constexpr TypeSet kWithoutSignedZero =
    set_of(DType::f8e4m3fnuz) | set_of(DType::f8e5m2fnuz) | set_of(DType::e8m0);

} // namespace

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
  rebuild_skip(out_, kernel_, made);
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
  return set & static_cast<TypeSet>(~kWithoutSignedZero);
}

TypeSet Simplifier::fitting_constant(const Node& constant) const {
  const auto is_same = [](long double rounded, double value) {
    return rounded == value && std::signbit(rounded) == std::signbit(value);
  };
  TypeSet set = 0;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto candidate = static_cast<DType>(i);
    if (is_float(candidate) != is_float(constant.type))
      continue;
    const bool fits = is_float(candidate)
                          ? (std::isnan(constant.real()) && candidate != DType::f4e2m1) ||
                                is_same(round_to(candidate, constant.real()), constant.real())
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

Kernel simplify(const Kernel& kernel) {
  const DefaultFloatEnvironment environment;
  return Simplifier(kernel).run();
}

} // namespace swage::ir
