// admissible.hpp -- the results that rounding allows a kernel to give for one element.
//
// An error of a few ulp of the result is the wrong measure in three places: where terms cancel
// (1 + gate * (1 - s) has a root, and near it every relative error is possible), where a value
// within a function's error of a tie meets a rounding point (T(silu(gate)) may legally go either
// way), and where one meets a jump (floor, a comparison). All are decided by following the sets
// that the values may lie in through the graph.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/accuracy.hpp"
#include "ir/evaluate.hpp"
#include "ir/kernel.hpp"

namespace swage::verify {

/// Why a result beyond the limit is right; where several hold, the first.
enum class Reason : std::uint8_t {
  jump,           ///< an operation jumps within the stated error of its argument
  overflow,       ///< an f32 on the way overflowed, and what is lost is below the smallest normal
  rounding_point, ///< a value within the stated error of a tie at a cast to a narrower float
  underflow,      ///< a subnormal number on the way has fewer bits
  cancellation,   ///< terms cancel: their rounding is many ulp of what they leave
};
inline constexpr int kReasonCount = 5;
/// "jump", "rounding point".
std::string_view name_of(Reason reason) noexcept;

/// All numbers from `low` to `high`.
struct Piece {
  ir::Scalar low, high;
};

/// Values that one node may legally have.
struct ValueSet {
  std::vector<Piece> pieces; ///< ascending, apart
  bool nan = false;
  ir::Scalar exact;         ///< without any rounding but that of casts
  std::uint8_t reasons = 0; ///< bit by Reason: what has widened the set so far
};

/// Follows one element's sets through a kernel: each operation is evaluated at the ends of its
/// operands' pieces and widened by the error bound that docs/numbers.md states for it, or rounded
/// where it is correctly rounded. A jump gives the values on its sides and none between them.
/// Immutable after construction; `check` may be called from many threads.
class AdmissibleResults {
public:
  explicit AdmissibleResults(const ir::Kernel& kernel);

  /// Why store `store` of the kernel may hold `got` (bits of its parameter's type) when the
  /// parameters hold `arguments` on entry (bits, by parameter; those of `out` are ignored); nothing
  /// if it may not. NaN, or an infinity that is not next to it, is never right for a finite value.
  std::optional<Reason> check(std::size_t store, std::uint64_t got,
                              std::span<const std::uint64_t> arguments) const;

private:
  std::vector<ValueSet> sets(std::span<const std::uint64_t> arguments) const;
  ValueSet evaluate(ir::NodeId id, std::span<const ValueSet> known,
                    ir::Evaluator::Workspace& workspace) const;

  ir::Kernel kernel_;
  std::vector<ir::Accuracy> accuracies_;             ///< by node
  std::vector<std::optional<ir::Evaluator>> single_; ///< by node that computes: it alone
};

} // namespace swage::verify
