// exact_gradient.hpp -- the gradient of a kernel at a point in long double, and whether every step
// on the way to it is of ordinary size.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "ir/arithmetic.hpp"
#include "ir/kernel.hpp"

namespace swage::test {

/// Of one output by every node. Written from the definition of each operation, with arms that were
/// not chosen left out; shares nothing with ir/differentiate.cpp.
template <class Low>
class ExactGradient {
public:
  struct Result {
    std::vector<long double> by_param; ///< of params(), where they are read
    std::vector<long double> scale;    ///< what the sums for them have as absolute terms
  };

  /// `limit` bounds every value, derivative and adjoint that takes part in an ordinary result.
  ExactGradient(const ir::Kernel& kernel, long double limit) : kernel_(kernel), limit_(limit) {}

  /// Nothing where a step that takes part is not finite or is beyond the limit, or where a decision
  /// is too close to hold in other arithmetic, or goes another way in that of `Low`.
  std::optional<Result> operator()(const std::vector<double>& inputs) {
    evaluate(inputs);
    const auto nodes = kernel_.nodes();
    std::vector<long double> adjoint(nodes.size(), 0), scale(nodes.size(), 0);
    std::vector<bool> reached(nodes.size(), false);
    for (const ir::Store& store : kernel_.stores()) {
      adjoint[store.node] += 1;
      scale[store.node] += 1;
      reached[store.node] = true;
    }
    Result result{std::vector<long double>(kernel_.params().size(), 0),
                  std::vector<long double>(kernel_.params().size(), 0)};
    for (auto id = static_cast<ir::NodeId>(nodes.size()); id-- > 0;) {
      if (!reached[id] || !is_float(nodes[id].type))
        continue;
      if (!ordinary(real_[id]) || !ordinary(adjoint[id]) || !ordinary(scale[id]) || too_close_[id])
        return std::nullopt;
      if (nodes[id].op == ir::Op::load) {
        result.by_param[nodes[id].param] = adjoint[id];
        result.scale[nodes[id].param] = scale[id];
      }
      for (int i = 0; i < ir::info(nodes[id].op).arity; ++i) {
        const ir::NodeId operand = nodes[id].args[static_cast<std::size_t>(i)];
        if (!is_float(nodes[operand].type) || !depends_[operand])
          continue;
        const std::optional<long double> slope = partial(id, i);
        if (!slope)
          continue;
        if (!ordinary(*slope))
          return std::nullopt;
        adjoint[operand] += adjoint[id] * *slope;
        scale[operand] += scale[id] * std::fabs(*slope);
        reached[operand] = true;
      }
    }
    return result;
  }

  /// Whether some value of the last point, in an arm not chosen or beside the point, is not finite.
  bool holds_nonfinite() const {
    return !std::all_of(real_.begin(), real_.end(), [](long double x) { return std::isfinite(x); });
  }

private:
  bool ordinary(long double x) const { return std::fabs(x) <= limit_; }

  /// Two numbers that rounding could bring into another order.
  static bool close(long double a, long double b) {
    return a != b ? std::fabs(a - b) <= 1e-4L * (std::fabs(a) + std::fabs(b)) : a != 0;
  }

  bool exact(ir::NodeId id) const {
    const ir::Op op = kernel_.node(id).op;
    return op == ir::Op::load || op == ir::Op::constant;
  }

  bool decided(ir::NodeId a, ir::NodeId b) const {
    if (!is_float(kernel_.node(a).type) || (exact(a) && exact(b)))
      return true;
    return !close(real_[a], real_[b]) && !(real_[a] == 0 && real_[b] == 0);
  }

