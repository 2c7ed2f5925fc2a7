// recognise.cpp -- sigmoid and erfc where people write them out.
//
// 1 / (1 + exp(-x)) overflows on the way to 0, and its derivative is then 0 times infinity; 1 +
// erf(x) and 1 + tanh(x) cancel where they are small. The functions that are meant do neither.
// Modes whose promise is the bits of the formula as written are left alone.
#include <cmath>
#include <optional>
#include <utility>

#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

class Recogniser {
public:
  explicit Recogniser(const Kernel& kernel)
      : kernel_(kernel),
        out_(kernel.name(), kernel.math(), {kernel.params().begin(), kernel.params().end()}) {}

  Kernel run() && {
    std::vector<NodeId> made;
    made.reserve(kernel_.nodes().size());
    for (const Node& node : kernel_.nodes()) {
      const auto args = renamed_args(node, made);
      const bool is_real = info(node.op).arity > 0 && is_float(node.type);
      const auto form = is_real ? recognised(node.op, args[0], args[1]) : std::nullopt;
      made.push_back(form ? *form : rebuild(out_, node, made));
    }
    rebuild_skip(out_, kernel_, made);
    for (const Store& store : kernel_.stores())
      out_.store(store.param, made[store.node]);
    return std::move(out_).build();
  }

private:
  using Made = std::optional<NodeId>;

  Made recognised(Op op, NodeId a, NodeId b) {
    switch (op) {
    case Op::rcp: return quotient(std::nullopt, a);
    case Op::div: return quotient(a, b);
    case Op::add: return is_value(a, 1) ? one_plus(b) : is_value(b, 1) ? one_plus(a) : std::nullopt;
    case Op::sub: return is_value(a, 1) ? one_minus(b) : std::nullopt;
    case Op::mul: {
      const Made product = halves_and_doubles(a, b);
      return product ? product : halves_and_doubles(b, a);
    }
    default: return std::nullopt;
    }
  }

  /// n / (1 + exp(u)) is n * sigmoid(-u); without n, 1 / (1 + exp(u)).
  Made quotient(Made n, NodeId d) {
    if (node(d).op != Op::add)
      return std::nullopt;
    auto [one, e, unused] = node(d).args;
    if (!is_value(one, 1))
      std::swap(one, e);
    if (!is_value(one, 1) || node(e).op != Op::exp)
      return std::nullopt;
    const NodeId u = node(e).args[0];
    if (n == e)
      return out_.make(Op::sigmoid, {u});
    const NodeId sigmoid = out_.make(Op::sigmoid, {scaled(u, -1)});
    return !n || is_value(*n, 1) ? sigmoid : out_.make(Op::mul, {*n, sigmoid});
  }

  Made one_plus(NodeId f) {
    const NodeId u = node(f).args[0];
    if (node(f).op == Op::erf)
      return out_.make(Op::erfc, {scaled(u, -1)});
    return node(f).op == Op::tanh ? Made(twice(out_.make(Op::sigmoid, {scaled(u, 2)})))
                                  : std::nullopt;
  }

  Made one_minus(NodeId f) {
    const NodeId u = node(f).args[0];
    if (node(f).op == Op::erf)
      return out_.make(Op::erfc, {u});
    return node(f).op == Op::tanh ? Made(twice(out_.make(Op::sigmoid, {scaled(u, -2)})))
                                  : std::nullopt;
  }

  /// (0.5 * a) * (2 * b) is a * b.
  Made halves_and_doubles(NodeId a, NodeId b) {
    const Made whole = without_factor(a, 0.5), half = without_factor(b, 2);
    return whole && half ? Made(out_.make(Op::mul, {*whole, *half})) : std::nullopt;
  }

  Made without_factor(NodeId product, double factor) const {
    const Node& made = node(product);
    if (made.op != Op::mul)
      return std::nullopt;
    if (is_value(made.args[0], factor))
      return made.args[1];
    return is_value(made.args[1], factor) ? Made(made.args[0]) : std::nullopt;
  }

  NodeId twice(NodeId a) { return out_.make(Op::mul, {out_.real(node(a).type, 2), a}); }

  /// u times a power of two or its negative, into a constant that u is multiplied by.
  NodeId scaled(NodeId u, double by) {
    const Node made = node(u);
    if (by == -1 && made.op == Op::neg)
      return made.args[0];
    if (made.op == Op::mul)
      for (std::size_t i = 0; i < 2; ++i)
        if (const Node& factor = node(made.args[i]); factor.op == Op::constant) {
          const NodeId constant = out_.real(made.type, factor.real() * by);
          return out_.make(Op::mul, {constant, made.args[1 - i]});
        }
    return by == -1 ? out_.make(Op::neg, {u}) : out_.make(Op::mul, {out_.real(made.type, by), u});
  }

  const Node& node(NodeId id) const { return out_.node(id); }
  bool is_value(NodeId id, double value) const {
    return node(id).op == Op::constant && is_float(node(id).type) && node(id).real() == value;
  }

  const Kernel& kernel_;
  KernelBuilder out_;
};

} // namespace

Kernel recognise(const Kernel& kernel) {
  if (kernel.math() != MathMode::accurate && kernel.math() != MathMode::fast)
    return kernel;
  return Recogniser(kernel).run();
}

} // namespace swage::ir
