// adjoints.cpp -- sums of guarded products.
#include "ir/adjoints.hpp"

#include <algorithm>
#include <utility>

namespace swage::ir {

namespace {

/// Removes the factors that all products share, and gives them in the first one's order.
std::vector<NodeId> take_common(std::vector<Product*> products) {
  std::vector<NodeId>& first = products[0]->factors;
  std::vector<NodeId> common;
  for (std::size_t f = 0; f < first.size();) {
    const NodeId factor = first[f];
    const bool shared = std::all_of(products.begin(), products.end(), [&](const Product* product) {
      return std::ranges::find(product->factors, factor) != product->factors.end();
    });
    if (!shared) {
      ++f;
      continue;
    }
    common.push_back(factor);
    for (Product* product : products)
      product->factors.erase(std::ranges::find(product->factors, factor));
  }
  return common;
}

} // namespace

GuardId Adjoints::guard(GuardId under, NodeId condition, bool holds) {
  const auto [at, made] =
      index_.try_emplace({under, condition, holds}, static_cast<GuardId>(guards_.size()));
  if (made)
    guards_.push_back({under, condition, holds, guards_[under].depth + 1});
  return at->second;
}

std::optional<GuardId> Adjoints::sibling(GuardId id) const {
  const Guard& guard = guards_[id];
  const auto at = index_.find({guard.parent, guard.condition, !guard.holds});
  return at == index_.end() ? std::nullopt : std::optional(at->second);
}

Product Adjoints::sum(std::vector<Product> terms, DType type) {
  if (terms.size() == 1)
    return std::move(terms[0]);
  // Terms rise, the deepest first, until all of them are under one guard. What meets the terms of
  // the other arm on the way becomes one term with them.
  std::map<GuardId, std::vector<Term>, Deeper> at(Deeper{guards_});
  for (Product& term : terms) {
    const GuardId guard = term.guard;
    at[guard].push_back({std::move(term), std::nullopt});
  }
  while (at.size() > 1) {
    const GuardId id = at.begin()->first;
    const Guard& guard = guards_[id];
    Term risen = combine(std::move(at.begin()->second), id, type);
    at.erase(at.begin());
    if (const auto other = sibling(id))
      if (const auto arm = at.find(*other); arm != at.end()) {
        Term opposite = combine(std::move(arm->second), *other, type);
        at.erase(arm);
        risen = guard.holds ? choose(id, std::move(risen), std::move(opposite), type)
                            : choose(*other, std::move(opposite), std::move(risen), type);
      }
    at[guard.parent].push_back(std::move(risen));
  }
  const GuardId common = at.begin()->first;
  Term total = combine(std::move(at.begin()->second), common, type);
  if (total.active) {
    total.product.masked = total.product.guard == kAlways;
    total.product.guard = guard(total.product.guard, *total.active, true);
  }
  return std::move(total.product);
}

/// The sum of terms that have risen to `at`.
Adjoints::Term Adjoints::combine(std::vector<Term> terms, GuardId at, DType type) {
  if (terms.size() == 1)
    return std::move(terms[0]);
  const auto always = [&](const Term& term) { return !term.active && term.product.guard == at; };
  Term result;
  result.product.guard = at;
  result.product.negative =
      std::ranges::all_of(terms, [](const Term& term) { return term.product.negative; });
  if (std::ranges::any_of(terms, always)) {
    std::vector<Product*> products;
    for (Term& term : terms)
      products.push_back(&term.product);
    result.product.factors = take_common(std::move(products));
  } else {
    for (const Term& term : terms) {
      const NodeId active = condition(term, at);
      result.active =
          result.active ? builder_.make(Op::logical_or, {*result.active, active}) : active;
    }
  }
  const auto part = [&](const Term& term, bool negative) {
    const Product product{.negative = negative, .factors = term.product.factors};
    return masked(value_inside(product, type), term.product.guard, at, type);
  };
  NodeId total = part(terms[0], terms[0].product.negative != result.product.negative);
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const bool subtract = terms[i].product.negative != result.product.negative;
    total = builder_.make(subtract ? Op::sub : Op::add, {total, part(terms[i], false)});
  }
  result.product.factors.push_back(total);
  return result;
}

