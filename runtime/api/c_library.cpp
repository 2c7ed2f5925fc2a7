// c_library.cpp -- what the C ABI says of the library as a whole: version, settings, cache.
#include <string>
#include <string_view>
#include <utility>

#include "runtime/api/c_failure.hpp"
#include "runtime/api/c_structs.hpp"
#include "swage/swage.hpp"
#include "swage/version.h"

using swage::Error;
using swage::ErrorCode;
using swage::api::guarded;
using swage::api::hand_out;
using swage::api::require;

extern "C" {

const char* swage_version(void) {
  return swage::version().data(); // of a literal
}

unsigned swage_abi_version(void) {
  return SWAGE_ABI_VERSION;
}

swage_status swage_configure(const char* const* settings, size_t count,
                             void (*log)(void* user, const char* line), void* user) {
  return guarded([&] {
    swage::Settings given;
    if (count > 0)
      require(settings, "settings");
    for (std::size_t i = 0; i < count; ++i) {
      require(settings[i], "a setting");
      const std::string_view text = settings[i];
      const std::size_t equals = text.find('=');
      if (equals == std::string_view::npos)
        throw Error(ErrorCode::invalid_argument,
                    "setting '" + std::string(text) + "' is not of the form NAME=VALUE");
      given.values.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    if (log)
      given.log = [log, user](std::string_view line) { log(user, std::string(line).c_str()); };
    swage::configure(std::move(given));
  });
}

swage_status swage_cache_statistics(swage_cache_counters* counters) {
  return guarded([&] {
    require(counters, "counters");
    const swage::CacheStatistics all = swage::cache_statistics();
    hand_out({.size = 0,
              .hits_memory = all.hits_memory,
              .hits_disk = all.hits_disk,
              .hits_bundle = all.hits_bundle,
              .misses = all.misses,
              .publishes = all.publishes,
              .publish_failures = all.publish_failures,
              .evictions = all.evictions,
              .defects = all.defects,
              .bytes_read = all.bytes_read,
              .bytes_written = all.bytes_written,
              .functions_loaded = all.functions_loaded,
              .bytes_loaded = all.bytes_loaded},
             SWAGE_FIRST_SIZE(swage_cache_counters, bytes_loaded), "swage_cache_counters",
             counters);
  });
}

swage_status swage_unload_unused(size_t* count) {
  return guarded([&] {
    const std::size_t unloaded = swage::unload_unused();
    if (count)
      *count = unloaded;
  });
}

} // extern "C"
