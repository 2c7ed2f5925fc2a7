// held_memory.cpp -- what CUDA threads keep of a row that they have loaded.
#include "codegen/held_memory.hpp"

#include <llvm/IR/InlineAsm.h>

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

Value* HeldMemory::load(Value* address, int unit, int count, std::uint32_t param) {
  const Broadcast broadcast = kernel_.params()[param].broadcast;
  const bool of_column = broadcast == Broadcast::per_column;
  if (chunk_ < 0 || !(broadcast == Broadcast::none || (of_column && columns)))
    return memory_.load(address, unit, count, param);
  std::vector<Bits>& all = (of_column ? of_columns_ : held_)[{chunk_, param}];
  std::size_t& given = given_[param];
  if (given == all.size())
    all.push_back({memory_.load(address, unit, count, param), stage_});
  Bits& bits = all[given++];
  if ((of_column ? columns_anew : anew) && bits.stage != stage_)
    bits = {opaque(bits.value), stage_};
  return bits.value;
}

std::vector<Value*> HeldMemory::bits() const {
  std::vector<Value*> all;
  for (const auto& [of, pieces] : held_)
    for (const Bits& piece : pieces)
      all.push_back(piece.value);
  return all;
}

void HeldMemory::replace(const std::vector<Value*>& bits) {
  std::size_t next = 0;
  for (auto& [of, pieces] : held_)
    for (Bits& piece : pieces)
      piece = {bits[next++], stage_};
}

Value* HeldMemory::opaque(Value* bits) {
  llvm::Type* type = bits->getType();
  const unsigned size = static_cast<unsigned>(type->getPrimitiveSizeInBits().getFixedValue());
  if (size % 32 != 0)
    return bits;
  const unsigned count = size / 32;
  llvm::Type* word = b_.getInt32Ty();
  auto* function = llvm::FunctionType::get(word, {word}, false);
  llvm::InlineAsm* nothing = llvm::InlineAsm::get(function, "", "=r,0", true);
  Value* words = b_.CreateBitCast(bits, llvm::FixedVectorType::get(word, count));
  words = by_lane(b_, {words}, [&](llvm::ArrayRef<Value*> lane) {
    return b_.CreateCall(function, nothing, lane);
  });
  return b_.CreateBitCast(words, type);
}

} // namespace swage::codegen
