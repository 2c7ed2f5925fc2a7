// body_facts.hpp -- what is known of the nodes of a kernel before any is emitted.
#pragma once

#include <optional>
#include <vector>

#include "codegen/lower.hpp"
#include "codegen/silu.hpp"
#include "codegen/ties.hpp"
#include "codegen/wide_products.hpp"

namespace swage::codegen {

struct WideProducts {
  std::vector<std::optional<WideProduct>> products; ///< by node
  std::vector<bool> folded; ///< by node: a part of a product that nothing else uses
};

/// What is to be known of the nodes of a kernel before any is emitted; once a kernel.
struct BodyFacts {
  explicit BodyFacts(const Job& job);

  bool stores_bf16_alone = false;
  std::vector<Accuracy> accuracies; ///< by node
  /// By node: whether it is a sigmoid that is only ever multiplied by its own argument. Empty where
  /// no sigmoid gets a form of its own for it: but in `accurate` mode at half accuracy.
  std::vector<bool> of_silu;
  /// By node: whether it is another sigmoid at half accuracy whose NaNs come from its argument in
  /// what is stored. On a CPU.
  std::vector<bool> is_number;
  std::vector<std::optional<SlopeProduct>> slopes; ///< by node, of bf16 on a CPU; or empty
  WideProducts wide;
  /// By node: whether it is an f32 whose NaNs have nothing in the lower 16 bits. GPUs make NaNs of
  /// all bits.
  std::vector<bool> upper_half_nans;
  std::vector<Ties> ties; ///< by node, of bf16
  /// By node: whether the back end is not to look through its value. Empty where it may everywhere.
  std::vector<bool> opaque;
  /// Functions are emitted apart, and called: inline they would be too much code.
  bool calls_functions = false;
};

/// What is asked for, not computed here.
inline bool is_leaf(const ir::Node& node) {
  return node.op == ir::Op::load || node.op == ir::Op::scalar || node.op == ir::Op::constant ||
         node.op == ir::Op::lookup || node.op == ir::Op::col_index;
}

} // namespace swage::codegen
