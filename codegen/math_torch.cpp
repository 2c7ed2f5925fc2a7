// math_torch.cpp -- f32 functions in the operations, and the order, of CUDA's compiler.
//
// PyTorch's operators call CUDA's math functions, which nvcc expands in place. The sequences below
// give what those of CUDA 12 and 13 give, bit for bit, on every architecture from sm_75 on.
// Coefficients stand as the bits that PTX shows. nvcc contracts a product and a sum within one
// operator; where that happens an fma stands here.
#include <bit>
#include <limits>
#include <span>

#include "codegen/math_functions.hpp"
#include "codegen/math_nvptx.hpp"

namespace swage::codegen::math::torch {
namespace {

using namespace emit;
using nvptx::ex2;
using nvptx::rcp;
namespace Intrinsic = llvm::Intrinsic;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr float bits(std::uint32_t of) {
  return std::bit_cast<float>(of);
}

constexpr float kLog2e = bits(0x3FB8AA3B);
constexpr float kLn2 = bits(0x3F317218);

/// c[0], then for every further coefficient: times x plus it, in one fma.
Real horner(Real x, std::span<const std::uint32_t> c) {
  Real sum = x.constant(bits(c.front()));
  for (const std::uint32_t next : c.subspan(1))
    sum = fma(sum, x, bits(next));
  return sum;
}

/// x * inf + inf: infinity at infinity, NaN for negative numbers and NaN.
Real outside(Real x) {
  return fma(x, double{kInfinity}, double{kInfinity});
}

/// x as 2^exponent * mantissa, the mantissa within a factor of two above `lowest`.
struct Parts {
  Real exponent, mantissa;
};
Parts split(Real x, std::uint32_t lowest) {
  const Mask below = x < double{bits(0x00800000)}; // subnormal, or negative and never used
  const Real scaled = select(below, x * 0x1p+23, x);
  const Bits exponent = (scaled.bits() - lowest) & 0xFF800000;
  const Real count =
      fma(to_real(exponent, 32), 0x1p-23, select(below, x.constant(-23), x.constant(0)));
  return {count, (scaled.bits() - exponent).real()};
}

/// `inside` for positive finite x, and what a logarithm is elsewhere.
Real logarithm_from(Real x, Real inside) {
  const Real all = select((x > 0.0) & (x < double{kInfinity}), inside, outside(x));
  return select(x == 0.0, -double{kInfinity} * x.constant(1), all);
}

} // namespace

Real exp(Real x) {
  // The integer nearest to x log2(e), clamped to what an exponent can hold, in the low bits of a
  // number between 2^23 and 2^24.
  const Real clamped =
      nvptx::call(Intrinsic::nvvm_saturate_f, fma(x, double{bits(0x3BBB989D)}, 0.5));
  const Real shifted = nvptx::by_lane(clamped, [&](llvm::Value* lane) {
    const auto constant = [&](std::uint32_t of) {
      return llvm::ConstantFP::get(lane->getType(), double{bits(of)});
    };
    return x.b->CreateIntrinsic(Intrinsic::nvvm_fma_rm_f, {},
                                {lane, constant(0x437C0000), constant(0x4B400001)});
  });
  const Real whole = shifted + double{bits(0xCB40007F)};
  const Real rest = fma(x, double{bits(0x32A57060)}, fma(x, double{kLog2e}, -whole));
  // In a sum, as in sigmoid, nvcc fuses this product: it is exact where the sum could tell.
  return ex2(rest, true) * (shifted.bits() << 23).real();
}

Real exp2(Real x) {
  return ex2(x, false);
}

Real expm1(Real x) {
  const Real nearest = unary(Intrinsic::roundeven, x * double{kLog2e});
  const Real whole = select(abs(x) < double{bits(0x3ED1EB85)}, 0.0, nearest);
  const Real high = fma(-whole, double{bits(0x3F317200)}, x);
  const Real rest = fma(-whole, double{bits(0x35BFBE8E)}, high);
  const Mask top = whole == 128.0; // 2^128 is no number: compute half and double it
  const Real power = select(top, whole - 1.0, whole);
  const Real tail = horner(rest, std::initializer_list<std::uint32_t>{
                                     0x3AB5EBE6, 0x3C095663, 0x3D2AABE3, 0x3E2AA9F6, 0x3EFFFFFE});
  const Real fraction = fma(rest * tail, rest, rest);
  const Real scale = ex2(power, false);
  const Real sum = fma(fraction, scale, scale - 1.0);
  const Real scaled = select(top, sum + sum, sum);
  const Real below = select(power > 128.0, double{kInfinity}, scaled);
  return select(x == 0.0, x + x, select(power < -25.0, -1.0, below));
}

Real log(Real x) {
  const Parts parts = split(x, 0x3F2AAAAB);
  const Real m = parts.mantissa - 1.0;
  const Real tail = horner(m, std::initializer_list<std::uint32_t>{
                                  0xBE055027, 0x3E1039F6, 0xBDF8CDCC, 0x3E0F2955, 0xBE2AD8B9,
                                  0x3E4CED0B, 0xBE7FFF22, 0x3EAAAA78, 0xBF000000});
  return logarithm_from(x, fma(parts.exponent, double{kLn2}, fma(m * tail, m, m)));
}

Real log2(Real x) {
  const Parts parts = split(x, 0x3F3504F3);
  const Real m = parts.mantissa - 1.0;
  const Real tail = horner(m, std::initializer_list<std::uint32_t>{
                                  0x3DC6B27F, 0xBE2C7F30, 0x3E2FCF2A, 0xBE374E43, 0x3E520BF4,
                                  0xBE763C8B, 0x3E93BF99, 0xBEB8AA49, 0x3EF6384A, 0xBF38AA3B});
  return logarithm_from(x, parts.exponent + fma(m, double{kLog2e}, m * (m * tail)));
}

Real log1p(Real x) {
  const Real sum = nvptx::by_lane(x, [&](llvm::Value* lane) {
    return x.b->CreateIntrinsic(Intrinsic::nvvm_add_rz_f, {},
                                {lane, llvm::ConstantFP::get(lane->getType(), 1.0)});
  });
  const Bits exponent = (sum.bits() - 0x3F400000) & 0xFF800000;
  const Real scaled = (x.bits() - exponent).real();
  const Real four = (exponent.constant(0x40800000) - exponent).real();
  const Real m = fma(four, 0.25, -1.0) + scaled;
  const Real tail = horner(m, std::initializer_list<std::uint32_t>{
                                  0xBD39BF78, 0x3DD80012, 0xBE0778E0, 0x3E146475, 0xBE2A68DD,
                                  0x3E4CAF9E, 0xBE800042, 0x3EAAAAE6, 0xBF000000});
  const Real count = to_real(exponent, 32) * 0x1p-23;
  const Real inside = fma(count, double{kLn2}, fma(m * tail, m, m));
  const Real all = select((x >= -1.0) & (x < double{kInfinity}), inside, outside(x));
  return select(x == 0.0, x, all);
}

Real rsqrt(Real x) {
  return nvptx::rsqrt(x, false);
}

Real sigmoid(Real x) {
  return 1.0 / (exp(-x) + 1.0);
}

Real tanh(Real x) {
  const Real a = abs(x);
  const Real e = ex2(a * double{bits(0x4038AA3B)}, true);
  const Real large = select(a >= double{bits(0x41102CB4)}, 1.0, fma(rcp(e + 1.0), -2.0, 1.0));
  const Real square = x * x;
  const Real tail = horner(square, std::initializer_list<std::uint32_t>{
                                       0x3C80F082, 0xBD563CAE, 0x3E085941, 0xBEAAA9ED, 0x00000000});
  return select(a >= double{bits(0x3F19999A)}, copysign(large, x), fma(tail, x, x));
}

Real erf(Real x) {
  const Real a = abs(x);
  const Mask large = a >= double{bits(0x3F8060FE)};
  const Real variable = select(large, a, x * x);
  struct Pair {
    std::uint32_t large, small;
  };
  constexpr Pair coefficients[] = {{0x38EB4C3A, 0x38B1E96A}, {0xBAAE005B, 0xBA574D20},
                                   {0x3C09919F, 0x3BAAD5EA}, {0xBD24D99A, 0xBCDC1BE7},
                                   {0x3E235519, 0x3DE718AF}, {0x3F69B4F9, 0xBEC093AC},
                                   {0x3F210A14, 0x3E0375D3}};
  const auto chosen = [&](const Pair& pair) {
    return select(large, x.constant(bits(pair.large)), x.constant(bits(pair.small)));
  };
  Real sum = chosen(coefficients[0]);
  for (const Pair& pair : std::span(coefficients).subspan(1))
    sum = fma(sum, variable, chosen(pair));
  const Real factor = select(large, -a, x);
  const Real result = fma(sum, factor, factor);
  return select(large, copysign(1.0 - ex2(result, true), x), result);
}

} // namespace swage::codegen::math::torch
