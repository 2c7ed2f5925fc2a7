// differentiate.cpp -- reverse-mode differentiation on the graph.
//
// Adjoints are kept as products of factors until a sum needs their value. So contributions that
// share factors are added with the common part taken out, which is what a person would write:
// d_h*up*s + d_h*up*gate*s*(1-s) becomes d_h*up*s*(1 + gate*(1-s)). The conditions of arms travel
// beside the factors, see adjoints.hpp.
#include "ir/differentiate.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "ir/adjoints.hpp"
#include "ir/derivative_rules.hpp"
#include "ir/float_environment.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

/// The signature of the derived kernel.
struct DerivedParams {
  std::vector<Param> params;
  std::vector<std::uint32_t> incoming;  ///< by store of the forward kernel: its d_NAME
  std::vector<std::uint32_t> forwarded; ///< by parameter of the forward kernel, if it is read
  std::vector<std::uint32_t> target;    ///< by item: the parameter that receives it
};

std::optional<std::uint32_t> find_param(std::span<const Param> params, const std::string& name) {
  for (std::uint32_t p = 0; p < params.size(); ++p)
    if (params[p].name == name)
      return p;
  return std::nullopt;
}

void check_forward(const Kernel& forward, std::size_t item) {
  for (const Store& store : forward.stores()) {
    const Param& param = forward.params()[store.param];
    if (param.kind == ParamKind::inout)
      throw GradError{item, "the gradient of '" + forward.name() +
                                "' is not defined: it overwrites '" + param.name +
                                "'; differentiate a form with separate outputs"};
    if (!is_float(param.dtype))
      throw GradError{item, "output '" + param.name + "' of '" + forward.name() + "' is " +
                                std::string(name_of(param.dtype)) +
                                ": only kernels whose outputs are floats have gradients"};
  }
}

void check_variable(const Param& param, std::size_t item) {
  if (!is_float(param.dtype))
    throw GradError{item, "'" + param.name + "' is " + std::string(name_of(param.dtype)) +
                              ": only floats have gradients"};
  if (param.is_table())
    throw GradError{item,
                    "'" + param.name +
                        "' is a [table]: its gradient would be scattered, a sum over the rows "
                        "that name each value, which no kernel computes; pass the value of "
                        "each row instead, and sum its gradient outside"};
}

void add_param(DerivedParams& signature, Param param, std::size_t item) {
  if (find_param(signature.params, param.name))
    throw GradError{item, "the derived kernel would have two parameters named '" + param.name +
                              "'; rename one of the forward kernel's"};
  signature.params.push_back(std::move(param));
}

/// Gives item `item` the buffer of an existing parameter.
void take_buffer(DerivedParams& signature, const GradRequest& request, std::size_t item,
                 const Param& result) {
  const std::string& into = request.items[item].into;
  const auto p = find_param(signature.params, into);
  if (!p || !signature.params[*p].is_tensor())
    throw GradError{item,
                    "'" + into +
                        "' is no buffer to overwrite, expected an input tensor of the "
                        "forward kernel or an incoming gradient (d_ and an output's name)",
                    true};
  Param& param = signature.params[*p];
  if (param.kind != ParamKind::in)
    throw GradError{item, "two results would overwrite the buffer of '" + into + "'", true};
  if (param.dtype != result.dtype)
    throw GradError{item,
                    "the buffer of '" + into + "' holds " + std::string(name_of(param.dtype)) +
                        ", the result is " + std::string(name_of(result.dtype)),
                    true};
  if (param.space() != result.space())
    throw GradError{item,
                    "the buffer of '" + into + "' holds one value " + per_what(param.space()) +
                        ", the result is one " + per_what(result.space()),
                    true};
  param.kind = ParamKind::inout;
  signature.target[item] = *p;
}

