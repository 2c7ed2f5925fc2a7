// convert.hpp -- between storage bits and compute values, and the casts of the language.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "codegen/target.hpp"
#include "codegen/ties.hpp"
#include "swage/dtype.hpp"

namespace swage::codegen {

/// The LLVM type of `lanes` values of a compute type: i1 for bool, float for f32; a vector unless
/// `lanes` is 1.
llvm::Type* value_type(llvm::LLVMContext& context, DType compute, int lanes);
/// The integer type of `lanes` elements in storage: i16 for bf16, i8 for bool.
llvm::Type* bits_type(llvm::LLVMContext& context, DType storage, int lanes);
/// 1 for a scalar.
int lanes_of(const llvm::Value* value);
/// What `one` makes of each lane of `values`, which have as many lanes, in the type of the first:
/// for instructions that take one value.
llvm::Value* by_lane(llvm::IRBuilderBase& builder, llvm::ArrayRef<llvm::Value*> values,
                     llvm::function_ref<llvm::Value*(llvm::ArrayRef<llvm::Value*> lane)> one);
/// The same of an instruction by name, without side effects, whose result has the type of the
/// first.
llvm::Value* by_lane(llvm::IRBuilderBase& builder, llvm::ArrayRef<llvm::Value*> values,
                     const char* text, const char* constraints);

/// even[0] odd[0] even[1] odd[1] ...
llvm::Value* interleave(llvm::IRBuilderBase& builder, llvm::Value* even, llvm::Value* odd);

/// even[0] even[1] ... odd[0] odd[1] ...
llvm::Value* join_halves(llvm::IRBuilderBase& builder, llvm::Value* even, llvm::Value* odd);

/// What is known of f32 values that are rounded to bf16.
struct Rounding {
  /// NaNs may have bits in the lower 16: not when all that made them was bf16 once.
  bool low_nan_bits = true;
  /// To even takes three operations more than the others.
  Ties ties = Ties::to_even;
  /// Floats of one byte: what is beyond the largest number gives that number. NaN stays NaN.
  bool saturates = false;
  /// Nothing is beyond the largest number, but NaN.
  bool in_range = false;
  /// e8m0: it is one of its numbers, or NaN.
  bool is_power = false;
  /// f4e2m1: a NaN has no sign, as what arithmetic of a GPU makes.
  bool positive_nan = false;
  /// Integers: to the nearest one, of two the even one, in place of towards zero. Only where
  /// `rounds_to_integer`.
  bool to_nearest = false;
};

/// Emits conversions with `builder`, element-wise on scalars and vectors alike. Every rounding is
/// to nearest, to even but where `Rounding` says otherwise, and happens once; any NaN stays a NaN.
/// The same bits on both targets.
class Converter {
public:
  /// With `upper_bf16`, what `narrow` gives for bf16 are 32-bit words whose upper halves hold the
  /// bits and whose lower halves hold anything.
  Converter(llvm::IRBuilderBase& builder, const Target& target, bool upper_bf16 = false);

  /// Storage bits (of `bits_type`; codes of f4e2m1 may be i32, with anything above them) to the
  /// compute type. Exact.
  llvm::Value* widen(DType storage, llvm::Value* bits);
  /// The same for 32-bit words that hold two bf16 each: first the lower, then the upper half of
  /// every word. No shuffles where the caller wants the halves apart.
  llvm::Value* widen_low_bf16(llvm::Value* words);
  llvm::Value* widen_high_bf16(llvm::Value* words);
  /// A value of `compute_type(storage)` to storage bits, of f4e2m1 as i32, rounded once. A bf16
  /// whose NaNs need no care is rounded two operations cheaper.
  llvm::Value* narrow(DType storage, llvm::Value* value, Rounding rounding);
  /// Whether rounding to `storage` may be told to saturate, in place of a clamp.
  bool saturates(DType storage) const noexcept {
    return hardware_f8_ && (storage == DType::f8e4m3 || storage == DType::f8e5m2);
  }
  /// Whether a cast may be told to round to the nearest integer, in place of `round`.
  bool rounds_to_integer(DType from, DType storage) const noexcept {
    return is_cuda_ && from == DType::f32 && !is_float(storage) && storage != DType::i64 &&
           storage != DType::boolean;
  }
  llvm::Value* narrow(DType storage, llvm::Value* value) { return narrow(storage, value, {}); }
  /// f32 whose lanes are all even elements, then all odd ones, to bf16 in words of two elements;
  /// a single lane to a single bf16. Two elements are rounded together, two operations cheaper.
  llvm::Value* narrow_split(llvm::Value* f32, Rounding rounding);
  /// The same from what `narrow` gave with `upper_bf16`.
  llvm::Value* join_split(llvm::Value* words);
  /// f32 that are numbers of bf16 in the order of `narrow_split`, more than one, each at least
  /// `low` and at most `high`; of NaN some number between. The ends are numbers of bf16, the low
  /// one negative, the high one positive. Two elements are compared together.
  llvm::Value* clamp_split(llvm::Value* f32, float low, float high);

