// loaded_function.hpp -- code of one kernel that a device can run.
#pragma once

#include <memory>

#include "runtime/base/digest.hpp"
#include "runtime/cuda/context.hpp"
#include "runtime/cuda/module.hpp"
#include "runtime/host/code_blob.hpp"
#include "runtime/host/executor.hpp"

namespace swage::device {

/// Code that can run. Immutable.
struct LoadedFunction {
  std::size_t bytes = 0;               ///< of the code that was loaded
  base::Digest digest{};               ///< `checksum` of the code that was loaded
  bool waits_for_dependencies = false; ///< see codegen::Artifact
  // CUDA
  std::unique_ptr<cuda::LoadedModule> module;
  cuda::Function function = nullptr;
  cuda::Function totals = nullptr;             ///< of the second launch, if there is one
  bool stores_single_row = false;              ///< see codegen::Artifact
  const cuda::ContextState* context = nullptr; ///< null for the CPU
  cuda::CodeFacts facts;
  // host
  std::shared_ptr<const host::CodeBlob> code;
  host::HostEntry host = nullptr;
};

} // namespace swage::device
