// exact_gradient.hpp -- the gradient of a kernel at a point in long double, and whether every step
// on the way to it is of ordinary size.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "ir/arithmetic.hpp"
#include "ir/kernel.hpp"

namespace swage::test {

/// Of one output by every node. Written from the definition of each operation, with arms that were
/// not chosen left out; shares nothing with ir/differentiate.cpp.
class ExactGradient {
public:
  struct Result {
    std::vector<long double> by_param; ///< of params(), where they are read
    std::vector<long double> scale;    ///< what the sums for them have as absolute terms
  };

  /// `limit` bounds every value, derivative and adjoint that takes part in an ordinary result.
  ExactGradient(const ir::Kernel& kernel, long double limit) : kernel_(kernel), limit_(limit) {}

  /// Nothing where a step that takes part is not finite or is beyond the limit, or where a
  /// comparison is too close to hold in other arithmetic.
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
        depends_[id] = true;
        continue;
      case Op::constant:
        if (is_float(node.type))
          real_[id] = node.real();
        else
          integer_[id] = node.integer();
        continue;
      case Op::select:
        if (is_float(node.type))
          real_[id] = integer_[a] != 0 ? real_[b] : real_[c];
        else
          integer_[id] = integer_[a] != 0 ? integer_[b] : integer_[c];
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
      if ((node.op == Op::relu || node.op == Op::abs) && real_[a] == 0 && !exact(a))
        too_close_[id] = true;
      if (from_real)
        ir::eval::with_real<long double>(node.op, [&](auto f) {
          using R = std::invoke_result_t<decltype(f), long double, long double, long double>;
          const auto value = f(real_[a], arity > 1 ? real_[b] : 0, arity > 2 ? real_[c] : 0);
          if constexpr (std::is_same_v<R, long double>)
            real_[id] = value;
          else if constexpr (std::is_same_v<R, bool>)
            integer_[id] = value;
        });
      else
        ir::eval::with_integer(node.op, [&](auto f) {
          using R = std::invoke_result_t<decltype(f), std::int64_t, std::int64_t, std::int64_t>;
          if constexpr (!std::is_same_v<R, ir::eval::None>)
            integer_[id] = f(integer_[a], arity > 1 ? integer_[b] : 0, arity > 2 ? integer_[c] : 0);
        });
    }
  }

  /// The derivative of node `id` by operand `i`; nothing where that is an arm not chosen.
  std::optional<long double> partial(ir::NodeId id, int i) const {
    using ir::Op;
    const ir::Node& node = kernel_.node(id);
    const auto v = [&](std::size_t k) { return real_[node.args[k]]; };
    const auto chosen = [](bool is) { return is ? std::optional(1.0L) : std::nullopt; };
    switch (node.op) {
    case Op::add: return 1;
    case Op::sub: return i == 0 ? 1 : -1;
    case Op::neg: return -1;
    case Op::mul: return v(i == 0 ? 1 : 0);
    case Op::div: return i == 0 ? 1 / v(1) : -v(0) / v(1) / v(1);
    case Op::abs: return v(0) >= 0 ? 1 : -1;
    case Op::relu: return chosen(v(0) >= 0);
    case Op::min: return chosen((v(0) <= v(1)) == (i == 0));
    case Op::max: return chosen((v(0) >= v(1)) == (i == 0));
    case Op::clamp: {
      const int taken = v(0) > v(2) || v(1) > v(2) ? 2 : v(0) < v(1) ? 1 : 0;
      return chosen(taken == i);
    }
    case Op::select: return chosen((integer_[node.args[0]] != 0) == (i == 1));
    case Op::exp: return std::exp(v(0));
    case Op::log: return 1 / v(0);
    case Op::sqrt: return 0.5L / std::sqrt(v(0));
    case Op::pow:
      if (i == 0)
        return v(1) == 0 ? 0 : v(1) * std::pow(v(0), v(1) - 1);
      return v(0) == 0 && v(1) > 0 ? 0 : real_[id] * std::log(v(0));
    default: return std::nullopt;
    }
  }

  const ir::Kernel& kernel_;
  long double limit_;
  std::vector<long double> real_;
  std::vector<std::int64_t> integer_;
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
