// simplifier.hpp -- the pass that folds constants and rewrites by identities; see simplify in
// passes.hpp.
//
// The kernel is rebuilt operand first, and each node goes through `make`, which folds it, rewrites
// it or passes it on to the builder. A rule sees operands that are already simple and answers with
// a node made the same way, so one pass reaches the fixpoint. Every rule gives the same bits as
// what it replaces, for NaN (up to payload), infinities and both zeros, in every math mode; the few
// that need an exactly rounded division ask `divides_exactly`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::ir {

class Simplifier {
public:
  explicit Simplifier(const Kernel& kernel)
      : kernel_(kernel),
        out_(kernel.name(), kernel.math(), {kernel.params().begin(), kernel.params().end()}) {}

  Kernel run() &&;

private:
  using Args = std::array<NodeId, 3>;
  using Made = std::optional<NodeId>; ///< nothing: no rule applies
  using TypeSet = std::uint16_t;      ///< a bit a DType

  // simplify.cpp: nodes, casts, constants
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
  /// A constant equal to `value`, with its sign where that is zero.
  bool is_value(NodeId id, double value) const;

  // simplify_identities.cpp
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

} // namespace swage::ir
