// function_cache.hpp -- code loaded into this process, shared by every kernel with the same text.
#pragma once

#include <memory>
#include <string>

#include "codegen/compile.hpp"
#include "runtime/cache/entry.hpp"
#include "runtime/cuda/module.hpp"
#include "runtime/device.hpp"
#include "runtime/host/code_blob.hpp"
#include "runtime/host/executor.hpp"
#include "swage/swage.hpp"

namespace swage::runtime {

/// Code that can run. Immutable.
struct LoadedFunction {
  std::size_t bytes = 0;               ///< of the code that was loaded
  EntryDigest digest{};                ///< `checksum` of the code that was loaded
  bool waits_for_dependencies = false; ///< see codegen::Artifact
  // CUDA
  std::unique_ptr<cuda::LoadedModule> module;
  cuda::Function function = nullptr;
  const cuda::ContextState* context = nullptr; ///< null for the CPU
  cuda::CodeFacts facts;
  // host
  std::shared_ptr<const CodeBlob> code;
  HostEntry host = nullptr;
};

/// What is to be compiled; refers to its parts.
struct CompileRequest {
  const ir::Kernel& kernel;
  const std::string& kernel_line; ///< ir::canonical(kernel)
  const codegen::Specialization& specialization;
  const codegen::Schedule& schedule;
  const DeviceState& device;
};

/// Host seconds of the stages that one request went through; stages skipped stay 0.
struct LoadTimes {
  codegen::CompileTimes compile;
  double assemble = 0, load = 0;
};

inline constexpr std::size_t kMaxIdleFunctions = 4096;
inline constexpr std::size_t kMaxIdleBytes = std::size_t{256} << 20;

/// The function, loaded for `context` (empty for the CPU): from memory, else from disk, else
/// compiled. Many threads that ask for one function have it compiled once; what compiling throws
/// reaches each of them, and the next request tries again. Host functions that no kernel refers to
/// are forgotten beyond kMaxIdleFunctions of them or kMaxIdleBytes. Functions of a GPU stay loaded
/// until unload_unused, for a launch, or a graph that holds one, may run at any later time; those
/// of a context that is gone are forgotten.
std::shared_ptr<const LoadedFunction> find_or_load(const CompileRequest& request,
                                                   const cuda::ContextRef& context);

/// What the caches of this process have done and hold.
CacheStatistics cache_statistics() noexcept;

/// Forgets every function that no kernel refers to, those of GPUs too; gives how many went.
std::size_t unload_unused();

/// The same past every cache, and timed: the way to the code is the same, to the byte.
std::shared_ptr<const LoadedFunction> load_uncached(const CompileRequest& request,
                                                    const cuda::ContextRef& context,
                                                    LoadTimes* times = nullptr);

/// Compiles to an entry of `key`, past every cache. Throws as codegen::compile.
CacheEntry compile_entry(const CompileRequest& request, EntryKey key,
                         codegen::CompileTimes* times = nullptr);

/// The cache key of what `request` compiles to; `driver` left empty.
EntryKey cache_key(const CompileRequest& request);

/// The key of machine code for `device`: on a GPU it names the driver, too.
EntryKey native_key(EntryKey key, const DeviceState& device);
/// Compiles to machine code, past every cache. For a GPU its context must be current.
CacheEntry native_entry(const CompileRequest& request);
/// The machine code of an entry, loaded for `context` (empty for the CPU).
std::shared_ptr<const LoadedFunction> load_entry(const DeviceState& device, const CacheEntry& entry,
                                                 const cuda::ContextRef& context);

} // namespace swage::runtime
