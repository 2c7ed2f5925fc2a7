// lower_cuda_memory.hpp -- how a CUDA kernel reads and writes global memory.
#pragma once

#include <memory>
#include <vector>

#include "codegen/lower.hpp"

namespace swage::codegen {

/// When an access is made. What is not loaded is 0.
struct Guard {
  llvm::Value* whole = nullptr; ///< all elements, or none; null: always
  /// By lane, where some may be left out of an access that `whole` says is not made in one.
  std::vector<llvm::Value*> lanes;
};

/// Accesses as wide as alignment and a schedule allow, under its cache policies.
class GlobalMemory : public Memory {
public:
  /// Of the accesses from now on. Of a strided tensor a lane is loaded or stored at a time, in
  /// order, beginning with the first.
  virtual void set_guard(Guard guard) = 0;
  /// Unless null: loads from now on ask the L2 cache for what they would load, where `fetching`
  /// holds, and give poison; of tensors that have one value for several elements if `shared`.
  virtual void set_fetching(llvm::Value* fetching, bool shared) = 0;
  /// `count` values of `unit` bytes of memory that is no parameter's, aligned to all of them or 16
  /// bytes; 0 where `guard`, unless null, is false.
  virtual llvm::Value* load_own(llvm::Value* address, int unit, int count, llvm::Value* guard) = 0;
};

/// Keeps references to `builder` and `schedule`.
std::unique_ptr<GlobalMemory> make_global_memory(llvm::IRBuilderBase& builder, const Job& job,
                                                 const CudaSchedule& schedule);

} // namespace swage::codegen