  /// `ir::Op::cast` of a value of compute type `from`: see ir::Node::storage. When the cast rounds
  /// to 16 bits, or has the bits of integers sooner than their values, `*bits` receives what
  /// `narrow` of the result would give.
  llvm::Value* cast(DType from, DType storage, llvm::Value* value, llvm::Value** bits = nullptr,
                    Rounding rounding = Rounding());

private:
  llvm::Value* float_to_float(DType from, DType storage, llvm::Value* value, llvm::Value** bits,
                              Rounding rounding);
  llvm::Value* integer_to_float(DType from, DType storage, llvm::Value* value, llvm::Value** bits);
  llvm::Value* float_to_integer(DType from, DType storage, llvm::Value* value, llvm::Value** bits,
                                Rounding rounding);
  llvm::Value* nearby_integer(DType from, DType storage, llvm::Value* value, Rounding rounding);
  llvm::Value* pack_bytes(DType storage, llvm::Value* i32);
  llvm::Value* integer_to_integer(DType from, DType storage, llvm::Value* value);
  llvm::Value* round_to_half(DType storage, llvm::Value* f32, llvm::Value** bits,
                             Rounding rounding);
  llvm::Value* odd_f32(llvm::Value* f64);
  llvm::Value* odd_float(DType from, llvm::Value* integer);
  llvm::Value* narrow_bf16(llvm::Value* f32, Rounding rounding);
  llvm::Value* add_half_to_even(llvm::Value* bits);
  llvm::Value* bits_with_safe_nan(llvm::Value* f32, Rounding rounding);
  llvm::Value* pair_of_upper(llvm::Value* even, llvm::Value* odd);
  llvm::Value* pair_of_lower(llvm::Value* even, llvm::Value* odd);
  llvm::Value* narrow_byte(DType storage, llvm::Value* f32, Rounding rounding);
  llvm::Value* narrow_byte_in_integers(DType storage, llvm::Value* f32);
  llvm::Value* narrow_byte_by_hardware(DType storage, llvm::Value* f32, Rounding rounding);
  llvm::Value* narrow_power(llvm::Value* f32, Rounding rounding);
  llvm::Value* narrow_e2m1(llvm::Value* f32, Rounding rounding);
  llvm::Value* narrow_e2m1_by_fma(llvm::Value* magnitude, llvm::Value* power, llvm::Value* bits);
  llvm::Value* within_e2m1(llvm::Value* f32);
  llvm::Value* magnitude_within_e2m1(llvm::Value* f32);
  llvm::Value* widen_byte(DType storage, llvm::Value* bits);
  llvm::Value* widen_byte_by_hardware(DType storage, llvm::Value* bits);
  llvm::Value* widen_power(llvm::Value* bits);
  llvm::Value* widen_e2m1(llvm::Value* bits);
  llvm::Value* narrow_f16(llvm::Value* f32);
  llvm::Value* widen_f16(llvm::Value* bits);
  llvm::Value* widen_bf16(llvm::Value* bits);

  llvm::Type* like(llvm::Type* scalar, const llvm::Value* shape) const;
  llvm::Constant* word(const llvm::Value* shape, std::uint32_t value) const;

  llvm::IRBuilderBase& b_;
  bool hardware_bf16_; ///< fptrunc to bfloat is one rounding instruction that keeps subnormals
  bool hardware_f16_;  ///< fptrunc and fpext of half are instructions, not library calls
  bool hardware_f8_;   ///< there are instructions for two f8e4m3 or f8e5m2 at once
  bool packs_bytes_;   ///< there is one that makes bytes of two integers
  bool upper_bf16_;
  bool is_cuda_; ///< registers have 32 bits: take two bf16 apart by shift and mask
};

} // namespace swage::codegen
