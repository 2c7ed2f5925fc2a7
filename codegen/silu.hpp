// silu.hpp -- what may be left out or shared of a sigmoid(x) that stands beside its x.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// The sigmoid(x) of a node that is x * sigmoid(x), in either order.
std::optional<ir::NodeId> sigmoid_of_silu(const ir::Kernel& kernel, const ir::Node& node);

/// Whether node `id`, a sigmoid(x) of f32, need not be NaN where x is: all that is stored and made
/// of it is then NaN for x's sake.
bool nan_comes_from_argument(const ir::Kernel& kernel, ir::NodeId id);

/// A product rest * s * fma(x, 1 - s, 1), s = sigmoid(x), the derivative of silu in it. As rest *
/// fma(x * s, 1 - s, s) it takes one operation less where x * s is there.
struct SlopeProduct {
  std::optional<ir::NodeId> rest;    ///< 1 if absent
  ir::NodeId x, sigmoid, complement; ///< complement: 1 - s
};

/// By node: the product that it is, where x * s is a node too and what is left out has no other
/// use.
std::vector<std::optional<SlopeProduct>> find_slope_products(const ir::Kernel& kernel);

/// fma(x, 1 - sigmoid(x), 1), whose first operands may be exchanged: `complement` is 1 -
/// sigmoid(x).
struct Slope {
  ir::NodeId x, sigmoid, complement;
};
std::optional<Slope> slope_of(const ir::Kernel& kernel, ir::NodeId id);

} // namespace swage::codegen
