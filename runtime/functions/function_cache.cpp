// function_cache.cpp -- code loaded into this process, shared by every kernel with the same text.
#include "runtime/functions/function_cache.hpp"

#include <atomic>
#include <cstring>

#include <fmt/format.h>

#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/single_flight.hpp"
#include "runtime/store/disk_cache.hpp"
#include "swage/error.hpp"

namespace swage::functions {

namespace {

struct FunctionId {
  base::Digest digest;
  cuda::ContextRef context;
  friend bool operator==(const FunctionId&, const FunctionId&) = default;
};

struct FunctionIdHash {
  std::size_t operator()(const FunctionId& id) const noexcept {
    std::size_t hash;
    std::memcpy(&hash, id.digest.data(), sizeof hash);
    return hash ^ id.context.id;
  }
};

using Functions = base::SingleFlight<FunctionId, device::LoadedFunction, FunctionIdHash>;

/// Leaked: code may still run while static objects are destroyed.
Functions& functions() {
  static Functions* const instance = new Functions;
  return *instance;
}

std::atomic<std::uint64_t> g_hits_memory = 0;

/// One line tells the whole story of a request.
void tell(const CompileRequest& request, const device::LoadedFunction& loaded,
          std::string_view outcome, base::Clock::time_point start) {
  if (base::logs(base::LogLevel::info))
    base::log(base::LogLevel::info, "{} for {} ({}; {}): {}, {} bytes, {:.3f} ms",
              request.kernel.name(), request.device.info.id,
              codegen::canonical(request.specialization, request.kernel),
              codegen::canonical(request.schedule), outcome, loaded.bytes,
              1e3 * base::seconds_since(start));
}

std::string_view name_of(store::CacheSource source) {
  constexpr std::string_view names[] = {"miss", "hit on disk", "hit in bundle"};
  return names[static_cast<std::size_t>(source)];
}

bool is_of_past_context(const device::LoadedFunction& loaded) {
  return loaded.context && loaded.context->gone;
}

/// Of a function that may be forgotten; 0 for one of a GPU.
std::size_t idle_weight(const device::LoadedFunction& loaded) {
  return loaded.code ? loaded.code->bytes() : 0;
}

} // namespace

namespace {

/// The function of `key`, or what `make` loads and calls its source.
template <typename Make>
std::shared_ptr<const device::LoadedFunction>
share(const CompileRequest& request, const store::EntryKey& key, const cuda::ContextRef& context,
      const Make& make) {
  const auto start = base::Clock::now();
  const FunctionId id{store::digest_of(key), context};
  std::string_view outcome = "hit in memory";
  const auto loaded = functions().find_or_make(id, [&] { return make(outcome); });
  if (outcome == "hit in memory") {
    ++g_hits_memory;
  } else {
    functions().trim(kMaxIdleFunctions, kMaxIdleBytes, idle_weight);
    functions().forget_if(is_of_past_context);
  }
  tell(request, *loaded, outcome, start);
  return loaded;
}

} // namespace

std::shared_ptr<const device::LoadedFunction> find_or_load(const CompileRequest& request,
                                                           const cuda::ContextRef& context) {
  const store::EntryKey key = cache_key(request);
  return share(request, key, context, [&](std::string_view& outcome) {
    store::CacheSource source = store::CacheSource::compiled;
    auto made = load(request, key, context, source);
    outcome = name_of(source);
    return made;
  });
}

std::shared_ptr<const device::LoadedFunction> find_or_load(const embedded::Found& found,
                                                           const CompileRequest& request,
                                                           const cuda::ContextRef& context) {
  // Two images may hold one variant with different code: the code is part of the key.
  const base::Digest code =
      base::checksum(request.device.is_cuda() ? found.ptx + found.cubin : found.object);
  const store::EntryKey key{"embedded " + base::to_hex(code),
                            request.kernel_line,
                            codegen::canonical(request.specialization, request.kernel),
                            codegen::code_line(request.schedule),
                            found.target,
                            {}};
  return share(request, key, context, [&](std::string_view& outcome) {
    auto made = load_embedded(found, request.device, context);
    outcome = "embedded";
    return made;
  });
}

namespace {

CacheStatistics read_statistics() {
  const store::DiskCacheCounters disk = disk_cache().counters();
  CacheStatistics result;
  result.hits_memory = g_hits_memory;
  result.hits_disk = disk.hits_disk;
  result.hits_bundle = disk.hits_bundle;
  result.misses = disk.misses;
  result.publishes = disk.publishes;
  result.publish_failures = disk.publish_failures;
  result.evictions = disk.evictions;
  result.defects = disk.defects + disk.io_errors;
  result.bytes_read = disk.bytes_read;
  result.bytes_written = disk.bytes_written;
  functions().for_each([&](const device::LoadedFunction& loaded) {
    ++result.functions_loaded;
    result.bytes_loaded += loaded.bytes;
  });
  return result;
}

} // namespace

CacheStatistics cache_statistics() noexcept {
  try {
    return read_statistics();
  } catch (...) {
    return {}; // no memory to open the caches: nothing was done yet
  }
}

std::size_t unload_unused() {
  return functions().trim(0, 0, [](const device::LoadedFunction&) { return std::size_t{1}; });
}

} // namespace swage::functions
