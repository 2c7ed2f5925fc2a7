// convert_byte.cpp -- floats of one byte: by the instructions that a target has, else in integers.
#include <cmath>

#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

#include "codegen/convert.hpp"
#include "ir/float_format.hpp"

namespace swage::codegen {

using llvm::Constant;
using llvm::Type;
using llvm::Value;

namespace {

/// What the conversions of a format are made of.
struct Format {
  ir::Encoding encoding;
  std::uint32_t largest, nan;
  unsigned dropped; ///< bits of an f32's fraction that it has not
  int least;        ///< exponent of its smallest normal number
};

Format format_of(DType storage) {
  return ir::with_float(storage, []<DType format>() {
    using Traits = ir::FloatTraits<format>;
    return Format{Traits::kEncoding, static_cast<std::uint32_t>(Traits::kLargest),
                  static_cast<std::uint32_t>(Traits::kQuietNan),
                  static_cast<unsigned>(23 - Traits::kMantissa), Traits::kMinExponent};
  });
}

/// The bits of the f32 2^exponent.
constexpr std::uint32_t power(int exponent) {
  return static_cast<std::uint32_t>(127 + exponent) << 23;
}

/// An instruction on pairs of bytes, without effects.
llvm::InlineAsm* instruction(Type* result, llvm::ArrayRef<Type*> operands, const char* text,
                             const char* constraints) {
  return llvm::InlineAsm::get(llvm::FunctionType::get(result, operands, false), text, constraints,
                              false);
}

Value* element(llvm::IRBuilderBase& b, Value* value, int i) {
  return !value->getType()->isVectorTy()
             ? value
             : b.CreateExtractElement(value, static_cast<std::uint64_t>(i));
}

} // namespace

Value* Converter::narrow_byte(DType storage, Value* f32, Rounding rounding) {
  if (storage == DType::e8m0)
    return narrow_power(f32, rounding);
  const bool paired = storage == DType::f8e4m3 || storage == DType::f8e5m2;
  return hardware_f8_ && paired ? narrow_byte_by_hardware(storage, f32, rounding)
                                : narrow_byte_in_integers(storage, f32);
}

/// As narrow_f16: a number is rounded by adding to its bits, a subnormal one by adding a power of
/// two whose spacing is that of the format.
Value* Converter::narrow_byte_in_integers(DType storage, Value* f32) {
  const Format format = format_of(storage);
  const unsigned shift = format.dropped;
  Value* bits = b_.CreateBitCast(f32, like(b_.getInt32Ty(), f32));
  Value* magnitude = b_.CreateAnd(bits, word(f32, 0x7fffffffu));
  Value* sign = b_.CreateAnd(b_.CreateLShr(bits, word(f32, 24)), word(f32, 0x80));
  Value* odd = b_.CreateAnd(b_.CreateLShr(magnitude, word(f32, shift)), word(f32, 1));
  // The exponent field of the smallest normal number is 1.
  const std::uint32_t bias = power(format.least - 1), below_half = (1u << (shift - 1)) - 1;
  Value* rounded = b_.CreateAdd(b_.CreateAdd(magnitude, word(f32, below_half - bias)), odd);
  Value* normal = b_.CreateLShr(rounded, word(f32, shift));
  const std::uint32_t spacing = power(format.least + static_cast<int>(shift));
  Value* anchor = b_.CreateBitCast(word(f32, spacing), f32->getType());
  Value* sum = b_.CreateFAdd(b_.CreateBitCast(magnitude, f32->getType()), anchor);
  Value* subnormal = b_.CreateSub(b_.CreateBitCast(sum, bits->getType()), word(f32, spacing));
  Value* size = b_.CreateSelect(b_.CreateICmpULT(magnitude, word(f32, power(format.least))),
                                subnormal, normal);
  Value* beyond = b_.CreateICmpUGT(size, word(f32, format.largest));
  if (format.encoding == ir::Encoding::fnuz) // no -0
    sign = b_.CreateSelect(b_.CreateICmpEQ(size, word(f32, 0)), word(f32, 0), sign);
  Value* result = b_.CreateOr(size, sign);
  if (format.encoding == ir::Encoding::ieee) {
    Value* infinity = b_.CreateOr(sign, word(f32, format.largest + 1));
    result = b_.CreateSelect(beyond, infinity, result);
    beyond = b_.CreateFCmpUNO(f32, f32);
  }
  result = b_.CreateSelect(beyond, word(f32, format.nan), result);
  return b_.CreateTrunc(result, like(b_.getInt8Ty(), f32));
}

/// The instructions saturate: infinity and what would round beyond the largest number need care
/// where the text does not clamp.
Value* Converter::narrow_byte_by_hardware(DType storage, Value* f32, Rounding rounding) {
  const bool e4m3 = storage == DType::f8e4m3;
  const bool plain = rounding.saturates || rounding.in_range;
  const auto real = [&](double value) { return llvm::ConstantFP::get(f32->getType(), value); };
  Value* size = b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, f32);
  Value* given = f32;
  if (!plain && e4m3) // the tie at 464 goes to 448
    given = b_.CreateSelect(b_.CreateFCmpOLE(size, real(464)), f32,
                            llvm::ConstantFP::getNaN(f32->getType()));
  const int lanes = lanes_of(f32), pairs = (lanes + 1) / 2;
  auto* convert = instruction(b_.getInt16Ty(), {b_.getFloatTy(), b_.getFloatTy()},
                              e4m3 ? "cvt.rn.satfinite.e4m3x2.f32 $0, $1, $2;"
                                   : "cvt.rn.satfinite.e5m2x2.f32 $0, $1, $2;",
                              "=h,f,f"); // the first operand goes to the upper byte
  Value* words = llvm::PoisonValue::get(
      llvm::FixedVectorType::get(b_.getInt16Ty(), static_cast<unsigned>(pairs)));
  for (int i = 0; i < pairs; ++i) {
    Value* low = element(b_, given, 2 * i);
    Value* high = 2 * i + 1 < lanes ? element(b_, given, 2 * i + 1)
                                    : llvm::ConstantFP::get(b_.getFloatTy(), 0);
    words = b_.CreateInsertElement(words, b_.CreateCall(convert, {high, low}),
                                   static_cast<std::uint64_t>(i));
  }
  Value* bytes =
      lanes == 1 ? b_.CreateTrunc(b_.CreateExtractElement(words, std::uint64_t{0}), b_.getInt8Ty())
                 : b_.CreateBitCast(words, like(b_.getInt8Ty(), f32));
  if (plain || e4m3)
    return bytes;
  // Infinity is the code above the largest number; the tie at 61440 goes there.
  Value* beyond = b_.CreateFCmpOGE(size, real(61440));
  return b_.CreateAdd(bytes, b_.CreateZExt(beyond, bytes->getType()));
}

