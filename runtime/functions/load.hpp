// load.hpp -- from a kernel and its schedule to code that can run, past the memory's cache.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.hpp"
#include "runtime/device/device.hpp"
#include "runtime/device/loaded_function.hpp"
#include "runtime/embedded/registry.hpp"
#include "runtime/store/disk_cache.hpp"
#include "runtime/store/entry.hpp"

namespace swage::functions {

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

/// As the environment says, with the calling convention that is launched here.
store::CacheSettings cache_settings(std::vector<std::string>* complaints);

/// The disk cache of this process, opened as the environment says on first use.
store::DiskCache& disk_cache();

/// From disk, or compiled and put there. Without a compiler from disk alone: throws
/// Error(unsupported) that names the kernel and the kind of call where it is not there.
std::shared_ptr<const device::LoadedFunction> load(const CompileRequest& request,
                                                   store::EntryKey key,
                                                   const cuda::ContextRef& context,
                                                   store::CacheSource& source);

/// Past every cache, and timed: the way to the code is the same, to the byte.
std::shared_ptr<const device::LoadedFunction> load_uncached(const CompileRequest& request,
                                                            const cuda::ContextRef& context,
                                                            LoadTimes* times = nullptr);

/// Code that the program carries, loaded for `context` (empty for the CPU): machine code where the
/// device takes it, else the PTX.
std::shared_ptr<const device::LoadedFunction> load_embedded(const embedded::Found& found,
                                                            const DeviceState& device,
                                                            const cuda::ContextRef& context);

/// Compiles to an entry of `key`, past every cache. Throws as codegen::compile, and
/// Error(unsupported) where there is no compiler.
store::CacheEntry compile_entry(const CompileRequest& request, store::EntryKey key,
                                codegen::CompileTimes* times = nullptr);

/// The cache key of what `request` compiles to; `driver` left empty.
store::EntryKey cache_key(const CompileRequest& request);

/// The key of machine code for `device`: on a GPU it names the driver, too.
store::EntryKey native_key(store::EntryKey key, const DeviceState& device);
/// Compiles to machine code, past every cache. For a GPU its context must be current.
store::CacheEntry native_entry(const CompileRequest& request);
/// The machine code of an entry, loaded for `context` (empty for the CPU).
std::shared_ptr<const device::LoadedFunction> load_entry(const DeviceState& device,
                                                         const store::CacheEntry& entry,
                                                         const cuda::ContextRef& context);

} // namespace swage::functions
