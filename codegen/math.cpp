// math.cpp -- chooses the form of each function by math mode, accuracy and target.
#include "codegen/math.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "codegen/math_functions.hpp"
#include "swage/error.hpp"

namespace swage::codegen {
namespace {

using emit::Real;
using ir::Op;
namespace Intrinsic = llvm::Intrinsic;

Real real_of(llvm::IRBuilderBase& builder, llvm::Value* value) {
  Real real;
  real.b = &builder;
  real.v = value;
  return real;
}

Real maximum(Real a, Real b) {
  return binary(Intrinsic::maximum, a, b);
}
Real minimum(Real a, Real b) {
  return binary(Intrinsic::minimum, a, b);
}

/// Operations that are exact or rounded once, so that every mode has one form of them.
std::optional<Real> emit_exact(Op op, llvm::ArrayRef<Real> x) {
  switch (op) {
  case Op::neg: return -x[0];
  case Op::abs: return abs(x[0]);
  case Op::fma: return fma(x[0], x[1], x[2]);
  case Op::copysign: return copysign(x[0], x[1]);
  case Op::floor: return unary(Intrinsic::floor, x[0]);
  case Op::ceil: return unary(Intrinsic::ceil, x[0]);
  case Op::trunc: return unary(Intrinsic::trunc, x[0]);
  case Op::round: return unary(Intrinsic::roundeven, x[0]);
  case Op::min: return minimum(x[0], x[1]);
  case Op::max: return maximum(x[0], x[1]);
  case Op::clamp: return minimum(maximum(x[0], x[1]), x[2]);
  case Op::relu: return maximum(x[0], x[0].constant(0));
  case Op::e8m0_up: return math::power_above(x[0]);
  case Op::e8m0_down: return math::power_below(x[0]);
  default: return std::nullopt;
  }
}

/// By IEEE operations alone.
std::optional<Real> emit_full(Op op, llvm::ArrayRef<Real> x) {
  switch (op) {
  case Op::div: return x[0] / x[1];
  case Op::rcp: return 1.0 / x[0];
  case Op::sqrt: return sqrt(x[0]);
  case Op::rsqrt: return 1.0 / sqrt(x[0]);
  case Op::exp: return math::exp(x[0]);
  case Op::exp2: return math::exp2(x[0]);
  case Op::expm1: return math::expm1(x[0]);
  case Op::log: return math::log(x[0]);
  case Op::log2: return math::log2(x[0]);
  case Op::log1p: return math::log1p(x[0]);
  case Op::sigmoid: return math::sigmoid(x[0]);
  case Op::tanh: return math::tanh(x[0]);
  case Op::erf: return math::erf(x[0]);
  case Op::erfc: return math::erfc(x[0]);
  case Op::sin: return math::sin(x[0]);
  case Op::cos: return math::cos(x[0]);
  case Op::pow: return math::pow(x[0], x[1]);
  case Op::hypot: return math::hypot(x[0], x[1]);
  default: return std::nullopt;
  }
}

/// f32 functions that have a cheaper form on any target.
std::optional<Real> emit_half(Op op, llvm::ArrayRef<Real> x) {
  switch (op) {
  case Op::exp: return math::exp_half(x[0]);
  case Op::exp2: return math::exp2_half(x[0]);
  case Op::sigmoid: return math::sigmoid_half(x[0]);
  case Op::tanh: return math::tanh_half(x[0]);
  case Op::erf: return math::erf_half(x[0]);
  case Op::erfc: return math::erfc_half(x[0]);
  default: return std::nullopt;
  }
}

/// f32 functions that NVIDIA hardware approximates well enough for results of 16 bits.
std::optional<Real> emit_nvptx_half(Op op, llvm::ArrayRef<Real> x) {
  switch (op) {
  case Op::div: return math::nvptx::divide(x[0], x[1], false);
  case Op::rcp: return math::nvptx::divide(x[0].constant(1), x[0], false);
  case Op::sqrt: return math::nvptx::sqrt(x[0], false);
  case Op::rsqrt: return math::nvptx::rsqrt(x[0], false);
  case Op::exp: return math::nvptx::exp_half(x[0]);
  case Op::exp2: return math::nvptx::exp2(x[0], false);
  case Op::sigmoid: return math::nvptx::sigmoid(x[0]);
  case Op::tanh: return math::nvptx::tanh(x[0]);
  case Op::erfc: return math::nvptx::erfc(x[0]);
  default: return std::nullopt;
  }
}

std::optional<Real> emit_nvptx_fast(Op op, llvm::ArrayRef<Real> x, const Target& target) {
  switch (op) {
  case Op::div: return math::nvptx::divide(x[0], x[1], true);
  case Op::rcp: return math::nvptx::rcp_fast(x[0]);
  case Op::sqrt: return math::nvptx::sqrt(x[0], true);
  case Op::rsqrt: return math::nvptx::rsqrt(x[0], true);
  case Op::exp: return math::nvptx::exp(x[0], true);
  case Op::exp2: return math::nvptx::exp2(x[0], true);
  case Op::log: return math::nvptx::log(x[0]);
  case Op::log2: return math::nvptx::log2(x[0]);
  case Op::sigmoid: return math::nvptx::sigmoid_fast(x[0]);
  case Op::tanh: return target.ptx >= 70 ? math::nvptx::tanh_fast(x[0]) : math::nvptx::tanh(x[0]);
  case Op::erfc: return math::nvptx::erfc(x[0]);
  case Op::sin: return math::nvptx::sin_fast(x[0]);
  case Op::cos: return math::nvptx::cos_fast(x[0]);
  default: return std::nullopt;
  }
}

/// What Triton emits, and of CUDA's library that it links what is the same in every version and
/// is nothing but the expansion that nvcc makes of it.
std::optional<Real> emit_triton(Op op, llvm::ArrayRef<Real> x) {
  if (x[0].is_double())
    return op == Op::div   ? std::optional(x[0] / x[1])
           : op == Op::rcp ? std::optional(1.0 / x[0])
                           : std::nullopt;
  switch (op) {
  case Op::div: return math::nvptx::divide(x[0], x[1], false);
  case Op::rcp: return math::nvptx::divide(x[0].constant(1), x[0], false);
  case Op::exp: return math::nvptx::exp(x[0], false);
  case Op::exp2: return math::nvptx::exp2(x[0], false);
  case Op::sigmoid: return math::nvptx::sigmoid_triton(x[0]);
  case Op::tanh: return math::torch::tanh(x[0]);
  case Op::erf: return math::torch::erf(x[0]);
  default: return std::nullopt;
  }
}

/// What the operators of PyTorch compute with, where its bits can be had.
std::optional<Real> emit_torch(Op op, llvm::ArrayRef<Real> x) {
  switch (op) {
  case Op::div: return x[0] / x[1];
  case Op::rcp: return 1.0 / x[0];
  case Op::sqrt: return sqrt(x[0]);
  default: break;
  }
  if (x[0].is_double())
    return std::nullopt;
  switch (op) {
  case Op::rsqrt: return math::torch::rsqrt(x[0]);
  case Op::exp: return math::torch::exp(x[0]);
  case Op::exp2: return math::torch::exp2(x[0]);
  case Op::expm1: return math::torch::expm1(x[0]);
  case Op::log: return math::torch::log(x[0]);
  case Op::log2: return math::torch::log2(x[0]);
  case Op::log1p: return math::torch::log1p(x[0]);
  case Op::sigmoid: return math::torch::sigmoid(x[0]);
  case Op::tanh: return math::torch::tanh(x[0]);
  case Op::erf: return math::torch::erf(x[0]);
  default: return std::nullopt;
  }
}

/// A mode that promises the bits of another system, on CUDA.
struct Peer {
  ir::MathMode mode;
  std::string_view whose;
  std::string_view offered; ///< beside what every mode has
  std::optional<Real> (*emit)(Op, llvm::ArrayRef<Real>);
};
constexpr Peer kPeers[] = {
    {ir::MathMode::triton, "Triton's", "copysign rcp, and for f32 exp exp2 sigmoid tanh erf",
     emit_triton},
    {ir::MathMode::torch, "PyTorch's",
     "rcp sqrt, and for f32 rsqrt exp exp2 expm1 log log2 log1p sigmoid tanh erf", emit_torch},
};
const Peer* peer_of(ir::MathMode mode) {
  const auto* const found = std::ranges::find(kPeers, mode, &Peer::mode);
  return found == std::end(kPeers) ? nullptr : found;
}

[[noreturn]] void refuse(const Peer& peer, Op op, bool is_double) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{} of {} cannot be bit-equal to {}: {} mode offers arithmetic, "
                  "comparisons, abs min max clamp relu fma floor ceil round trunc isnan {}; "
                  "use accurate mode, or write the formula out",
                  ir::info(op).spelling, is_double ? "f64" : "f32", peer.whose,
                  ir::name_of(peer.mode), peer.offered));
}

} // namespace

