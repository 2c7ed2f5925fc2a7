// convert_e2m1.cpp -- floats of four bits in integers: no target that is compiled for has
// instructions for them.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include "codegen/convert.hpp"

namespace swage::codegen {

using llvm::Value;

/// Codes as i32. A magnitude is added to a number whose spacing is that of e2m1 where the magnitude
/// lies, which rounds it and leaves the code in the lower bits of the sum.
Value* Converter::narrow_e2m1(Value* f32, Rounding rounding) {
  llvm::Type* i32 = like(b_.getInt32Ty(), f32);
  const bool is_bare = is_cuda_ && rounding.positive_nan;
  Value* within = is_bare ? f32 : within_e2m1(f32);
  Value* magnitude =
      is_bare ? magnitude_within_e2m1(f32) : b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, within);
  Value* bits = b_.CreateBitCast(within, i32);
  Value* power = b_.CreateBinaryIntrinsic(
      llvm::Intrinsic::umax, b_.CreateAnd(b_.CreateBitCast(magnitude, i32), word(f32, 0x7f800000u)),
      word(f32, 0x3f800000u)); // below 1 the spacing is that of 1
  if (is_cuda_)
    return narrow_e2m1_by_fma(magnitude, power, bits);
  Value* anchor = b_.CreateAdd(power, word(f32, 22u << 23));
  Value* sum = b_.CreateFAdd(magnitude, b_.CreateBitCast(anchor, f32->getType()));
  Value* before = b_.CreateSub(b_.CreateLShr(power, word(f32, 22)), word(f32, 0x3f800000u >> 22));
  Value* size = b_.CreateAdd(b_.CreateSub(b_.CreateBitCast(sum, i32), anchor), before);
  Value* sign = b_.CreateAnd(b_.CreateLShr(bits, word(f32, 28)), word(f32, 8));
  return b_.CreateOr(size, sign);
}

/// The anchor and two spacings more, which is `power`, are one product then. The code is twice the
/// exponent, which `power` has from its bit 22 on as 254 and more, and what the sum has counted
/// beyond its 2: modulo 8 their sum. A selection by bits takes three of them, and above those the
/// sign, the first of `bits`.
Value* Converter::narrow_e2m1_by_fma(Value* magnitude, Value* power, Value* bits) {
  llvm::Type* f32 = magnitude->getType();
  Value* sum = b_.CreateIntrinsic(
      llvm::Intrinsic::fma, {f32},
      {b_.CreateBitCast(power, f32), llvm::ConstantFP::get(f32, 0x1p22 + 1), magnitude});
  Value* size =
      b_.CreateAdd(b_.CreateBitCast(sum, power->getType()), b_.CreateLShr(power, word(bits, 22)));
  Value* sign = b_.CreateLShr(bits, word(bits, 28));
  return by_lane(b_, {size, sign}, "lop3.b32 $0, $1, $2, 7, 0xe4;", "=r,r,r");
}

/// At most 6, and of NaN 6, in one instruction; from LLVM's fabs comes a mask of bits, which is
/// another.
Value* Converter::magnitude_within_e2m1(Value* f32) {
  return by_lane(b_, {f32}, "abs.f32 $0, $1;\n\tmin.f32 $0, $0, 0f40C00000;", "=f,f");
}

/// The nearest number from -6 to 6; of NaN, whatever its sign, 6.
Value* Converter::within_e2m1(Value* f32) {
  if (is_cuda_) { // whose minimum and maximum are the operand that is a number
    Value* below = b_.CreateBinaryIntrinsic(llvm::Intrinsic::minnum, f32,
                                            llvm::ConstantFP::get(f32->getType(), 6));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::maxnum, below,
                                    llvm::ConstantFP::get(f32->getType(), -6));
  }
  llvm::Type* i32 = like(b_.getInt32Ty(), f32);
  Value* bits = b_.CreateSelect(b_.CreateFCmpUNO(f32, f32), word(f32, 0x40c00000u),
                                b_.CreateBitCast(f32, i32));
  Value* size = b_.CreateBinaryIntrinsic(
      llvm::Intrinsic::umin, b_.CreateAnd(bits, word(f32, 0x7fffffffu)), word(f32, 0x40c00000u));
  Value* sign = b_.CreateAnd(bits, word(f32, 0x80000000u));
  return b_.CreateBitCast(b_.CreateOr(size, sign), f32->getType());
}

/// Of the lower four bits, whatever is above them.
Value* Converter::widen_e2m1(Value* bits) {
  llvm::Type* f32 = like(b_.getFloatTy(), bits);
  Value* wide = b_.CreateZExt(bits, like(b_.getInt32Ty(), bits));
  Value* sign = b_.CreateAnd(b_.CreateShl(wide, word(bits, 28)), word(bits, 0x80000000u));
  Value* size = b_.CreateAnd(b_.CreateShl(wide, word(bits, 22)), word(bits, 7u << 22));
  if (is_cuda_) // as the bits of an f32, 2^126 too small; 0.5 is subnormal, which costs nothing
                // there
    return b_.CreateFMul(b_.CreateBitCast(b_.CreateOr(size, sign), f32),
                         llvm::ConstantFP::get(f32, 0x1p126));
  Value* normal = b_.CreateAdd(size, word(bits, 126u << 23));
  Value* half = b_.CreateAnd(b_.CreateSub(word(bits, 0), b_.CreateAnd(wide, word(bits, 1))),
                             word(bits, 0x3f000000u));
  Value* below_one = b_.CreateICmpULT(size, word(bits, 2u << 22));
  Value* number = b_.CreateOr(b_.CreateSelect(below_one, half, normal), sign);
  return b_.CreateBitCast(number, f32);
}

} // namespace swage::codegen
