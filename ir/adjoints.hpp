// adjoints.hpp -- adjoints as products of factors that count under conditions, and their sums.
//
// An adjoint is kept apart from the conditions of the arms it came through (`?:`, min, clamp...)
// until it is added to another or stored. So an arm that was not chosen gives nothing: its product,
// which may be infinite or NaN, is passed over as a whole, and never multiplied by 0.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::ir {

/// A conjunction of conditions, made by `Adjoints::guard`; the empty one holds always.
using GuardId = std::uint32_t;
inline constexpr GuardId kAlways = 0;

/// (-1)^negative times the factors (no factors are 1) where `guard` holds; 0 elsewhere.
struct Product {
  bool negative = false;
  std::vector<NodeId> factors;
  GuardId guard = kAlways;
  bool masked = false; ///< the factors' product is 0 by itself where `guard` does not hold

  void multiply(NodeId factor) {
    factors.push_back(factor);
    masked = false;
  }
};

/// Forms sums and values of products in one builder.
class Adjoints {
public:
  explicit Adjoints(KernelBuilder& builder) : builder_(builder), guards_(1) {}

  /// What holds where `under` does and `condition`, a bool, equals `holds`.
  GuardId guard(GuardId under, NodeId condition, bool holds);

  /// The sum of at least one product of compute type `type`. Common factors are taken out where one
  /// of the terms always counts, and terms of the two arms of a condition become one choice.
  Product sum(std::vector<Product> terms, DType type);

  /// The value: 0 where the guard does not hold.
  NodeId value(const Product& product, DType type);
  /// The value where the guard holds; anything, NaN included, elsewhere.
  NodeId value_inside(const Product& product, DType type);

private:
  /// One condition more than `parent`'s. Guards form a tree, as the arms of nested choices do.
  struct Guard {
    GuardId parent = kAlways;
    NodeId condition = 0;
    bool holds = true;
    std::uint32_t depth = 0;
    std::optional<NodeId> all = {}; ///< the conjunction as a bool, once it was needed
    auto key() const { return std::tuple(parent, condition, holds); }
  };
  /// A term of a sum that has risen from its guard to one above.
  struct Term {
    Product product;
    std::optional<NodeId> active; ///< under which it counts; nothing where it always does
  };
  /// Terms by the guard they have risen to, the deepest first.
  struct Deeper {
    const std::vector<Guard>& guards;
    bool operator()(GuardId a, GuardId b) const {
      return guards[a].depth != guards[b].depth ? guards[a].depth > guards[b].depth : a < b;
    }
  };

  std::optional<GuardId> sibling(GuardId id) const;
  Term combine(std::vector<Term> terms, GuardId at, DType type);
  Term choose(GuardId yes, Term a, Term b, DType type);
  bool may_vanish(NodeId id);
  NodeId masked(NodeId value, GuardId from, GuardId up_to, DType type);
  NodeId condition(const Term& term, GuardId up_to);
  NodeId conjunction(GuardId id);
  NodeId literal(GuardId id);

  KernelBuilder& builder_;
  std::vector<bool> may_vanish_; ///< by node, as far as it was asked for
  std::vector<Guard> guards_;
  std::map<std::tuple<GuardId, NodeId, bool>, GuardId> index_;
};

} // namespace swage::ir