/// The gradient that arrives for an output of a derived kernel may meet its own name one order
/// below (both are d_d_x in the third derivative), and nobody could rename either.
std::string incoming_name(const DerivedParams& signature, const Kernel& forward,
                          const std::string& output) {
  const auto taken = [&](const std::string& name) {
    const auto p = find_param(forward.params(), name);
    return (p && !forward.params()[*p].is_written()) || find_param(signature.params, name);
  };
  std::string name = "d_" + output;
  while (taken(name))
    name = "d_" + name;
  return name;
}

DerivedParams make_params(const Kernel& forward, const GradRequest& request) {
  DerivedParams signature;
  const std::size_t none = request.items.size();
  signature.target.resize(none);
  for (const Store& store : forward.stores()) {
    const Param& output = forward.params()[store.param];
    signature.incoming.push_back(static_cast<std::uint32_t>(signature.params.size()));
    add_param(signature,
              {incoming_name(signature, forward, output.name), ParamKind::in, output.dtype,
               output.broadcast, output.group},
              none);
  }
  signature.forwarded.resize(forward.params().size());
  for (std::size_t p = 0; p < forward.params().size(); ++p) {
    if (forward.params()[p].is_written())
      continue;
    signature.forwarded[p] = static_cast<std::uint32_t>(signature.params.size());
    add_param(signature, forward.params()[p], none);
  }
  bool any_gradient = false;
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    const auto& [what, into] = request.items[i];
    for (std::size_t j = 0; j < i; ++j)
      if (request.items[j].what == what)
        throw GradError{i, "'" + what + "' is asked for twice"};
    const auto p = find_param(forward.params(), what);
    if (!p)
      throw GradError{i,
                      "'" + what + "' is no parameter of '" + forward.name() +
                          "' that a call gives: neither a tensor nor a scalar",
                      false, true};
    const Param& param = forward.params()[*p];
    if (!param.is_written()) {
      check_variable(param, i);
      any_gradient = true;
    }
    if (!into.empty()) {
      take_buffer(signature, request, i, param);
      continue;
    }
    signature.target[i] = static_cast<std::uint32_t>(signature.params.size());
    const Space space = param.space();
    std::string name = param.is_written() ? what : "d_" + what;
    while (!param.is_written() && find_param(signature.params, name))
      name = "d_" + name; // that of softmax's gradient for y is called d_y as well
    add_param(signature,
              {std::move(name), ParamKind::out, param.dtype, space.broadcast, space.group}, i);
  }
  if (!any_gradient)
    throw GradError{none, "no gradient is asked for; name an input of '" + forward.name() + "'"};
  return signature;
}

/// A rule as d times factors, under a condition where it is a choice between that and 0.
struct SplitRule {
  bool negative = false;
  std::vector<NodeId> factors;
  std::optional<NodeId> condition;
  bool holds = true; ///< what the condition has to be
};

bool split_product(const Kernel& rule, NodeId id, SplitRule& split) {
  const Node& node = rule.node(id);
  if (node.op == Op::load)
    return node.param == kRuleD;
  if (node.op == Op::neg && split_product(rule, node.args[0], split)) {
    split.negative = !split.negative;
    return true;
  }
  if (node.op == Op::mul && split_product(rule, node.args[0], split)) {
    split.factors.push_back(node.args[1]);
    return true;
  }
  return false;
}

bool is_zero(const Node& node) {
  return node.op == Op::constant && is_float(node.type) && node.real() == 0;
}

/// The condition of a rule, if it has one, and the arm that is not 0.
NodeId split_condition(const Kernel& rule, SplitRule& split) {
  const NodeId root = rule.stores()[0].node;
  const Node& node = rule.node(root);
  if (node.op != Op::select)
    return root;
  const bool yes = is_zero(rule.node(node.args[2]));
  if (!yes && !is_zero(rule.node(node.args[1])))
    return root;
  split.condition = node.args[0];
  split.holds = yes;
  return node.args[yes ? 1 : 2];
}

