// accuracy.hpp -- how accurate each value of a kernel has to be, and what error that allows it.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::ir {

/// What accuracy a value is owed in `accurate` mode.
enum class Accuracy : std::uint8_t {
  /// A relative error up to 2^-19 a function; on CUDA up to 2^-17 for exp and sigmoid past |x| =
  /// 17,
  /// the end of f16's range. The rounding to a float of 16 or 8 bits hides it.
  half,
  full, ///< the bounds of `full_error_ulps`
};

/// By node. Full is owed to whatever reaches
/// - a store that is no float of 16 or 8 bits, or is e8m0 or f4e2m1, or an f64 on the way;
/// - a jump: the operand of floor, ceil, round, trunc, isnan, a comparison or a cast to an integer
///   or bool or to e8m0 or f4e2m1, the sign operand of copysign, the exponent of pow;
/// - the end of a domain: the operand of sqrt, rsqrt, log, log2 or log1p, unless its sign is known.
/// Half is enough for what only reaches such stores without one of these. Errors add up, so a
/// kernel of more than eight such functions owes full accuracy to all of them, and so does one that
/// says it (Kernel::owes_full_accuracy). Linear in the size
/// of the kernel.
std::vector<Accuracy> accuracies(const Kernel& kernel);

/// The bound that docs/numbers.md states for `op` at full accuracy in `type` (f32 or f64), in ulp
/// of the exact result for the operands as they are; 0.5 means correctly rounded, 0 exact.
double full_error_ulps(Op op, DType type) noexcept;

/// Whether `op` has a cheaper form at half accuracy: / and the functions that are not exact.
bool is_approximate(Op op) noexcept;

/// Whether the result of `op` can jump where its operand number `operand`, a float, hardly moves.
bool jumps(Op op, int operand) noexcept;

} // namespace swage::ir
