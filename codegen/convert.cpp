// convert.cpp -- storage formats and casts in LLVM IR, with one rounding each.
#include "codegen/convert.hpp"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Intrinsics.h>

#include "codegen/llvm_compat.hpp"

namespace swage::codegen {

using llvm::Constant;
using llvm::Type;
using llvm::Value;

namespace {

Type* with_lanes(Type* scalar, int lanes) {
  return lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

/// 16-bit floats on the host are rounded in integers: what LLVM forms from fptrunc flushes
/// subnormals (vcvtneps2bf16) or is a library call per element.
bool has_hardware_bf16(const Target& target) {
  return target.kind == Target::Kind::cuda && target.sm >= 80;
}

bool has_hardware_f16(const Target& target) {
  if (target.kind == Target::Kind::cuda || !target.triple.starts_with("x86_64"))
    return true;
  return target.features.find("+f16c") != std::string::npos;
}

/// PTX has it from sm_72 on, but sm_75 is compiled to an earlier version of it.
bool packs_bytes(const Target& target) {
  return target.kind == Target::Kind::cuda && target.sm >= 80;
}

bool has_hardware_f8(const Target& target) {
  return target.kind == Target::Kind::cuda && target.sm >= 89;
}

} // namespace

Type* value_type(llvm::LLVMContext& context, DType compute, int lanes) {
  switch (compute) {
  case DType::f64: return with_lanes(Type::getDoubleTy(context), lanes);
  case DType::f32: return with_lanes(Type::getFloatTy(context), lanes);
  case DType::i64: return with_lanes(Type::getInt64Ty(context), lanes);
  case DType::boolean: return with_lanes(Type::getInt1Ty(context), lanes);
  default: return with_lanes(Type::getInt32Ty(context), lanes);
  }
}

Type* bits_type(llvm::LLVMContext& context, DType storage, int lanes) {
  return with_lanes(Type::getIntNTy(context, 8u * static_cast<unsigned>(size_of(storage))), lanes);
}

int lanes_of(const Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector ? static_cast<int>(vector->getNumElements()) : 1;
}

Value* by_lane(llvm::IRBuilderBase& b, llvm::ArrayRef<Value*> values,
               llvm::function_ref<Value*(llvm::ArrayRef<Value*>)> one) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(values[0]->getType());
  if (!vector)
    return one(values);
  Value* all = values[0];
  for (std::uint64_t i = 0; i < vector->getNumElements(); ++i) {
    llvm::SmallVector<Value*, 2> lane;
    for (Value* each : values)
      lane.push_back(b.CreateExtractElement(each, i));
    all = b.CreateInsertElement(all, one(lane), i);
  }
  return all;
}

Value* by_lane(llvm::IRBuilderBase& b, llvm::ArrayRef<Value*> values, const char* text,
               const char* constraints) {
  llvm::SmallVector<Type*, 2> operands;
  for (const Value* each : values)
    operands.push_back(each->getType()->getScalarType());
  auto* instruction = llvm::InlineAsm::get(llvm::FunctionType::get(operands[0], operands, false),
                                           text, constraints, false);
  return by_lane(b, values,
                 [&](llvm::ArrayRef<Value*> lane) { return b.CreateCall(instruction, lane); });
}

Value* interleave(llvm::IRBuilderBase& b, Value* even, Value* odd) {
  const int lanes = lanes_of(even);
  if (lanes == 1) {
    Value* pair = llvm::PoisonValue::get(llvm::FixedVectorType::get(even->getType(), 2));
    return b.CreateInsertElement(b.CreateInsertElement(pair, even, std::uint64_t{0}), odd,
                                 std::uint64_t{1});
  }
  llvm::SmallVector<int, 128> mask;
  for (int i = 0; i < lanes; ++i) {
    mask.push_back(i);
    mask.push_back(lanes + i);
  }
  return b.CreateShuffleVector(even, odd, mask);
}

Converter::Converter(llvm::IRBuilderBase& builder, const Target& target, bool upper_bf16)
    : b_(builder), hardware_bf16_(has_hardware_bf16(target)),
      hardware_f16_(has_hardware_f16(target)), hardware_f8_(has_hardware_f8(target)),
      packs_bytes_(packs_bytes(target)), upper_bf16_(upper_bf16),
      is_cuda_(target.kind == Target::Kind::cuda) {}

Type* Converter::like(Type* scalar, const Value* shape) const {
  return with_lanes(scalar, lanes_of(shape));
}

Constant* Converter::word(const Value* shape, std::uint32_t value) const {
  return llvm::ConstantInt::get(like(b_.getInt32Ty(), shape), value);
}

// --- storage to compute ---

Value* Converter::widen(DType storage, Value* bits) {
  Type* i32 = like(b_.getInt32Ty(), bits);
  switch (storage) {
  case DType::f64: return b_.CreateBitCast(bits, like(b_.getDoubleTy(), bits));
  case DType::f32: return b_.CreateBitCast(bits, like(b_.getFloatTy(), bits));
  case DType::f16: return widen_f16(bits);
  case DType::bf16: return widen_bf16(bits);
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz:
  case DType::e8m0: return widen_byte(storage, bits);
  case DType::f4e2m1: return widen_e2m1(bits);
  case DType::u8: return b_.CreateZExt(bits, i32);
  case DType::i8:
  case DType::i16: return b_.CreateSExt(bits, i32);
  case DType::i32:
  case DType::i64: return bits;
  case DType::boolean: return b_.CreateICmpNE(bits, Constant::getNullValue(bits->getType()));
  }
  return nullptr;
}

Value* Converter::widen_bf16(Value* bits) {
  const int lanes = lanes_of(bits);
  if (!is_cuda_ || lanes % 2 != 0)
    return widen_low_bf16(b_.CreateZExt(bits, like(b_.getInt32Ty(), bits)));
  Value* words = b_.CreateBitCast(bits, with_lanes(b_.getInt32Ty(), lanes / 2));
  return interleave(b_, widen_low_bf16(words), widen_high_bf16(words));
}

Value* Converter::widen_low_bf16(Value* words) {
  return b_.CreateBitCast(b_.CreateShl(words, word(words, 16)), like(b_.getFloatTy(), words));
}

Value* Converter::widen_high_bf16(Value* words) {
  return b_.CreateBitCast(b_.CreateAnd(words, word(words, 0xffff0000u)),
                          like(b_.getFloatTy(), words));
}

Value* Converter::widen_f16(Value* bits) {
  Type* f32 = like(b_.getFloatTy(), bits);
  if (hardware_f16_)
    return compat::widen(b_, b_.CreateBitCast(bits, like(b_.getHalfTy(), bits)), f32, is_cuda_);
  Value* wide = b_.CreateZExt(bits, like(b_.getInt32Ty(), bits));
  Value* sign = b_.CreateShl(b_.CreateAnd(wide, word(bits, 0x8000)), word(bits, 16));
  Value* magnitude = b_.CreateAnd(wide, word(bits, 0x7fff));
  // The exponent bias moves by 112; infinity and NaN move by as much again, to the top exponent.
  Value* normal = b_.CreateAdd(b_.CreateShl(magnitude, word(bits, 13)), word(bits, 112u << 23));
  Value* special = b_.CreateAdd(normal, word(bits, 112u << 23));
  Value* subnormal = b_.CreateBitCast(
      b_.CreateFMul(b_.CreateUIToFP(magnitude, f32), llvm::ConstantFP::get(f32, 0x1p-24)),
      wide->getType());
  Value* finite =
      b_.CreateSelect(b_.CreateICmpULT(magnitude, word(bits, 0x400)), subnormal, normal);
  Value* all = b_.CreateSelect(b_.CreateICmpUGE(magnitude, word(bits, 0x7c00)), special, finite);
  return b_.CreateBitCast(b_.CreateOr(all, sign), f32);
}

// --- compute to storage ---

Value* Converter::narrow(DType storage, Value* value, Rounding rounding) {
  Type* bits =
      with_lanes(b_.getIntNTy(8u * static_cast<unsigned>(size_of(storage))), lanes_of(value));
  switch (storage) {
  case DType::f64:
  case DType::f32: return b_.CreateBitCast(value, bits);
  case DType::f16: return narrow_f16(value);
  case DType::bf16: return narrow_bf16(value, rounding);
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz:
  case DType::e8m0: return narrow_byte(storage, value, rounding);
  case DType::f4e2m1: return narrow_e2m1(value, rounding);
  case DType::boolean: return b_.CreateZExt(value, bits);
  default: return b_.CreateTrunc(value, bits);
  }
}

Value* Converter::narrow_bf16(Value* f32, Rounding rounding) {
  Type* i16 = like(b_.getInt16Ty(), f32);
  if (hardware_bf16_)
    return b_.CreateBitCast(compat::narrow(b_, f32, b_.getBFloatTy(), is_cuda_, hardware_bf16_),
                            i16);
  Value* bits = bits_with_safe_nan(f32, rounding);
  Value* kept =
      rounding.ties == Ties::to_even
          ? add_half_to_even(bits)
          : b_.CreateAdd(bits, word(f32, rounding.ties == Ties::away_from_zero ? 0x8000 : 0x7fff));
  return upper_bf16_ ? kept : b_.CreateTrunc(b_.CreateLShr(kept, word(f32, 16)), i16);
}

/// 0x7fff more, or 0x8000 where the lowest bit that is kept is set. GPUs add three numbers at once;
/// AVX-512 has the negative of the sum in one operation less.
Value* Converter::add_half_to_even(Value* bits) {
  Value* odd = b_.CreateAnd(b_.CreateLShr(bits, word(bits, 16)), word(bits, 1));
  return is_cuda_ ? b_.CreateAdd(b_.CreateAdd(bits, word(bits, 0x7fff)), odd)
                  : b_.CreateSub(bits, b_.CreateXor(odd, word(bits, 0xffff8001u)));
}

/// The bits of f32 with nothing in the lower halves of NaNs, so that rounding carries into none,
/// and a bit in the upper halves that stays.
Value* Converter::bits_with_safe_nan(Value* f32, Rounding rounding) {
  Value* bits = b_.CreateBitCast(f32, like(b_.getInt32Ty(), f32));
  return rounding.low_nan_bits
             ? b_.CreateSelect(b_.CreateFCmpUNO(f32, f32), word(f32, 0x7fff0000u), bits)
             : bits;
}

Value* Converter::narrow_f16(Value* f32) {
  Type* i16 = like(b_.getInt16Ty(), f32);
  if (hardware_f16_)
    return b_.CreateBitCast(compat::narrow(b_, f32, b_.getHalfTy(), is_cuda_, hardware_bf16_), i16);
  Value* bits = b_.CreateBitCast(f32, like(b_.getInt32Ty(), f32));
  Value* magnitude = b_.CreateAnd(bits, word(f32, 0x7fffffffu));
  Value* sign = b_.CreateLShr(b_.CreateAnd(bits, word(f32, 0x80000000u)), word(f32, 16));
  Value* odd = b_.CreateAnd(b_.CreateLShr(magnitude, word(f32, 13)), word(f32, 1));
  Value* rounded = b_.CreateAdd(b_.CreateAdd(magnitude, word(f32, 0xfffu - (112u << 23))), odd);
  Value* normal = b_.CreateBinaryIntrinsic(
      llvm::Intrinsic::umin, b_.CreateLShr(rounded, word(f32, 13)), word(f32, 0x7c00));
  // Below 2^-14 the spacing is 2^-24, which is that of floats at 1/2: the addition rounds.
  Constant* half = llvm::ConstantFP::get(f32->getType(), 0.5);
  Value* sum = b_.CreateFAdd(b_.CreateBitCast(magnitude, f32->getType()), half);
  Value* subnormal = b_.CreateSub(b_.CreateBitCast(sum, bits->getType()), word(f32, 0x3f000000u));
  Value* finite =
      b_.CreateSelect(b_.CreateICmpULT(magnitude, word(f32, 0x38800000u)), subnormal, normal);
  Value* all = b_.CreateSelect(b_.CreateFCmpUNO(f32, f32), word(f32, 0x7e00), finite);
  return b_.CreateTrunc(b_.CreateOr(all, sign), i16);
}

// --- casts ---

Value* Converter::cast(DType from, DType storage, Value* value, Value** bits, Rounding rounding) {
  if (is_float(from)) {
    if (storage == DType::boolean)
      return b_.CreateFCmpUNE(value, Constant::getNullValue(value->getType()));
    return is_float(storage) ? float_to_float(from, storage, value, bits, rounding)
                             : float_to_integer(from, storage, value, bits, rounding);
  }
  return is_float(storage) ? integer_to_float(from, storage, value, bits)
                           : integer_to_integer(from, storage, value);
}

/// Rounds an f32 to f16 or bf16 and carries it on in f32.
Value* Converter::round_to_half(DType storage, Value* f32, Value** bits, Rounding rounding) {
  Value* narrowed = narrow(storage, f32, rounding);
  if (bits)
    *bits = narrowed;
  if (storage == DType::bf16 && upper_bf16_)
    return widen_high_bf16(narrowed);
  return widen(storage, narrowed);
}

Value* Converter::float_to_float(DType from, DType storage, Value* value, Value** bits,
                                 Rounding rounding) {
  switch (storage) {
  case DType::f64:
    return from == DType::f64 ? value : b_.CreateFPExt(value, like(b_.getDoubleTy(), value));
  case DType::f32:
    return from == DType::f64 ? b_.CreateFPTrunc(value, like(b_.getFloatTy(), value)) : value;
  default:
    return from == DType::f64 ? round_to_half(storage, odd_f32(value), bits, Rounding())
                              : round_to_half(storage, value, bits, rounding);
  }
}

/// Rounds to f32 with the last bit odd when inexact (Boldo and Melquiond, "Emulation of FMA and
/// correctly rounded sums", 2008): a second rounding, to half the bits or fewer, then gives what
/// one rounding of the f64 would have given.
Value* Converter::odd_f32(Value* f64) {
  Value* nearest = b_.CreateFPTrunc(f64, like(b_.getFloatTy(), f64));
  Value* back = b_.CreateFPExt(nearest, f64->getType());
  Value* bits = b_.CreateBitCast(nearest, like(b_.getInt32Ty(), f64));
  const auto magnitude = [&](Value* v) {
    return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v);
  };
  Value* away = b_.CreateFCmpOGT(magnitude(back), magnitude(f64));
  Value* towards_zero = b_.CreateSub(bits, b_.CreateZExt(away, bits->getType()));
  Value* inexact = b_.CreateFCmpONE(back, f64);
  Value* odd = b_.CreateOr(towards_zero, b_.CreateZExt(inexact, bits->getType()));
  return b_.CreateBitCast(odd, nearest->getType());
}

