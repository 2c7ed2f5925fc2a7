// convert_integer.cpp -- floats to integers: out of range to the nearest integer, NaN to 0.
#include <llvm/IR/InlineAsm.h>

#include "codegen/convert.hpp"
#include "codegen/llvm_compat.hpp"

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

namespace {

struct Bounds {
  std::int32_t low, high;
};

/// Of integers narrower than 32 bits.
Bounds bounds_of(DType storage) {
  switch (storage) {
  case DType::u8: return {0, 255};
  case DType::i16: return {-32768, 32767};
  default: return {-128, 127};
  }
}

} // namespace

Value* Converter::float_to_integer(DType from, DType storage, Value* value, Value** bits,
                                   Rounding rounding) {
  Value* integer = nearby_integer(from, storage, value, rounding);
  if (storage != DType::i8 && storage != DType::u8 && storage != DType::i16)
    return integer;
  if (bits && packs_bytes_ && storage != DType::i16 && lanes_of(integer) > 1) {
    *bits = pack_bytes(storage, integer);
    return storage == DType::u8 ? b_.CreateZExt(*bits, integer->getType())
                                : b_.CreateSExt(*bits, integer->getType());
  }
  const Bounds bounds = bounds_of(storage);
  integer = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, integer,
                                     word(value, static_cast<std::uint32_t>(bounds.low)));
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, integer,
                                  word(value, static_cast<std::uint32_t>(bounds.high)));
}

/// Of 64 bits, or of 32 and perhaps beyond what `storage` holds. From f32 to 32 bits PTX has one
/// instruction that saturates and makes 0 of NaN, as the language wants it.
Value* Converter::nearby_integer(DType from, DType storage, Value* value, Rounding rounding) {
  Type* result = like(storage == DType::i64 ? b_.getInt64Ty() : b_.getInt32Ty(), value);
  if (!is_cuda_ || from != DType::f32 || storage == DType::i64)
    return b_.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {result, value->getType()}, {value});
  const int lanes = lanes_of(value);
  if (lanes == 1)
    return compat::to_i32(b_, value, rounding.to_nearest);
  Value* all = llvm::PoisonValue::get(result);
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(lanes); ++i)
    all = b_.CreateInsertElement(
        all, compat::to_i32(b_, b_.CreateExtractElement(value, i), rounding.to_nearest), i);
  return all;
}

/// The bytes of an even number of integers, saturated.
Value* Converter::pack_bytes(DType storage, Value* i32) {
  const auto lanes = static_cast<std::uint64_t>(lanes_of(i32));
  Type* word = b_.getInt32Ty();
  auto* type = llvm::FunctionType::get(word, {word, word, word}, false);
  auto* pack =
      llvm::InlineAsm::get(type,
                           storage == DType::u8 ? "cvt.pack.sat.u8.s32.b32 $0, $1, $2, $3;"
                                                : "cvt.pack.sat.s8.s32.b32 $0, $1, $2, $3;",
                           "=r,r,r,r", false); // upper byte, lower byte, what goes above both
  const auto pair = [&](std::uint64_t first, Value* above) {
    return b_.CreateCall(pack, {b_.CreateExtractElement(i32, first + 1),
                                b_.CreateExtractElement(i32, first), above});
  };
  if (lanes == 2)
    return b_.CreateBitCast(b_.CreateTrunc(pair(0, b_.getInt32(0)), b_.getInt16Ty()),
                            like(b_.getInt8Ty(), i32));
  Value* words =
      llvm::PoisonValue::get(llvm::FixedVectorType::get(word, static_cast<unsigned>(lanes / 4)));
  for (std::uint64_t i = 0; i < lanes; i += 4)
    words = b_.CreateInsertElement(words, pair(i, pair(i + 2, b_.getInt32(0))), i / 4);
  return b_.CreateBitCast(words, like(b_.getInt8Ty(), i32));
}

} // namespace swage::codegen
