// evaluate.hpp -- the reference evaluator: the oracle that both back ends are held to.
#pragma once

#include <span>

#include "ir/kernel.hpp"
#include "ir/number.hpp"

namespace swage::ir {

/// Evaluates one element of a kernel at a time. Floats are computed in double precision (long
/// double when the kernel has f64 anywhere) with the rounding points, the casts, applied; integers
/// exactly. Immutable after construction: one object may serve many threads, each with its own
/// Workspace.
class Evaluator {
public:
  class Workspace {
    friend class Evaluator;
    std::vector<Scalar> values_;
  };

  explicit Evaluator(Kernel kernel);

  /// `arguments[p]` is the value of parameter p on entry (ignored for `out`). `results[i]` receives
  /// the value of `kernel().stores()[i]` before the rounding at the store; `encode` rounds it.
  void operator()(std::span<const Scalar> arguments, std::span<Scalar> results,
                  Workspace& workspace) const;

  const Kernel& kernel() const noexcept { return kernel_; }

private:
  Kernel kernel_;
  bool wide_ = false;
};

} // namespace swage::ir
