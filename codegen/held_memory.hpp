// held_memory.hpp -- what CUDA threads keep of a row that they have loaded.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "codegen/lower_cuda_memory.hpp"

namespace swage::codegen {

/// Remembers what was loaded of each tensor of elements for a chunk, and gives it again.
class HeldMemory final : public Memory {
public:
  HeldMemory(llvm::IRBuilderBase& builder, GlobalMemory& memory, const ir::Kernel& kernel)
      : b_(builder), memory_(memory), kernel_(kernel) {}

  /// Bits are given as if they might have changed since the last stage: what was made of them then
  /// is made again. That is for bits that take fewer registers than their values.
  bool anew = false;
  /// What has one value a column is held too, from one row to the next.
  bool columns = false;
  bool columns_anew = false; ///< likewise
  void next_stage() { ++stage_; }

  /// The accesses from now on are those of a chunk; a negative one is never held.
  void begin(int chunk) {
    chunk_ = chunk;
    given_.clear();
  }
  /// What is held of the row in all, and other bits in its place, as many.
  std::vector<llvm::Value*> bits() const;
  void replace(const std::vector<llvm::Value*>& bits);
  void drop() { held_.clear(); }
  /// The same bits, of which LLVM knows nothing.
  llvm::Value* opaque(llvm::Value* bits);

  llvm::Value* load(llvm::Value* address, int unit, int count, std::uint32_t param) override;
  void store(llvm::Value* address, int unit, llvm::Value* bits, std::uint32_t param) override {
    memory_.store(address, unit, bits, param);
  }

private:
  struct Bits {
    llvm::Value* value;
    int stage;
  };
  llvm::IRBuilderBase& b_;
  GlobalMemory& memory_;
  const ir::Kernel& kernel_;
  int chunk_ = -1, stage_ = 0;
  using Held = std::map<std::pair<int, std::uint32_t>, std::vector<Bits>>;
  Held held_, of_columns_;                     ///< by chunk and parameter
  std::map<std::uint32_t, std::size_t> given_; ///< by parameter: how many of them
};

} // namespace swage::codegen