/// `a` where the condition of `yes` holds and else `b`, which have risen to the two arms.
Adjoints::Term Adjoints::choose(GuardId yes, Term a, Term b, DType type) {
  const Guard arm = guards_[yes];
  const GuardId no = *sibling(yes);
  const bool always = !a.active && !b.active && a.product.guard == yes && b.product.guard == no;
  Term result;
  result.product.guard = arm.parent;
  if (always) {
    result.product.factors = take_common({&a.product, &b.product});
  } else {
    const NodeId a_active = condition(a, yes), b_active = condition(b, no);
    result.active = builder_.make(Op::select, {arm.condition, a_active, b_active});
  }
  result.product.negative = a.product.negative && b.product.negative;
  const auto part = [&](const Term& term, GuardId at) {
    const Product product{term.product.negative != result.product.negative, term.product.factors};
    return masked(value_inside(product, type), term.product.guard, at, type);
  };
  const NodeId yes_value = part(a, yes), no_value = part(b, no);
  if (yes_value != no_value)
    result.product.factors.push_back(
        builder_.make(Op::select, {arm.condition, yes_value, no_value}));
  else if (!a.product.factors.empty() || a.product.negative != result.product.negative)
    result.product.factors.push_back(yes_value);
  return result;
}

/// `value`, which counts under guard `from`, as a value to have under `up_to`, a guard above it.
NodeId Adjoints::masked(NodeId value, GuardId from, GuardId up_to, DType type) {
  const NodeId zero = builder_.real(type, 0);
  constexpr std::uint32_t kChoices = 2; // more conditions are joined to one
  if (guards_[from].depth - guards_[up_to].depth > kChoices)
    return builder_.make(Op::select, {conjunction(from), value, zero});
  for (GuardId id = from; id != up_to; id = guards_[id].parent) {
    const Guard& guard = guards_[id];
    value = guard.holds ? builder_.make(Op::select, {guard.condition, value, zero})
                        : builder_.make(Op::select, {guard.condition, zero, value});
  }
  return value;
}

/// Under which condition a term that has risen to `up_to` counts there.
NodeId Adjoints::condition(const Term& term, GuardId up_to) {
  std::optional<NodeId> all = term.active;
  const auto join = [&](NodeId more) {
    all = all ? builder_.make(Op::logical_and, {more, *all}) : more;
  };
  constexpr std::uint32_t kLiterals = 2;
  if (guards_[term.product.guard].depth - guards_[up_to].depth > kLiterals) {
    join(conjunction(term.product.guard));
  } else {
    for (GuardId id = term.product.guard; id != up_to; id = guards_[id].parent)
      join(literal(id));
  }
  return all ? *all : builder_.integer(DType::boolean, 1);
}

NodeId Adjoints::literal(GuardId id) {
  const Guard& guard = guards_[id];
  return guard.holds ? guard.condition : builder_.make(Op::logical_not, {guard.condition});
}

/// All conditions of a guard as one bool. Chains of choices are deep: no recursion.
NodeId Adjoints::conjunction(GuardId id) {
  std::vector<GuardId> open;
  while (id != kAlways && !guards_[id].all) {
    open.push_back(id);
    id = guards_[id].parent;
  }
  std::optional<NodeId> all = guards_[id].all;
  for (; !open.empty(); open.pop_back()) {
    const NodeId own = literal(open.back());
    all = all ? builder_.make(Op::logical_and, {*all, own}) : own;
    guards_[open.back()].all = all;
  }
  return *all;
}

NodeId Adjoints::value(const Product& product, DType type) {
  const NodeId inside = value_inside(product, type);
  return product.masked ? inside : masked(inside, product.guard, kAlways, type);
}

/// Whether a function of one float is in what a node is computed from: a slope that may vanish.
bool Adjoints::may_vanish(NodeId id) {
  for (auto next = static_cast<NodeId>(may_vanish_.size()); next <= id; ++next) {
    const Node& node = builder_.node(next);
    bool may = info(node.op).rule == TypeRule::real && info(node.op).arity == 1;
    for (int i = 0; i < info(node.op).arity; ++i)
      may = may || may_vanish_[node.args[static_cast<std::size_t>(i)]];
    may_vanish_.push_back(may);
  }
  return may_vanish_[id];
}

NodeId Adjoints::value_inside(const Product& product, DType type) {
  if (product.factors.empty())
    return builder_.real(type, product.negative ? -1 : 1);
  std::vector<NodeId> factors = product.factors;
  // A slope may be 0 where the product of what arrives and other inputs is beyond the largest
  // number: d * s * up is then 0, where d * up * s is NaN.
  std::stable_partition(factors.begin() + 1, factors.end(),
                        [&](NodeId id) { return may_vanish(id); });
  NodeId result = factors[0];
  for (std::size_t i = 1; i < factors.size(); ++i)
    result = builder_.make(Op::mul, {result, factors[i]});
  return product.negative ? builder_.make(Op::neg, {result}) : result;
}

} // namespace swage::ir