class Differentiator {
public:
  Differentiator(const Kernel& forward, const GradRequest& request)
      : forward_(forward), request_(request), signature_(make_params(forward, request)),
        builder_(request.name, forward.math(), signature_.params), adjoints_(builder_) {}

  Kernel run() {
    copy_forward();
    mark_active();
    mark_tame();
    propagate();
    for (std::size_t i = 0; i < request_.items.size(); ++i) {
      const std::uint32_t p = *find_param(forward_.params(), request_.items[i].what);
      builder_.store(signature_.target[i],
                     forward_.params()[p].is_written() ? value_of_output(p) : value_of_gradient(p));
    }
    if (forward_.skip())
      builder_.skip(values_[*forward_.skip()]);
    return std::move(builder_).build();
  }

private:
  void copy_forward() {
    values_.reserve(forward_.nodes().size());
    for (const Node& node : forward_.nodes())
      values_.push_back(copy(node, values_, signature_.forwarded));
  }

  /// `node` of another graph rebuilt here, its operands and parameters renamed.
  NodeId copy(const Node& node, const std::vector<NodeId>& renamed,
              const std::vector<std::uint32_t>& params) {
    switch (node.op) {
    case Op::load: return builder_.load(params[node.param]);
    case Op::scalar: return builder_.scalar(params[node.param]);
    case Op::constant:
      return is_float(node.type) ? builder_.real(node.type, node.real())
                                 : builder_.integer(node.type, node.integer());
    case Op::cast: return builder_.cast(node.storage, renamed[node.args[0]]);
    case Op::lookup: return builder_.lookup(params[node.param], renamed[node.args[0]]);
    case Op::col_index: return builder_.col_index();
    default: {
      std::array<NodeId, 3> args{};
      const auto arity = static_cast<std::size_t>(info(node.op).arity);
      for (std::size_t i = 0; i < arity; ++i)
        args[i] = renamed[node.args[i]];
      return builder_.make(node.op, std::span<const NodeId>(args.data(), arity), group_of(node));
    }
    }
  }

  /// A node is active when a gradient asked for flows through it.
  void mark_active() {
    active_.assign(forward_.nodes().size(), false);
    for (NodeId id = 0; id < active_.size(); ++id) {
      const Node& node = forward_.node(id);
      if (!is_float(node.type))
        continue;
      if (node.op == Op::load || node.op == Op::scalar)
        active_[id] = is_variable(node.param);
      for (int i = 0; i < info(node.op).arity; ++i)
        if (active_[node.args[static_cast<std::size_t>(i)]])
          active_[id] = true;
    }
  }

  /// A node is tame when its derivative by any input is finite whatever the inputs are, and stays
  /// so multiplied by another finite number: slopes of at most about 1.
  void mark_tame() {
    tame_.assign(forward_.nodes().size(), true);
    const auto constant = [&](NodeId id, auto fits) {
      const Node& node = forward_.node(id);
      return node.op == Op::constant && fits(std::fabs(node.real()));
    };
    const auto at_most_1 = [](double factor) { return factor <= 1; };
    const auto at_least_1 = [](double divisor) { return divisor >= 1; };
    for (NodeId id = 0; id < tame_.size(); ++id) {
      const Node& node = forward_.node(id);
      if (!active_[id] || node.op == Op::load || node.op == Op::scalar)
        continue;
      for (int i = 0; i < info(node.op).arity; ++i)
        tame_[id] = tame_[id] && tame_[node.args[static_cast<std::size_t>(i)]];
      const auto [a, b] = std::pair(node.args[0], node.args[1]);
      const bool at_most_by_constant = node.op == Op::mul
                                           ? constant(a, at_most_1) || constant(b, at_most_1)
                                           : node.op == Op::div && constant(b, at_least_1);
      tame_[id] = tame_[id] && (info(node.op).gentle || at_most_by_constant);
    }
  }