MathBuilder::MathBuilder(llvm::IRBuilderBase& builder, const Target& target, ir::MathMode mode,
                         Accuracy accuracy)
    : b_(builder), target_(target), mode_(mode), accuracy_(accuracy) {
  if (target.kind == Target::Kind::cuda)
    return;
  // The catalogue has kernels in torch mode, and each is to run everywhere.
  if (mode == ir::MathMode::torch)
    accuracy_ = Accuracy::full;
  else if (peer_of(mode) != nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("{} mode needs a CUDA device, and the target is the host: use accurate "
                            "or fast mode here",
                            ir::name_of(mode)));
}

llvm::Value* MathBuilder::emit_sigmoid_of_silu(llvm::Value* x, bool is_bf16) {
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());
  const bool cuda = target_.kind == Target::Kind::cuda;
  const auto form = cuda ? math::nvptx::sigmoid_of_silu : math::sigmoid_half_of_silu;
  return form(real_of(b_, x), is_bf16).v;
}

llvm::Value* MathBuilder::emit_sigmoid_of_number(llvm::Value* x) {
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());
  return math::sigmoid_half_of_number(real_of(b_, x)).v;
}

llvm::Value* MathBuilder::emit_clamped(llvm::Value* x, ClampRange range) {
  return math::clamped_number(real_of(b_, x), range).v;
}

