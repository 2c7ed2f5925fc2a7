// gradient_check.hpp -- a derived gradient against differences of the kernel that it is taken of.
//
// Results of a derived kernel are held to its own graph, which says nothing about the rules of
// differentiation. Differences of the forward kernel need no rules.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/kernel.hpp"
#include "ir/source.hpp"

namespace swage::verify {

/// A gradient that is not the slope of the forward kernel.
struct WrongSlope {
  std::string of;             ///< the forward kernel's input
  std::vector<double> inputs; ///< by parameter of the derived kernel; 0 for `out`
  double got = 0, slope = 0;
};

struct GradientCheck {
  std::string forward;      ///< name
  std::int64_t checked = 0; ///< gradients at a point
  std::int64_t unclear = 0; ///< where differences do not show the slope: at jumps, bends, poles
  std::int64_t wrong = 0;
  std::optional<WrongSlope> first{}; ///< the first that is wrong
};

/// Evaluates both graphs in long double, rounding points left out, at random and at special points,
/// the same each time: every gradient of `items` against central differences of what the outputs of
/// `forward` sum to, each times the gradient that arrives for it. `derived` is the gradient of
/// `forward` by `items` (see ir::differentiate for its parameters).
GradientCheck check_gradient(const ir::Kernel& forward, const ir::Kernel& derived,
                             std::span<const ir::KernelDeclaration::GradientItem> items);

} // namespace swage::verify