/// To the nearest power of two, of two the larger: half a step is added to the exponent.
Value* Converter::narrow_power(Value* f32, Rounding rounding) {
  Value* bits = b_.CreateBitCast(f32, like(b_.getInt32Ty(), f32));
  if (rounding.is_power) // 2^-127 is subnormal, and its code 0; that of NaN is 255
    return b_.CreateTrunc(b_.CreateLShr(bits, word(f32, 23)), like(b_.getInt8Ty(), f32));
  // Numbers with a sign, and NaN, have larger bits than infinity; all of them give NaN.
  Value* capped = b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, bits, word(f32, 0x7f800000u));
  Value* code = b_.CreateLShr(b_.CreateAdd(capped, word(f32, 0x400000)), word(f32, 23));
  // Below 1.5 * 2^-127, which is subnormal; -0 as well.
  Value* least = b_.CreateOr(b_.CreateICmpULT(bits, word(f32, 0x600000)),
                             b_.CreateICmpEQ(bits, word(f32, 0x80000000u)));
  return b_.CreateTrunc(b_.CreateSelect(least, word(f32, 0), code), like(b_.getInt8Ty(), f32));
}

Value* Converter::widen_byte(DType storage, Value* bits) {
  if (storage == DType::e8m0)
    return widen_power(bits);
  if (hardware_f8_ && (storage == DType::f8e4m3 || storage == DType::f8e5m2))
    return widen_byte_by_hardware(storage, bits);
  if (storage == DType::f8e5m2) { // the upper half of an f16
    Type* i16 = like(b_.getInt16Ty(), bits);
    return widen_f16(b_.CreateShl(b_.CreateZExt(bits, i16), llvm::ConstantInt::get(i16, 8)));
  }
  const Format format = format_of(storage);
  Type* f32 = like(b_.getFloatTy(), bits);
  Value* wide = b_.CreateZExt(bits, like(b_.getInt32Ty(), bits));
  Value* sign = b_.CreateShl(b_.CreateAnd(wide, word(bits, 0x80)), word(bits, 24));
  Value* size = b_.CreateAnd(wide, word(bits, 0x7f));
  const unsigned shift = format.dropped;
  Value* normal =
      b_.CreateAdd(b_.CreateShl(size, word(bits, shift)), word(bits, power(format.least - 1)));
  const int exponent = format.least - static_cast<int>(23 - shift);
  Constant* spacing = llvm::ConstantFP::get(f32, std::ldexp(1.0, exponent));
  Value* subnormal =
      b_.CreateBitCast(b_.CreateFMul(b_.CreateUIToFP(size, f32), spacing), wide->getType());
  Value* finite =
      b_.CreateSelect(b_.CreateICmpULT(size, word(bits, 1u << (23 - shift))), subnormal, normal);
  Value* number = b_.CreateOr(finite, sign);
  Value* is_nan = format.encoding == ir::Encoding::fnuz
                      ? b_.CreateICmpEQ(wide, word(bits, format.nan))
                      : b_.CreateICmpEQ(size, word(bits, format.nan));
  return b_.CreateBitCast(b_.CreateSelect(is_nan, word(bits, 0x7fc00000u), number), f32);
}

