// key.cpp -- TuningKey, what a tuning record holds for.
#include "runtime/tuner/key.hpp"

#include <fmt/format.h>
#include <xxhash.h>

namespace swage::runtime {

TuningKey tuning_key(const KernelState& kernel, const Call& call) {
  const XXH128_hash_t hash = XXH3_128bits(kernel.line.data(), kernel.line.size());
  const DeviceInfo& info = kernel.device->info;
  return {fmt::format("{:016x}{:016x}", hash.high64, hash.low64),
          info.name,
          info.target,
          info.compute_units,
          info.driver_version,
          codegen::canonical(kernel.specialization_of(call), kernel.graph),
          call.key.size_class()};
}

std::string family_of(const TuningKey& key) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", key.kernel, key.device, key.target, key.units,
                     key.driver, key.specialization);
}

} // namespace swage::runtime