llvm::Value* MathBuilder::emit_quotient_of_shared(llvm::Value* a, llvm::Value* b) {
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());
  return math::nvptx::divide_by_shared(real_of(b_, a), real_of(b_, b)).v;
}

llvm::Value* MathBuilder::emit_reciprocal_of_power(llvm::Value* x) {
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());
  return math::reciprocal_of_power(real_of(b_, x)).v;
}

MathBuilder::Factors MathBuilder::emit_factors(ir::Op op, llvm::Value* x, bool of_silu,
                                               bool is_bf16) {
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());
  const bool cuda = target_.kind == Target::Kind::cuda;
  const Real at = real_of(b_, x);
  const auto factors = [&] {
    if (op == Op::erfc)
      return cuda ? math::nvptx::erfc_factors(at) : math::erfc_half_factors(at);
    return of_silu ? math::nvptx::sigmoid_factors_of_silu(at, is_bf16)
                   : math::nvptx::sigmoid_factors(at);
  }();
  return {factors.outer.v, factors.inner.v};
}

llvm::Value* MathBuilder::emit(ir::Op op, llvm::ArrayRef<llvm::Value*> args) {
  // Results must not depend on flags that the caller has set.
  const llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
  b_.setFastMathFlags(llvm::FastMathFlags());

  llvm::SmallVector<Real, 3> x;
  for (llvm::Value* arg : args)
    x.push_back(real_of(b_, arg));
  if (op == Op::isnan)
    return is_nan(x[0]).v;
  const bool is_double = x[0].is_double();
  const bool cuda = target_.kind == Target::Kind::cuda;
  const Peer* const peer = cuda ? peer_of(mode_) : nullptr;
  if (peer != nullptr && op == Op::copysign && mode_ == ir::MathMode::torch)
    refuse(*peer, op, is_double); // shows a NaN's sign, which PyTorch's operators treat unlike
  if (const auto result = emit_exact(op, x))
    return result->v;

  if (peer != nullptr) {
    if (const auto result = peer->emit(op, x))
      return result->v;
    refuse(*peer, op, is_double);
  }
  const bool fast = mode_ == ir::MathMode::fast;
  std::optional<Real> result;
  if (!is_double && cuda && fast)
    result = emit_nvptx_fast(op, x, target_);
  if (!result && !is_double && cuda && accuracy_ == Accuracy::half)
    result = emit_nvptx_half(op, x);
  if (!result && !is_double && (fast || accuracy_ == Accuracy::half))
    result = emit_half(op, x);
  if (!result)
    result = emit_full(op, x);
  if (!result)
    throw Error(ErrorCode::internal,
                "the math functions do not know the operation " + std::string(ir::info(op).id));
  return result->v;
}

} // namespace swage::codegen
