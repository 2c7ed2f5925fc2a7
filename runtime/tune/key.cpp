// key.cpp -- TuningKey, what a tuning record holds for.
#include "runtime/tune/key.hpp"

#include <fmt/format.h>

#include "runtime/base/digest.hpp"

namespace swage::tune {

TuningKey tuning_key(const KernelState& kernel, const launch::Call& call) {
  const DeviceInfo& info = kernel.device->info;
  // What is best for all rows serves launches that may have fewer, and what is best for as many
  // columns as their bound serves fewer, too.
  codegen::Specialization specialization = kernel.specialization_of(call);
  specialization.valid_rows = codegen::ValidRows::all;
  specialization.counts64 = false;
  specialization.columns_known = false;
  return {base::to_hex(base::checksum(kernel.line)),
          info.name,
          info.target,
          info.compute_units,
          info.driver_version,
          codegen::canonical(specialization, kernel.graph),
          call.key.size_class()};
}

std::string family_of(const TuningKey& key) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", key.kernel, key.device, key.target, key.units,
                     key.driver, key.specialization);
}

} // namespace swage::tune
