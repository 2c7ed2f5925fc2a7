// strict.cpp -- evaluates one element with every operation rounded to its compute type.
#include "tests/codegen/strict.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "ir/accuracy.hpp"
#include "ir/arithmetic.hpp"
#include "ir/number.hpp"

namespace swage::codegen::test {

namespace {

using ir::Op;
using ir::Scalar;

template <class Real>
Scalar apply_real(Op op, const Scalar& a, const Scalar& b, const Scalar& c) {
  Scalar result;
  ir::eval::with_real<Real>(op, [&](auto f) {
    const auto value =
        f(static_cast<Real>(a.real), static_cast<Real>(b.real), static_cast<Real>(c.real));
    if constexpr (std::is_same_v<std::remove_cv_t<decltype(value)>, bool>)
      result.integer = value;
    else if constexpr (std::is_floating_point_v<std::remove_cv_t<decltype(value)>>)
      result.real = static_cast<Real>(value);
  });
  return result;
}

Scalar apply_integer(const ir::Node& node, const Scalar& a, const Scalar& b, const Scalar& c) {
  Scalar result;
  ir::eval::with_integer(node.op, [&](auto f) {
    const auto value = f(a.integer, b.integer, c.integer);
    if constexpr (std::is_integral_v<std::remove_cv_t<decltype(value)>>)
      result.integer = ir::eval::wrap(node.type, static_cast<std::int64_t>(value));
  });
  return result;
}

Scalar cast(DType from, DType storage, const Scalar& value) {
  Scalar result;
  if (is_float(storage))
    result.real = ir::round_to(storage, is_float(from) ? value.real
                                                       : static_cast<long double>(value.integer));
  else if (!is_float(from))
    result.integer = ir::eval::wrap(storage, value.integer);
  else if (storage == DType::boolean)
    result.integer = value.real != 0;
  else
    result.integer = ir::eval::saturate(storage, value.real);
  return result;
}

} // namespace

std::vector<std::uint64_t> evaluate_strictly(const ir::Kernel& kernel,
                                             const std::vector<std::uint64_t>& bits) {
  std::vector<Scalar> values;
  for (const ir::Node& node : kernel.nodes()) {
    const auto arg = [&](std::size_t i) {
      return static_cast<int>(i) < ir::info(node.op).arity ? values[node.args[i]] : Scalar{};
    };
    Scalar value;
    if (node.op == Op::load || node.op == Op::scalar) {
      value = ir::decode(kernel.params()[node.param].dtype, bits[node.param]);
    } else if (node.op == Op::constant) {
      if (is_float(node.type))
        value.real = node.real();
      else
        value.integer = node.integer();
    } else if (node.op == Op::cast) {
      value = cast(kernel.node(node.args[0]).type, node.storage, arg(0));
    } else if (node.op == Op::select) {
      value = arg(0).integer ? arg(1) : arg(2);
    } else {
      const DType operand = kernel.node(node.args[0]).type;
      value = operand == DType::f32   ? apply_real<float>(node.op, arg(0), arg(1), arg(2))
              : operand == DType::f64 ? apply_real<double>(node.op, arg(0), arg(1), arg(2))
                                      : apply_integer(node, arg(0), arg(1), arg(2));
    }
    values.push_back(value);
  }
  std::vector<std::uint64_t> results;
  for (const ir::Store& store : kernel.stores())
    results.push_back(ir::encode(kernel.params()[store.param].dtype, values[store.node]));
  return results;
}

bool same_bits(DType type, std::uint64_t a, std::uint64_t b) {
  if (a == b)
    return true;
  return is_float(type) && std::isnan(ir::decode(type, a).real) &&
         std::isnan(ir::decode(type, b).real);
}

std::vector<Op> exact_ops() {
  std::vector<Op> ops;
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    // The sign of a NaN is nobody's promise, and copysign would show it.
    if (ir::info(op).arity > 0 && !ir::reaches_beyond(op) && ir::eval::is_exactly_rounded(op) &&
        op != Op::copysign)
      ops.push_back(op);
  }
  return ops;
}

bool owes_full_accuracy(const ir::Kernel& kernel) {
  return std::ranges::all_of(ir::accuracies(kernel),
                             [](ir::Accuracy owed) { return owed == ir::Accuracy::full; });
}

} // namespace swage::codegen::test
