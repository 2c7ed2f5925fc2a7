// packed.cpp -- codes of four bits: out of their bytes, and into them.
#include "codegen/packed.hpp"

#include <algorithm>

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>

#include "codegen/convert.hpp"

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

namespace {

constexpr int kCodesOfWord = 8;

Type* with_lanes(Type* scalar, int lanes) {
  return lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

Value* element(llvm::IRBuilderBase& b, Value* value, int i) {
  return lanes_of(value) == 1 ? value
                              : b.CreateExtractElement(value, static_cast<std::uint64_t>(i));
}

/// The integer type of the codes that one word has, of `lanes` in all.
Type* word_type(llvm::IRBuilderBase& b, int lanes) {
  return b.getIntNTy(4u * static_cast<unsigned>(std::min(lanes, kCodesOfWord)));
}

} // namespace

Value* unpack_codes(llvm::IRBuilderBase& b, Value* bytes, int lanes, bool by_word) {
  if (!by_word) {
    Type* pairs = with_lanes(b.getInt16Ty(), lanes / 2);
    Value* wide = b.CreateZExt(bytes, pairs);
    Value* apart = b.CreateOr(wide, b.CreateShl(wide, llvm::ConstantInt::get(pairs, 4)));
    apart = b.CreateAnd(apart, llvm::ConstantInt::get(pairs, 0x0f0f));
    return b.CreateZExt(b.CreateBitCast(apart, with_lanes(b.getInt8Ty(), lanes)),
                        with_lanes(b.getInt32Ty(), lanes));
  }
  const int count = std::max(lanes / kCodesOfWord, 1), each = lanes / count;
  Value* words = b.CreateBitCast(bytes, with_lanes(word_type(b, lanes), count));
  Value* codes = llvm::PoisonValue::get(with_lanes(b.getInt32Ty(), lanes));
  for (int i = 0; i < lanes; ++i) {
    Value* word = b.CreateZExt(element(b, words, i / each), b.getInt32Ty());
    codes =
        b.CreateInsertElement(codes, b.CreateLShr(word, static_cast<std::uint64_t>(i % each) * 4),
                              static_cast<std::uint64_t>(i));
  }
  return codes;
}

Value* unpack_code(llvm::IRBuilderBase& b, Value* bytes, Value* at) {
  const int lanes = lanes_of(bytes);
  Value* odd = b.CreateAnd(b.CreateZExtOrTrunc(at, b.getInt32Ty()), 1);
  Value* shift = b.CreateShl(odd, 2);
  if (lanes > 1)
    shift = b.CreateVectorSplat(static_cast<unsigned>(lanes), shift);
  return b.CreateLShr(b.CreateZExt(bytes, with_lanes(b.getInt32Ty(), lanes)), shift);
}

Value* put_code(llvm::IRBuilderBase& b, Value* byte, Value* code, Value* at) {
  Value* shift = b.CreateShl(b.CreateAnd(b.CreateZExtOrTrunc(at, b.getInt32Ty()), 1), 2);
  Value* others = b.CreateAnd(b.CreateZExt(byte, b.getInt32Ty()),
                              b.CreateLShr(b.getInt32(0xf0), shift)); // 0xf0 or 0x0f
  return b.CreateTrunc(b.CreateOr(others, b.CreateShl(code, shift)), b.getInt8Ty());
}

Value* pack_codes(llvm::IRBuilderBase& b, Value* codes, bool by_word) {
  const int lanes = lanes_of(codes);
  if (!by_word) {
    Type* pairs = with_lanes(b.getInt16Ty(), lanes / 2);
    Value* apart = b.CreateBitCast(b.CreateTrunc(codes, with_lanes(b.getInt8Ty(), lanes)), pairs);
    Value* joined = b.CreateOr(apart, b.CreateLShr(apart, llvm::ConstantInt::get(pairs, 4)));
    return b.CreateTrunc(joined, with_lanes(b.getInt8Ty(), lanes / 2));
  }
  const int count = std::max(lanes / kCodesOfWord, 1), each = lanes / count;
  Value* words = llvm::PoisonValue::get(with_lanes(word_type(b, lanes), count));
  for (int w = 0; w < count; ++w) {
    Value* word = element(b, codes, w * each);
    for (int i = 1; i < each; ++i)
      word = b.CreateAdd(
          word, b.CreateShl(element(b, codes, w * each + i), static_cast<std::uint64_t>(i) * 4));
    word = b.CreateTrunc(word, word_type(b, lanes));
    words = count == 1 ? word : b.CreateInsertElement(words, word, static_cast<std::uint64_t>(w));
  }
  return b.CreateBitCast(words, with_lanes(b.getInt8Ty(), lanes / 2));
}

} // namespace swage::codegen
