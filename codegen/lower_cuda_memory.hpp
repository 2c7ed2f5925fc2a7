// lower_cuda_memory.hpp -- how a CUDA kernel reads and writes global memory.
#pragma once

#include <memory>

#include "codegen/lower.hpp"

namespace swage::codegen {

/// Accesses as wide as alignment and `schedule` allow, under its cache policies. Keeps references
/// to `builder` and `schedule`.
std::unique_ptr<Memory> make_global_memory(llvm::IRBuilderBase& builder, const Job& job,
                                           const CudaSchedule& schedule);

} // namespace swage::codegen