  void evaluate(const std::vector<double>& inputs) {
    using ir::Op;
    const auto nodes = kernel_.nodes();
    real_.assign(nodes.size(), 0);
    integer_.assign(nodes.size(), 0);
    low_.assign(nodes.size(), 0);
    low_integer_.assign(nodes.size(), 0);
    depends_.assign(nodes.size(), false);
    too_close_.assign(nodes.size(), false);
    for (ir::NodeId id = 0; id < nodes.size(); ++id) {
      const ir::Node& node = nodes[id];
      const auto& [a, b, c] = node.args;
      const int arity = ir::info(node.op).arity;
      for (int i = 0; i < arity; ++i)
        if (depends_[node.args[static_cast<std::size_t>(i)]])
          depends_[id] = true;
      // A decision that could go the other way spoils what depends on it.
      for (int i = 0; i < arity; ++i)
        if (!is_float(nodes[node.args[static_cast<std::size_t>(i)]].type) &&
            too_close_[node.args[static_cast<std::size_t>(i)]])
          too_close_[id] = true;
      switch (node.op) {
      case Op::load:
        real_[id] = inputs[node.param];
        low_[id] = static_cast<Low>(inputs[node.param]);
        depends_[id] = true;
        continue;
      case Op::constant:
        if (is_float(node.type)) {
          real_[id] = node.real();
          low_[id] = static_cast<Low>(node.real());
        } else {
          integer_[id] = low_integer_[id] = node.integer();
        }
        continue;
      case Op::select:
        real_[id] = integer_[a] != 0 ? real_[b] : real_[c];
        low_[id] = low_integer_[a] != 0 ? low_[b] : low_[c];
        integer_[id] = integer_[a] != 0 ? integer_[b] : integer_[c];
        low_integer_[id] = low_integer_[a] != 0 ? low_integer_[b] : low_integer_[c];
        continue;
      default: break;
      }
      const bool from_real = is_float(nodes[a].type);
      const bool decides = ir::info(node.op).rule == ir::TypeRule::compare ||
                           ir::info(node.op).rule == ir::TypeRule::order || node.op == Op::min ||
                           node.op == Op::max || node.op == Op::clamp;
      if (decides &&
          (!decided(a, b) || (node.op == Op::clamp && (!decided(a, c) || !decided(b, c)))))
        too_close_[id] = true;
      const bool by_sign = node.op == Op::relu || node.op == Op::abs;
      if (by_sign && ((real_[a] == 0 && !exact(a)) || (real_[a] >= 0) != (low_[a] >= 0)))
        too_close_[id] = true;
      for (int i = 0; i < arity; ++i)
        if ((decides || by_sign) && too_close_[node.args[static_cast<std::size_t>(i)]])
          too_close_[id] = true;
      if (from_real) {
        compute(id, real_, integer_);
        compute(id, low_, low_integer_);
      } else {
        compute_integer(id, integer_);
        compute_integer(id, low_integer_);
      }
      // Cancellation, underflow: derivatives may depend on digits that are not there.
      constexpr long double kDigits = std::is_same_v<Low, float> ? 3e-5L : 1e-11L;
      if (is_float(node.type) && std::isfinite(real_[id]) &&
          !(std::fabs(low_[id] - real_[id]) <= kDigits * std::fabs(real_[id])))
        too_close_[id] = true;
      if (integer_[id] != low_integer_[id] || (decides && from_real && is_float(node.type) &&
                                               chosen(node, real_) != chosen(node, low_)))
        too_close_[id] = true;
    }
  }

  template <class Real>
  void compute(ir::NodeId id, std::vector<Real>& real, std::vector<std::int64_t>& integer) const {
    const ir::Node& node = kernel_.node(id);
    const auto operand = [&](int i) {
      return i < ir::info(node.op).arity ? real[node.args[static_cast<std::size_t>(i)]] : Real(0);
    };
    ir::eval::with_real<Real>(node.op, [&](auto f) {
      using Value = std::invoke_result_t<decltype(f), Real, Real, Real>;
      const auto value = f(operand(0), operand(1), operand(2));
      if constexpr (std::is_same_v<Value, Real>)
        real[id] = value;
      else if constexpr (std::is_same_v<Value, bool>)
        integer[id] = value;
    });
  }

