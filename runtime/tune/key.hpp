// key.hpp -- TuningKey, what a tuning record holds for.
#pragma once

#include <string>

#include "runtime/launch/classify.hpp"
#include "runtime/launch/kernel.hpp"

namespace swage::tune {

/// A measurement says something about calls with an equal key, and less about those that differ in
/// the size class alone. Everything here moves the best schedule: the processors, because a process
/// may be bound to some of them; the driver, because it assembles the code.
struct TuningKey {
  std::string kernel; ///< digest of the kernel's canonical line, 32 hexadecimal digits
  std::string device; ///< DeviceInfo::name
  std::string target; ///< DeviceInfo::target
  int units = 0;      ///< DeviceInfo::compute_units
  int driver = 0;     ///< DeviceInfo::driver_version
  std::string specialization;
  int size_class = 0; ///< floor(log2(elements))

  friend bool operator==(const TuningKey&, const TuningKey&) = default;
};

TuningKey tuning_key(const KernelState& kernel, const launch::Call& call);

/// Everything but the size class as one line: what nearest buckets are looked for in.
std::string family_of(const TuningKey& key);

} // namespace swage::tune