/// The same from i32 to f32 and from i64 to f64: beyond 2^24 and 2^53 the 8 and 11 bits that cannot
/// be kept are folded into the one above them.
Value* Converter::odd_float(DType from, Value* integer) {
  const auto constant = [&](std::uint64_t v) {
    return llvm::ConstantInt::get(integer->getType(), v);
  };
  const int bits = from == DType::i64 ? 53 : 24, lost = from == DType::i64 ? 11 : 8;
  const std::uint64_t above = std::uint64_t{1} << lost, exact = std::uint64_t{1} << bits;
  Value* dropped = b_.CreateICmpNE(b_.CreateAnd(integer, constant(above - 1)), constant(0));
  Value* large = b_.CreateICmpUGT(b_.CreateAdd(integer, constant(exact)), constant(2 * exact));
  Value* odd =
      b_.CreateOr(b_.CreateAnd(integer, b_.CreateNot(constant(above - 1))), constant(above));
  return b_.CreateSIToFP(b_.CreateSelect(b_.CreateAnd(dropped, large), odd, integer),
                         like(from == DType::i64 ? b_.getDoubleTy() : b_.getFloatTy(), integer));
}

Value* Converter::integer_to_float(DType from, DType storage, Value* value, Value** bits) {
  Type* f32 = like(b_.getFloatTy(), value);
  Type* f64 = like(b_.getDoubleTy(), value);
  if (from == DType::boolean) { // 0 and 1 are exact, but that e8m0 has no 0
    Value* made = b_.CreateUIToFP(value, storage == DType::f64 ? f64 : f32);
    return storage == DType::e8m0 ? round_to_half(storage, made, bits, Rounding()) : made;
  }
  if (storage == DType::f64 || storage == DType::f32)
    return b_.CreateSIToFP(value, storage == DType::f64 ? f64 : f32);
  // By way of f32 rounded to nearest there would be two roundings.
  Value* wide = odd_float(from, value);
  return round_to_half(storage, from == DType::i64 ? odd_f32(wide) : wide, bits, Rounding());
}

Value* Converter::integer_to_integer(DType from, DType storage, Value* value) {
  if (storage == DType::boolean)
    return from == DType::boolean
               ? value
               : b_.CreateICmpNE(value, Constant::getNullValue(value->getType()));
  Type* result = like(storage == DType::i64 ? b_.getInt64Ty() : b_.getInt32Ty(), value);
  if (from == DType::boolean)
    return b_.CreateZExt(value, result);
  if (storage == DType::i64 || storage == DType::i32)
    return b_.CreateSExtOrTrunc(value, result);
  return widen(storage, narrow(storage, value));
}

} // namespace swage::codegen