  void compute_integer(ir::NodeId id, std::vector<std::int64_t>& integer) const {
    const ir::Node& node = kernel_.node(id);
    const auto operand = [&](int i) {
      return i < ir::info(node.op).arity ? integer[node.args[static_cast<std::size_t>(i)]] : 0;
    };
    ir::eval::with_integer(node.op, [&](auto f) {
      using Value = std::invoke_result_t<decltype(f), std::int64_t, std::int64_t, std::int64_t>;
      if constexpr (!std::is_same_v<Value, ir::eval::None>)
        integer[id] = f(operand(0), operand(1), operand(2));
    });
  }

  /// Which operand min, max or clamp gives.
  template <class Real>
  static int chosen(const ir::Node& node, const std::vector<Real>& real) {
    const Real a = real[node.args[0]], b = real[node.args[1]];
    if (node.op == ir::Op::clamp) {
      const Real c = real[node.args[2]];
      return a > c || b > c ? 2 : a < b ? 1 : 0;
    }
    return (node.op == ir::Op::min ? a <= b : a >= b) ? 0 : 1;
  }

  /// x, or infinity where it is beyond the limit: a step of a derivative has to be ordinary as
  /// well.
  long double steps(long double x) const { return ordinary(x) ? x : HUGE_VALL; }

  /// The derivative of node `id` by operand `i`; nothing where that is an arm not chosen.
  std::optional<long double> partial(ir::NodeId id, int i) const {
    using ir::Op;
    const ir::Node& node = kernel_.node(id);
    const auto v = [&](std::size_t k) { return real_[node.args[k]]; };
    const auto only_if = [](bool is) { return is ? std::optional(1.0L) : std::nullopt; };
    switch (node.op) {
    case Op::add: return 1;
    case Op::sub: return i == 0 ? 1 : -1;
    case Op::neg: return -1;
    case Op::mul: return v(i == 0 ? 1 : 0);
    case Op::div: return i == 0 ? 1 / v(1) : -v(0) / v(1) / v(1);
    case Op::rcp: return -1 / v(0) / v(0);
    case Op::abs: return v(0) >= 0 ? 1 : -1;
    case Op::relu: return only_if(v(0) >= 0);
    case Op::min:
    case Op::max:
    case Op::clamp: return only_if(chosen(node, real_) == i);
    case Op::select: return only_if((integer_[node.args[0]] != 0) == (i == 1));
    case Op::exp: return std::exp(v(0));
    case Op::log: return 1 / v(0);
    case Op::sqrt: return 0.5L / std::sqrt(v(0));
    case Op::pow:
      if (i == 0)
        return v(1) == 0 ? 0 : v(1) * steps(std::pow(v(0), v(1) - 1));
      if (v(0) == 0 && v(1) > 0)
        return 0;
      // Near 1 the logarithm hangs on the last digits of its argument.
      return std::fabs(v(0) - 1) < 1e-4L && !exact(node.args[0]) ? HUGE_VALL
                                                                 : real_[id] * std::log(v(0));
    default: throw std::runtime_error("no derivative of " + std::string(ir::info(node.op).id));
    }
  }

  const ir::Kernel& kernel_;
  long double limit_;
  std::vector<long double> real_;
  std::vector<std::int64_t> integer_;
  std::vector<Low> low_; ///< the same in the arithmetic of the kernel under test
  std::vector<std::int64_t> low_integer_;
  std::vector<bool> depends_, too_close_;
};

/// Operations of random kernels whose gradients are tried.
inline std::vector<ir::Op> gradient_ops() {
  using ir::Op;
  return {Op::add,   Op::sub,  Op::mul, Op::mul,    Op::div,    Op::neg, Op::lt,  Op::le,
          Op::gt,    Op::ge,   Op::eq,  Op::select, Op::select, Op::abs, Op::min, Op::max,
          Op::clamp, Op::relu, Op::exp, Op::log,    Op::sqrt,   Op::pow};
}

} // namespace swage::test
