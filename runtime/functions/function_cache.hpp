// function_cache.hpp -- code loaded into this process, shared by every kernel with the same text.
#pragma once

#include <memory>

#include "runtime/functions/load.hpp"
#include "swage/swage.hpp"

namespace swage::functions {

inline constexpr std::size_t kMaxIdleFunctions = 4096;
inline constexpr std::size_t kMaxIdleBytes = std::size_t{256} << 20;

/// The function, loaded for `context` (empty for the CPU): from memory, else from disk, else
/// compiled. Many threads that ask for one function have it compiled once; what compiling throws
/// reaches each of them, and the next request tries again. Host functions that no kernel refers to
/// are forgotten beyond kMaxIdleFunctions of them or kMaxIdleBytes. Functions of a GPU stay loaded
/// until unload_unused, for a launch, or a graph that holds one, may run at any later time; those
/// of a context that is gone are forgotten.
std::shared_ptr<const device::LoadedFunction> find_or_load(const CompileRequest& request,
                                                           const cuda::ContextRef& context);

/// Code that the program carries, shared and loaded likewise.
std::shared_ptr<const device::LoadedFunction> find_or_load(const embedded::Found& found,
                                                           const CompileRequest& request,
                                                           const cuda::ContextRef& context);

/// What the caches of this process have done and hold.
CacheStatistics cache_statistics() noexcept;

/// Forgets every function that no kernel refers to, those of GPUs too; gives how many went.
std::size_t unload_unused();

} // namespace swage::functions
