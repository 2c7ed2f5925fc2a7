// math_functions.hpp -- the math functions behind MathBuilder, by family; one file a family.
// `full` functions use IEEE operations alone and meet the bounds of docs/numbers.md; `half` ones
// are cheaper, for f32 results that are stored in 16 bits.
#pragma once

#include "codegen/math.hpp"
#include "codegen/math_emit.hpp"

namespace swage::codegen::math {

using emit::Real;

/// A constant as a sum of two numbers of the format.
struct Split {
  double high, low;
};
inline constexpr Split kLn2F32 = {0x1.62e43p-1, -0x1.05c61p-29};
inline constexpr Split kLn2F64 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

// math_exp.cpp
/// Between the ends of a range; of NaN some number between. Integers serve to compare: the bits of
/// positive floats are ordered as signed integers are, those of negative ones as unsigned integers
/// in reverse.
Real clamped_number(Real x, ClampRange range);
Real exp(Real x);
Real exp_half(Real x);
Real exp2(Real x);
Real exp2_half(Real x);
Real expm1(Real x);
Real sigmoid(Real x);
Real sigmoid_half(Real x);
Real sigmoid_half_of_number(Real x); ///< the same of an x within `kSigmoidRange`
/// sigmoid_half to multiply x by, of an x within `kSiluRange`, for products that are stored in 16
/// bits: below 1 for every finite x and, for products stored as bf16, off 1/2 by at least 2^-24 to
/// the side of x. A product of numbers of 8 or 11 bits is exact in f32 and often a tie of the
/// storage type; times exactly 1 or 1/2 it stays one, and goes to even where silu, which is never
/// exactly x or x/2, decides it. Numbers of f16 whose sigmoid is so near 1/2 are too few to matter.
Real sigmoid_half_of_silu(Real x, bool is_bf16);
/// A value as a product of two factors that are normal numbers where it is subnormal or less: what
/// multiplies it may bring the product back.
struct Factors {
  Real outer, inner;
};
Real tanh(Real x);
Real tanh_half(Real x);
/// tanh on [0, 1/2] to 2^-20.
Real tanh_near_zero(Real x);

/// 2^x for a normal result; x is neither checked nor clamped.
Real exp2_normal(Real x);
/// 2^(x + low), x unbounded and |low| small.
Real exp2_sum(Real x, Real low);

// math_nvptx.cpp, elsewhere a plain division
/// n / d rounded to nearest, for d and n as `quotient` in quotient.hpp has them: without the call
/// to a slow path, and the registers for it, that every div.rn.f32 costs a kernel.
Real divide_in_range(Real n, Real d);
/// power / d for a power of two, where d and 1 / d are normal and not among the largest or smallest
/// 2^4 times. In f32 1 / d is rounded first: it matters to subnormal results alone.
Real power_over(double power, Real d);

// math_log.cpp
/// x = 2^exponent * mantissa with mantissa in [sqrt(1/2), sqrt(2)), for positive and finite x,
/// subnormal ones included.
struct FloatParts {
  Real exponent, mantissa;
};
FloatParts split_float(Real x);
Real log(Real x);
Real log2(Real x);
Real log1p(Real x);

/// 2^64 e^-|x|, which is normal for every x; in f32 to 2^-19.5.
Real scaled_negative_exp_half(Real x);
/// 2^64 e^-(x + low) as scale (1 + expm1), for x from 0 to 745.5 (102.1 in f32) and |low| <= ulp(x)
/// / 2: the 1 is left out for what it is multiplied by to be added last.
struct NegativeExp {
  Real expm1, scale;
};
NegativeExp scaled_negative_exp(Real x, Real low);
/// e^-(|x| / 2) in f32 to 2^-19.5.
Real negative_exp_root_half(Real x);

// math_erf.cpp
Real erf(Real x);
Real erf_half(Real x);
Real erfc(Real x);
Real erfc_half(Real x);
Factors erfc_half_factors(Real x);
/// The denominator of the variable t = 1 / (1 + c |x|) that `erfc_half` is computed in, and e^(x^2)
/// erfc(|x|) from t.
Real erfcx_denominator(Real magnitude);
Real erfcx_half(Real t);

// math_trig.cpp
Real sin(Real x);
Real cos(Real x);

// math_pow.cpp
Real pow(Real x, Real y);

// math_power.cpp
/// The smallest power of two of e8m0 that is at least x; NaN where there is none.
Real power_above(Real x);
/// The largest that is at most x, or the smallest there is; NaN where x is negative or infinite.
Real power_below(Real x);
/// 1 / x of an f32 that is one of these powers of two, or NaN. Exact.
Real reciprocal_of_power(Real x);

// math_hypot.cpp
Real hypot(Real x, Real y);

// math_nvptx.cpp: f32 on the hardware's approximations, lane by lane. `flush`: subnormal operands
// and results may be zero.
namespace nvptx {
Real exp(Real x, bool flush);
/// To 2^-19.5 for |x| up to 17, subnormal results too, in the fewest instructions.
Real exp_half(Real x);
Real exp2(Real x, bool flush);
Real log(Real x);  ///< flushes, and is accurate relative to 1 near x = 1
Real log2(Real x); ///< the same
Real sigmoid(Real x);
Real sigmoid_of_silu(Real x, bool is_bf16); ///< as sigmoid_half_of_silu
/// a / b, at most two operations of which depend on a.
Real divide_by_shared(Real a, Real b);
Factors sigmoid_factors(Real x);
Factors sigmoid_factors_of_silu(Real x, bool is_bf16);
Real sigmoid_fast(Real x);
Real erfc(Real x);
Factors erfc_factors(Real x);
/// exp and div.full as Triton emits them.
Real sigmoid_triton(Real x);
Real tanh(Real x);
/// tanh.approx.f32, of PTX 7.0.
Real tanh_fast(Real x);
Real sin_fast(Real x);
Real cos_fast(Real x);
Real rcp_fast(Real x);
Real sqrt(Real x, bool flush);
Real rsqrt(Real x, bool flush);
Real divide(Real a, Real b, bool flush);
} // namespace nvptx

// math_torch.cpp: f32 as CUDA's compiler emits it for the operators of PyTorch, lane by lane.
namespace torch {
Real exp(Real x);
Real exp2(Real x);
Real expm1(Real x);
Real log(Real x);
Real log2(Real x);
Real log1p(Real x);
Real rsqrt(Real x);
Real sigmoid(Real x);
Real tanh(Real x);
Real erf(Real x);
} // namespace torch

} // namespace swage::codegen::math
