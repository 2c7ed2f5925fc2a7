// binder.hpp -- typed values over a KernelBuilder: what binding is made of.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/ast.hpp"
#include "ir/bind.hpp"
#include "ir/bindings.hpp"
#include "ir/kernel.hpp"

namespace swage::ir {

/// The value of an expression while a kernel is bound.
struct Value {
  enum class Kind : std::uint8_t {
    poison,  ///< its error has been reported
    node,    ///< typed
    literal, ///< adapts to what it meets
    choice,  ///< c ? 1 : 0 with c computed: adapts too, later
  };
  Kind kind = Kind::poison;
  std::uint32_t index = 0; ///< node: its id; choice: index into the binder's choices
  Literal literal;

  static Value of(NodeId node) { return {Kind::node, node, {}}; }
  static Value of(const Literal& literal) { return {Kind::literal, 0, literal}; }
};

/// A selection between literals whose type is not known yet.
struct Choice {
  NodeId condition;
  Value then;
  Value otherwise;
  std::uint32_t leaves; ///< bounds the work of adapting, as arms may be shared
};
inline constexpr std::uint32_t kMaxChoiceLeaves = 256;

class Binder {
public:
  Binder(const Program& program, const KernelDecl& kernel, const std::vector<Binding>& bindings,
         std::optional<MathMode> math, Diagnostics& diagnostics, std::vector<Constant>* constants);

  std::optional<Kernel> run();

private:
  // bind.cpp: declarations and statements
  std::optional<DType> dtype_of(const TypeName& type) const;
  std::vector<Param> run_time_params() const;
  Value constant(std::size_t index);
  void bind_params();
  void bind_group(std::size_t index);
  void check_packed(std::size_t index);
  void bind_store(const Statement& statement, Value value);
  void bind_skip(const Statement& statement, Value value);

  struct Operand {
    Value value;
    const Expr* expr;
  };

  // bind_expression.cpp: expressions
  Value evaluate(Body body, std::span<const Value> arguments);
  Value evaluate_one(const Expr& expr, std::size_t base, ExprId begin,
                     std::span<const Value> arguments);
  Value inline_call(const Expr& expr, std::span<const Value> arguments);
  Value cast(std::optional<DType> storage, const Value& value, const Expr& expr);
  Value cast_value(DType storage, const Value& value, const Expr& expr);
  Value lookup(const Expr& expr, const Operand& index);
  void count_visit(const Expr& expr);
  void check_size(const Expr& expr);

  // bind_operation.cpp: operations and their types
  Value operate(const Expr& expr, std::span<const Operand> operands);
  Value reduce(const Expr& expr, std::span<const Operand> operands);
  std::optional<std::int64_t> integer_of(const Value& value) const;
  std::optional<std::uint32_t> group_size(const Expr& expr, const Operand& operand);
  Value fold_literals(const Expr& expr, std::span<const Operand> operands);
  Value choose(const Expr& expr, std::span<const Operand> operands);
  std::optional<DType> common_type(const Expr& expr, std::span<const Operand> operands);
  bool check_rule(const Expr& expr, std::span<const Operand> operands, DType type);
  bool check_condition(const Operand& operand);
  void report_mix(const Expr& expr, const Operand& a, const Operand& b);
  /// `value` as a node of compute type `type`; integers must fit `storage`.
  std::optional<NodeId> adapt(const Value& value, DType type, DType storage, const Expr& expr);
  void report_wide(const Expr& expr);
  std::optional<NodeId> adapt_literal(const Literal& literal, DType type, DType storage,
                                      const Expr& expr);
  bool holds_real(const Value& value) const;
  bool holds_bool(const Value& value) const;
  std::uint32_t leaves(const Value& value) const;
  DType type_of(NodeId node) const { return builder_->node(node).type; }
  std::string kind_of(const Value& value) const;
  std::string text_of(const Expr& expr) const;
  std::string cast_text(DType type, const Expr& expr) const;

  /// An error at an expression, with the calls that led to it.
  Diagnostic& error(const Expr& expr, std::string message);

  const Program& program_;
  const KernelDecl& kernel_;
  Diagnostics& diagnostics_;
  std::vector<Constant>* constants_; ///< to be told, or null
  MathMode math_;
  BoundNames bound_;
  std::optional<KernelBuilder> builder_;
  std::vector<Value> params_;          ///< by declared parameter: its value on entry
  std::vector<std::uint32_t> indices_; ///< by declared parameter: its index in the Kernel
  std::vector<Value> lets_;            ///< by statement
  std::vector<Value> values_;          ///< of the expressions under way
  std::vector<Choice> choices_;
  std::vector<const Expr*> calls_; ///< being inlined
  int inlined_ = 0;
  std::size_t visited_ = 0;
};

} // namespace swage::ir
