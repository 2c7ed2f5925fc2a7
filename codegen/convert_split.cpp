// convert_split.cpp -- f32 whose even elements come before the odd ones, to words of two bf16.
#include "codegen/convert.hpp"

#include <bit>

#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

namespace swage::codegen {

using llvm::Value;

namespace {

/// `count` lanes of `value` from `first` on.
Value* part(llvm::IRBuilderBase& b, Value* value, int first, int count) {
  if (count == 1)
    return b.CreateExtractElement(value, static_cast<std::uint64_t>(first));
  llvm::SmallVector<int, 64> mask;
  for (int i = 0; i < count; ++i)
    mask.push_back(first + i);
  return b.CreateShuffleVector(value, mask);
}

} // namespace

Value* join_halves(llvm::IRBuilderBase& b, Value* even, Value* odd) {
  const int lanes = lanes_of(even);
  if (lanes == 1)
    return interleave(b, even, odd);
  llvm::SmallVector<int, 64> mask;
  for (int i = 0; i < 2 * lanes; ++i)
    mask.push_back(i);
  return b.CreateShuffleVector(even, odd, mask);
}

Value* Converter::pair_of_upper(Value* even, Value* odd) {
  return b_.CreateOr(b_.CreateAnd(odd, word(odd, 0xffff0000u)),
                     b_.CreateLShr(even, word(even, 16)));
}

Value* Converter::pair_of_lower(Value* even, Value* odd) {
  return b_.CreateOr(b_.CreateShl(odd, word(odd, 16)), b_.CreateAnd(even, word(even, 0xffffu)));
}

Value* Converter::join_split(Value* words) {
  const int lanes = lanes_of(words);
  if (lanes == 1)
    return b_.CreateTrunc(b_.CreateLShr(words, word(words, 16)), b_.getInt16Ty());
  return pair_of_upper(part(b_, words, 0, lanes / 2), part(b_, words, lanes / 2, lanes / 2));
}

Value* Converter::narrow_split(Value* f32, Rounding rounding) {
  const int lanes = lanes_of(f32);
  if (lanes == 1 || rounding.ties != Ties::to_even)
    return join_split(narrow_bf16(f32, rounding));
  // In halves of words: `upper` is what is kept, rounded up where `lower` is more than 0x8000, or
  // as much and `upper` odd: where `lower`, one less for even numbers, has its highest bit set.
  Value* bits = bits_with_safe_nan(f32, rounding);
  Value* even = part(b_, bits, 0, lanes / 2);
  Value* odd = part(b_, bits, lanes / 2, lanes / 2);
  llvm::Type* halves = bits_type(b_.getContext(), DType::i16, lanes);
  const auto half = [&](std::uint64_t value) { return llvm::ConstantInt::get(halves, value); };
  Value* upper = b_.CreateBitCast(pair_of_upper(even, odd), halves);
  Value* lower = b_.CreateBitCast(pair_of_lower(even, odd), halves);
  Value* is_even = b_.CreateAnd(b_.CreateNot(upper), half(1));
  Value* over = b_.CreateBinaryIntrinsic(llvm::Intrinsic::usub_sat, lower, is_even);
  return b_.CreateBitCast(b_.CreateAdd(upper, b_.CreateLShr(over, half(15))), even->getType());
}

/// The halves of words are ordered as integers: positive numbers as signed ones, negative numbers
/// as unsigned ones in reverse.
Value* Converter::clamp_split(Value* f32, float low, float high) {
  llvm::Type* halves = bits_type(b_.getContext(), DType::i16, lanes_of(f32));
  const auto end = [&](float value) {
    return llvm::ConstantInt::get(halves, std::bit_cast<std::uint32_t>(value) >> 16);
  };
  Value* words = join_split(b_.CreateBitCast(f32, like(b_.getInt32Ty(), f32)));
  Value* below =
      b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateBitCast(words, halves), end(high));
  Value* within = b_.CreateBitCast(b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, below, end(low)),
                                   words->getType());
  return join_halves(b_, widen_low_bf16(within), widen_high_bf16(within));
}

} // namespace swage::codegen
