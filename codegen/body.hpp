// body.hpp -- the operations of a kernel as LLVM values, one at a time.
#pragma once

#include <functional>

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/StringMap.h>

#include "codegen/body_facts.hpp"

namespace swage::codegen {

/// How often each function was called so far, by name.
using Calls = llvm::StringMap<std::size_t>;

class Body {
public:
  /// Nodes outside what is emitted are asked of `fetch`.
  Body(llvm::IRBuilderBase& builder, const Job& job, const BodyFacts& facts, Calls& calls,
       int lanes, std::function<llvm::Value*(ir::NodeId)> fetch);

  /// The value of node `id`. Constants are made where they are used.
  llvm::Value* value(ir::NodeId id);
  /// Computes node `id`, whose operands were emitted or can be fetched.
  void emit(ir::NodeId id);
  /// What `store` writes, in storage bits.
  llvm::Value* stored_bits(const ir::Store& store);

private:
  llvm::Value* arg(const ir::Node& node, std::size_t i) { return value(node.args[i]); }
  /// How node `id` is rounded to `storage`.
  Rounding rounding(ir::NodeId id, DType storage) const;
  /// What is rounded to `storage` for node `id`: itself, but for a clamp or a `round` that the
  /// rounding does too.
  llvm::Value* to_round(ir::NodeId id, DType storage);
  bool is_plain_product(ir::NodeId id) const;
  llvm::Value* opaque_product(const ir::Node& node);
  bool is_folded(ir::NodeId id) const;
  /// Node `id` between the ends of `range`, of NaN some number between: see
  /// MathBuilder::emit_clamped.
  llvm::Value* clamped(ir::NodeId id, ClampRange range);
  llvm::Value* emit(const ir::Node& node, ir::NodeId id);
  llvm::Value* emit(const WideProduct& product);
  llvm::Value* emit(const SlopeProduct& product);
  llvm::Value* emit_float(const ir::Node& node, Accuracy accuracy);
  llvm::Value* emit_integer(const ir::Node& node);
  bool divides_by_shared(const ir::Node& node, Accuracy accuracy) const;
  bool is_shared_quotient(const ir::Node& node) const;
  llvm::Value* constant(const ir::Node& node) const;
  llvm::Value* divide(llvm::IRBuilderBase& builder, llvm::Value* a, llvm::Value* b) const;

  using Emit = std::function<llvm::Value*(llvm::IRBuilderBase&, llvm::ArrayRef<llvm::Value*>)>;
  /// What `emit` makes of `operands`: here, or in a function `name` of its own that is called.
  llvm::Value* inline_or_call(const std::string& name, llvm::ArrayRef<llvm::Value*> operands,
                              const Emit& emit);

  llvm::IRBuilderBase& b_;
  const Job& job_;
  const BodyFacts& facts_;
  Calls& calls_;
  int lanes_;
  std::function<llvm::Value*(ir::NodeId)> fetch_;
  Converter convert_;
  MathBuilder full_, half_;
  llvm::DenseMap<ir::NodeId, llvm::Value*> values_;
  llvm::DenseMap<ir::NodeId, llvm::Value*> bits_; ///< of casts to 16-bit floats: in storage
};

} // namespace swage::codegen