/// By way of f16, which holds every number of both formats. The second step is an instruction by
/// name as well, for LLVM makes it a part of arithmetic of mixed types on sm_100.
Value* Converter::widen_byte_by_hardware(DType storage, Value* bits) {
  const int lanes = lanes_of(bits), pairs = (lanes + 1) / 2; // lanes are a power of two
  Type* i16 = b_.getInt16Ty();
  auto* to_halves = instruction(b_.getInt32Ty(), {i16},
                                storage == DType::f8e4m3 ? "cvt.rn.f16x2.e4m3x2 $0, $1;"
                                                         : "cvt.rn.f16x2.e5m2x2 $0, $1;",
                                "=r,h");
  auto* to_f32 = instruction(b_.getFloatTy(), {i16}, "cvt.f32.f16 $0, $1;", "=f,h");
  Value* words =
      lanes == 1
          ? b_.CreateZExt(bits, i16)
          : b_.CreateBitCast(bits, llvm::FixedVectorType::get(i16, static_cast<unsigned>(pairs)));
  Value* result = llvm::PoisonValue::get(like(b_.getFloatTy(), bits));
  Value* halves = nullptr;
  for (int i = 0; i < lanes; ++i) {
    if (i % 2 == 0)
      halves = b_.CreateCall(to_halves, {element(b_, words, i / 2)});
    Value* half = b_.CreateTrunc(i % 2 == 0 ? halves : b_.CreateLShr(halves, 16), i16);
    Value* number = b_.CreateCall(to_f32, {half});
    if (lanes == 1)
      return number;
    result = b_.CreateInsertElement(result, number, static_cast<std::uint64_t>(i));
  }
  return result;
}

Value* Converter::widen_power(Value* bits) {
  Value* wide = b_.CreateZExt(bits, like(b_.getInt32Ty(), bits));
  Value* number = b_.CreateShl(wide, word(bits, 23));
  number = b_.CreateSelect(b_.CreateICmpEQ(wide, word(bits, 0)), word(bits, 0x400000), number);
  Value* all =
      b_.CreateSelect(b_.CreateICmpEQ(wide, word(bits, 0xff)), word(bits, 0x7fc00000u), number);
  return b_.CreateBitCast(all, like(b_.getFloatTy(), bits));
}

} // namespace swage::codegen
