// packed.hpp -- codes of four bits, two to a byte: the even column in the lower half.
#pragma once

#include <llvm/IR/IRBuilder.h>

namespace swage::codegen {

/// The `lanes` codes, an even number, of half as many bytes (an integer for one), each in the lower
/// four bits of an i32. `by_word`: in words that registers hold, with anything above the codes;
/// else in vectors.
llvm::Value* unpack_codes(llvm::IRBuilderBase& builder, llvm::Value* bytes, int lanes,
                          bool by_word);
/// The codes of one of the two numbers, the column's or the row's `at`, of any width, that share
/// each of `bytes`, as i32 with anything above them.
llvm::Value* unpack_code(llvm::IRBuilderBase& builder, llvm::Value* bytes, llvm::Value* at);
/// The bytes of an even number of codes, which are i32 below 16.
llvm::Value* pack_codes(llvm::IRBuilderBase& builder, llvm::Value* codes, bool by_word);

/// `byte` with `code`, an i32 below 16, in one of its halves: the upper one where the number `at`,
/// of any width, is odd.
llvm::Value* put_code(llvm::IRBuilderBase& builder, llvm::Value* byte, llvm::Value* code,
                      llvm::Value* at);

} // namespace swage::codegen
