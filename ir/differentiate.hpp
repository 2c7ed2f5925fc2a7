// differentiate.hpp -- reverse-mode differentiation: a kernel to the kernel of its gradients.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::ir {

/// `grad forward(gate -> up, up -> gate, h -> d_h)`: what the derived kernel gives, and where.
struct GradRequest {
  struct Item {
    /// An input of the forward kernel, a scalar perhaps, for its gradient; or an output, to
    /// recompute it.
    std::string what;
    /// The tensor whose buffer receives it: an input of the forward kernel or an incoming gradient.
    /// Empty for a buffer of its own.
    std::string into;
  };
  std::string name; ///< of the derived kernel
  std::vector<Item> items;
};

/// Why a request cannot be met; `item` is the index of the item at fault, or `items.size()` for the
/// forward kernel itself.
struct GradError {
  std::size_t item;
  std::string message;
  bool in_buffer = false; ///< the fault is in `into`, not in `what`
  bool unknown = false;   ///< `what` names nothing
};

/// The kernel that maps the incoming gradients and the inputs of `forward` to the gradients asked
/// for. Parameters: `d_NAME: in` for every output NAME of `forward`; the parameters of `forward`
/// that are read; then, for each item without a buffer, `d_NAME: out` (gradient) or `NAME: out`
/// (recomputed output). Each has the space of what it is the gradient of, that of a scalar is
/// [tensor]; sums over what a value was spread over are reductions. A parameter whose buffer an
/// item takes is `inout`. Rounding points differentiate as the identity; the rules are those of the
/// op table. Throws GradError.
Kernel differentiate(const Kernel& forward, const GradRequest& request);

} // namespace swage::ir