  bool is_variable(std::uint32_t param) const {
    return std::any_of(request_.items.begin(), request_.items.end(), [&](const auto& item) {
      return item.what == forward_.params()[param].name;
    });
  }

  void propagate() {
    contributions_.resize(forward_.nodes().size());
    for (std::size_t s = 0; s < forward_.stores().size(); ++s)
      contribute(forward_.stores()[s].node, forward_.params()[forward_.stores()[s].param].space(),
                 {false, {builder_.load(signature_.incoming[s])}});
    for (NodeId id = static_cast<NodeId>(forward_.nodes().size()); id-- > 0;) {
      if (contributions_[id].empty())
        continue;
      const Product adjoint =
          adjoints_.sum(std::exchange(contributions_[id], {}), forward_.node(id).type);
      contributions_[id].push_back(adjoint);
      propagate_through(id, adjoint);
    }
  }

  /// `product` is by value of `space`, which the node's may be spread over.
  void contribute(NodeId id, Space space, Product product) {
    if (active_[id])
      contributions_[id].push_back(
          gathered(std::move(product), space, forward_.node(id).space, forward_.node(id).type));
  }

  /// The sum of `product`, one value of space `from` each, over what one value of space `to` was
  /// spread over. Factors that are the same there stay outside.
  Product gathered(Product product, Space from, Space to, DType type) {
    if (from == to)
      return product;
    Product inside{false, {}, product.guard, product.masked};
    Product outside{product.negative, {}};
    // An arm that was not chosen may hold an infinite factor: it is passed over as a whole.
    for (const NodeId factor : product.factors)
      (product.guard == kAlways && spreads_over(builder_.node(factor).space, to) ? outside : inside)
          .factors.push_back(factor);
    outside.factors.push_back(sum_over(adjoints_.value(inside, type), from, to));
    return outside;
  }

  /// The sum of `value`, as one of space `from` each, for every value of space `to`.
  NodeId sum_over(NodeId value, Space from, Space to) {
    const auto sum = [&](Op op, std::uint32_t group = 0) {
      value = builder_.make(op, std::array{value}, group);
    };
    const bool has_rows = from != Space{Broadcast::per_column};
    const bool has_columns = from != Space{Broadcast::per_row};
    if (to.broadcast == Broadcast::per_group)
      sum(Op::group_sum, to.group);
    else if (to.broadcast == Broadcast::per_column_group)
      sum(Op::col_group_sum, to.group);
    else if (to.broadcast != Broadcast::per_column && has_columns)
      sum(Op::row_sum);
    if (to.broadcast != Broadcast::per_row && !has_groups(to.broadcast) && has_rows)
      sum(Op::col_sum);
    if (!has_groups(from.broadcast))
      return value;
    // A reduction takes its operand by element, so each value of a group came in as often as the
    // group has columns, or rows.
    const DType type = builder_.node(value).type;
    return builder_.make(Op::div, {value, builder_.real(type, from.group)});
  }

  void propagate_through(NodeId id, const Product& adjoint) {
    const Node& node = forward_.node(id);
    if (node.op == Op::cast) {
      const DType from = forward_.node(node.args[0]).type;
      Product through = adjoint;
      if (from != node.type)
        through.factors = {builder_.cast(
            from, adjoints_.value_inside({adjoint.negative, adjoint.factors}, node.type))};
      through.negative = from == node.type && adjoint.negative;
      contribute(node.args[0], node.space, std::move(through));
      return;
    }
    const Space terms =
        is_reduction(node.op) ? terms_of(node.op, forward_.node(node.args[0]).space) : node.space;
    for (int i = 0; i < info(node.op).arity; ++i) {
      const NodeId operand = node.args[static_cast<std::size_t>(i)];
      if (!active_[operand])
        continue;
      if (const Kernel* rule = derivative_rule(node.op, i, node.type))
        contribute(operand, terms, apply(*rule, id, adjoint));
    }
  }

