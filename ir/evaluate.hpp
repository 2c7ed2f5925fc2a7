// evaluate.hpp -- the reference evaluator: the oracle that both back ends are held to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ir/kernel.hpp"
#include "ir/number.hpp"

namespace swage::ir {

/// One parameter's elements in storage format, for Evaluator::batch; of f4e2m1 one to a byte.
struct Elements {
  const void* data = nullptr; ///< the first element; may be unaligned
  std::ptrdiff_t stride = 0;  ///< bytes from one to the next; 0 repeats the first
};

/// One store's values over a batch, before the rounding at the store. One pointer is set: `wide`
/// in kernels that hold f64, `real` in other float stores, `integer` for integers and bool.
struct Column {
  const double* real = nullptr;
  const long double* wide = nullptr;
  const std::int64_t* integer = nullptr;

  Scalar operator[](std::size_t i) const noexcept {
    return {.real = real   ? static_cast<long double>(real[i])
                    : wide ? wide[i]
                           : 0,
            .integer = integer ? integer[i] : 0};
  }
};

/// Evaluates a kernel element by element. Floats are computed in double precision (long double when
/// the kernel has f64 anywhere) with the rounding points, the casts, applied; integers exactly. The
/// calling thread must be in the default floating-point environment. Immutable after construction:
/// one object may serve many threads, each with its own Workspace.
class Evaluator {
public:
  /// The most elements that one call of `batch` takes: large enough to spread the cost of choosing
  /// an operation, small enough that a kernel's live values stay in the first-level cache.
  static constexpr std::size_t kBatch = 256;

  /// Memory of one thread, grown on first use and then kept; good for any evaluator.
  class Workspace {
    friend class Evaluator;
    std::vector<double> reals_;
    std::vector<long double> wides_;
    std::vector<std::int64_t> integers_;
  };

  /// Throws Error(invalid_argument) for a kernel with reductions: see evaluate_rows.hpp.
  explicit Evaluator(Kernel kernel);

  /// One element. `arguments[p]` is the value of parameter p on entry (ignored for `out`).
  /// `results[i]` receives the value of `kernel().stores()[i]` before the rounding at the store;
  /// `encode` rounds it.
  void operator()(std::span<const Scalar> arguments, std::span<Scalar> results,
                  Workspace& workspace) const;

  /// `count` elements (at most kBatch) straight from storage, several times faster an element.
  /// `arguments[p]` is parameter p on entry (ignored for `out`). `results[i]` receives the values
  /// of `kernel().stores()[i]`, which live in `workspace` until it is used again.
  void batch(std::size_t count, std::span<const Elements> arguments, std::span<Column> results,
             Workspace& workspace) const;

  const Kernel& kernel() const noexcept { return kernel_; }

private:
  /// One node with its operands' places in the workspace. A place is reused after its last reader.
  struct Step {
    Node node;
    DType operand;                       ///< compute type of the first operand, if there is one
    std::uint32_t to = 0;                ///< slot among the reals or the integers, by `node.type`
    std::array<std::uint32_t, 3> from{}; ///< slots, each by its operand's type
  };
  struct Slot {
    DType type;
    std::uint32_t index;
  };
  template <class Real>
  struct Frame;
  template <class Real>
  Frame<Real> frame(std::size_t count, Workspace& workspace) const;
  void place(const Kernel& computed);

  Kernel kernel_;
  std::vector<Step> steps_;
  std::vector<Slot> stores_; ///< where each store's value is
  std::uint32_t real_slots_ = 1;
  std::uint32_t integer_slots_ = 1;
  bool wide_ = false;
};

/// The `count` values of `column` rounded once to `type` and stored one after the other at `out`.
void encode_column(DType type, const Column& column, std::size_t count, void* out);

/// `errors[i]` receives the error of the i-th stored element of `got` against `exact`, as ulp_error
/// measures it; for integers and bool 0 where the bits agree with `exact` stored, infinity
/// elsewhere.
void ulp_errors(DType type, const Elements& got, const Column& exact, std::size_t count,
                double* errors);

} // namespace swage::ir
