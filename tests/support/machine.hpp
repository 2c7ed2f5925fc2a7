// machine.hpp -- a kernel computed as a machine would, every operation rounded to its compute type.
//
// The evaluator says what is right; this says what two kernels that promise the same bits must
// agree on. Functions that IEEE 754 does not define are rounded once from a wider type.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "ir/arithmetic.hpp"
#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/kernel.hpp"
#include "ir/number.hpp"

namespace swage::test {

namespace detail {

template <class Real>
ir::Scalar apply_real(ir::Op op, DType type, const ir::Scalar& a, const ir::Scalar& b,
                      const ir::Scalar& c) {
  return ir::eval::with_real<Real>(op, [&]<class F>(F f) -> ir::Scalar {
    using Result = std::invoke_result_t<F, Real, Real, Real>;
    if constexpr (std::is_same_v<Result, ir::eval::None>)
      return {};
    else {
      const auto result =
          f(static_cast<Real>(a.real), static_cast<Real>(b.real), static_cast<Real>(c.real));
      if constexpr (std::is_same_v<Result, bool>)
        return {.integer = result};
      else
        return {.real = ir::round_to(type, result)};
    }
  });
}

inline ir::Scalar apply(ir::Op op, DType type, DType operand, const ir::Scalar& a,
                        const ir::Scalar& b, const ir::Scalar& c) {
  if (op == ir::Op::select)
    return a.integer != 0 ? b : c;
  const bool exact = ir::eval::is_exactly_rounded(op);
  if (operand == f32)
    return exact ? apply_real<float>(op, type, a, b, c) : apply_real<double>(op, type, a, b, c);
  if (operand == f64)
    return exact ? apply_real<double>(op, type, a, b, c)
                 : apply_real<long double>(op, type, a, b, c);
  return ir::eval::with_integer(op, [&]<class F>(F f) -> ir::Scalar {
    using Result = std::invoke_result_t<F, std::int64_t, std::int64_t, std::int64_t>;
    if constexpr (std::is_same_v<Result, ir::eval::None>)
      return {};
    else
      return {.integer = ir::eval::wrap(
                  type, static_cast<std::int64_t>(f(a.integer, b.integer, c.integer)))};
  });
}

inline ir::Scalar apply_cast(DType storage, DType from, const ir::Scalar& value) {
  if (storage == from)
    return value;
  if (is_float(storage) && is_float(from))
    return {.real = ir::round_to(storage, value.real)};
  if (is_float(storage))
    return {.real = ir::with_float(storage, [&]<DType format>() {
              return ir::round_float<format, long double>(value.integer);
            })};
  if (is_float(from))
    return {.integer =
                storage == boolean ? value.real != 0 : ir::eval::saturate(storage, value.real)};
  return {.integer = ir::eval::wrap(storage, value.integer)};
}

} // namespace detail

/// The bits of every store, in the order of `kernel.stores()`; `arguments[p]` are the storage bits
/// of parameter p on entry. NaN comes out canonical.
inline std::vector<std::uint64_t> run_machine(const ir::Kernel& kernel,
                                              const std::vector<std::uint64_t>& arguments) {
  const ir::DefaultFloatEnvironment environment; // the machine is the hardware at its default
  std::vector<ir::Scalar> values;
  values.reserve(kernel.nodes().size());
  for (const ir::Node& node : kernel.nodes()) {
    const auto value = [&](std::size_t i) {
      return static_cast<int>(i) < ir::info(node.op).arity ? values[node.args[i]] : ir::Scalar{};
    };
    const DType operand = ir::info(node.op).arity > 0 ? kernel.node(node.args[0]).type : node.type;
    switch (node.op) {
    case ir::Op::load:
    case ir::Op::scalar:
      values.push_back(ir::decode(kernel.params()[node.param].dtype, arguments[node.param]));
      if (std::isnan(values.back().real)) // its sign, which copysign shows, is not promised
        values.back().real = std::numeric_limits<long double>::quiet_NaN();
      break;
    case ir::Op::constant:
      values.push_back(is_float(node.type) ? ir::Scalar{.real = node.real()}
                                           : ir::Scalar{.integer = node.integer()});
      break;
    case ir::Op::cast: values.push_back(detail::apply_cast(node.storage, operand, value(0))); break;
    default:
      values.push_back(detail::apply(node.op, node.type, operand, value(0), value(1), value(2)));
    }
  }
  std::vector<std::uint64_t> results;
  for (const ir::Store& store : kernel.stores())
    results.push_back(ir::encode(kernel.params()[store.param].dtype, values[store.node]));
  return results;
}

} // namespace swage::test