  /// Whether the arm of a rule that is 0 says where the function is saturated, see ops.def.
  static bool is_saturation(Op op) {
    return info(op).rule == TypeRule::real && info(op).arity == 1;
  }

  Product apply(const Kernel& rule, NodeId id, const Product& adjoint) {
    SplitRule split;
    const NodeId root = split_condition(rule, split);
    Product product = adjoint;
    if (split.condition &&
        !(is_saturation(forward_.node(id).op) && tame_[forward_.node(id).args[0]])) {
      product.guard =
          adjoints_.guard(adjoint.guard, instantiate(rule, *split.condition, id, {}), split.holds);
      product.masked = false;
    }
    if (split_product(rule, root, split)) {
      product.negative ^= split.negative;
      for (const NodeId factor : split.factors)
        product.multiply(instantiate(rule, factor, id, {}));
      return product;
    }
    const NodeId incoming = adjoints_.value_inside(adjoint, forward_.node(id).type);
    product.negative = false;
    product.factors.clear();
    product.multiply(instantiate(rule, root, id, incoming));
    return product;
  }

  /// Node `root` of a rule over the operands and the result of node `id`. `incoming` stands for d.
  NodeId instantiate(const Kernel& rule, NodeId root, NodeId id, std::optional<NodeId> incoming) {
    const Node& node = forward_.node(id);
    std::vector<NodeId> renamed(root + 1);
    for (NodeId r = 0; r <= root; ++r) {
      const Node& part = rule.node(r);
      if (part.op != Op::load && !is_known(part, renamed))
        renamed[r] = kUnknown;
      else if (takes_size(info(part.op).form))
        renamed[r] = builder_.make(part.op, std::array{renamed[part.args[0]]}, group_of(node));
      else if (part.op != Op::load)
        renamed[r] = copy(part, renamed, {});
      else if (part.param == kRuleD)
        renamed[r] = incoming.value_or(kUnknown);
      else if (part.param == kRuleR)
        renamed[r] = values_[id];
      else
        renamed[r] = values_[node.args[part.param]];
    }
    return renamed[root];
  }

  /// Without a value for d, the parts of a rule that need it are passed over: nobody asks for them.
  static bool is_known(const Node& part, const std::vector<NodeId>& renamed) {
    for (int i = 0; i < info(part.op).arity; ++i)
      if (renamed[part.args[static_cast<std::size_t>(i)]] == kUnknown)
        return false;
    return true;
  }

  NodeId value_of_output(std::uint32_t param) const {
    const auto store = std::find_if(forward_.stores().begin(), forward_.stores().end(),
                                    [&](const Store& s) { return s.param == param; });
    return values_[store->node];
  }

  NodeId value_of_gradient(std::uint32_t param) {
    const DType type = compute_type(forward_.params()[param].dtype);
    for (NodeId id = 0; id < forward_.nodes().size(); ++id)
      if (const Node& node = forward_.node(id);
          (node.op == Op::load || node.op == Op::scalar) && node.param == param)
        if (!contributions_[id].empty())
          return adjoints_.value(contributions_[id].front(), type);
    return builder_.real(type, 0); // the outputs do not depend on it
  }

  static constexpr NodeId kUnknown = ~NodeId{0};
  const Kernel& forward_;
  const GradRequest& request_;
  DerivedParams signature_;
  KernelBuilder builder_;
  Adjoints adjoints_;
  std::vector<NodeId> values_; ///< of the forward nodes, in the derived graph
  std::vector<bool> active_;
  std::vector<bool> tame_;
  std::vector<std::vector<Product>> contributions_; ///< one, the sum, once a node is done
};

} // namespace

Kernel differentiate(const Kernel& forward, const GradRequest& request) {
  const DefaultFloatEnvironment environment;
  check_forward(forward, request.items.size());
  return Differentiator(forward, request).run();
}

} // namespace swage::ir
