// math.hpp -- the functions of the language in LLVM IR, for scalars and vectors, on both targets.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "codegen/target.hpp"
#include "ir/accuracy.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

using ir::Accuracy;

struct ClampRange {
  double low, high;
};
/// Beyond it sigmoid at half accuracy is 0 and 1.
inline constexpr ClampRange kSigmoidRange{-104, 40};
/// The same of the form for silu, which ends 2^-24 below 1. The ends of both are numbers of bf16.
inline constexpr ClampRange kSiluRange{-104, 16.5};

/// Emits one operation at a time with `builder`, element-wise on values of type float, double,
/// <N x float> or <N x double>. Straight-line code, no calls, no branches, the same operations on
/// every lane, so results do not depend on vector width. Full accuracy uses IEEE operations alone,
/// so its bits are the same on both targets. In torch mode the host computes at full accuracy, with
/// no claim to PyTorch's bits.
class MathBuilder {
public:
  MathBuilder(llvm::IRBuilderBase& builder, const Target& target, ir::MathMode mode,
              Accuracy accuracy);

  /// `op` is one of the rule `real` or `test`, or div, min, max, clamp, relu, abs, neg on floats.
  /// Throws Error(unsupported) when the mode cannot offer it (triton mode, on CUDA torch mode).
  llvm::Value* emit(ir::Op op, llvm::ArrayRef<llvm::Value*> args);
  /// sigmoid(x) that is only ever multiplied by x, in `accurate` mode at half accuracy; `is_bf16`:
  /// in a kernel that stores nothing but bf16. On a CPU of an x within `kSiluRange`.
  llvm::Value* emit_sigmoid_of_silu(llvm::Value* x, bool is_bf16);

  /// sigmoid(x) at half accuracy on a CPU, of an x within `kSigmoidRange`.
  llvm::Value* emit_sigmoid_of_number(llvm::Value* x);

  /// x, or the end of `range` that it is beyond; of NaN some number of it. The low end is negative,
  /// the high one positive.
  llvm::Value* emit_clamped(llvm::Value* x, ClampRange range);

  /// a / b of f32 on CUDA at half accuracy, within 2 ulp, where many quotients share b: all but two
  /// products depend on b alone, so that common subexpressions leave them.
  llvm::Value* emit_quotient_of_shared(llvm::Value* a, llvm::Value* b);

  /// 1 / x of an f32 that is a number of e8m0. Exact, and no quotient.
  llvm::Value* emit_reciprocal_of_power(llvm::Value* x);

  /// erfc(x), or on CUDA sigmoid(x), in `accurate` mode at half accuracy, as a product of two
  /// factors that are normal where it is subnormal; `of_silu` and `is_bf16` as above.
  struct Factors {
    llvm::Value *outer, *inner;
  };
  Factors emit_factors(ir::Op op, llvm::Value* x, bool of_silu, bool is_bf16);

private:
  llvm::IRBuilderBase& b_;
  const Target& target_;
  ir::MathMode mode_;
  Accuracy accuracy_;
};

} // namespace swage::codegen
