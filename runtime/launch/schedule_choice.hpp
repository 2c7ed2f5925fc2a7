// schedule_choice.hpp -- which schedule a call is launched with.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "codegen/schedule.hpp"
#include "runtime/device/device.hpp"
#include "runtime/launch/classify.hpp"

namespace swage {
struct KernelState;
}

namespace swage::launch {

/// Where the calls of a kernel have a schedule from other than the default. What tunes sits
/// above the launch and is reached through this alone.
struct ScheduleSource {
  /// The schedule known for calls like this one, if there is one that is legal here.
  std::optional<codegen::Schedule> (*known)(const KernelState& kernel, const Call& call);
  /// Told before the first launch of a kind of call; may find a schedule and adopt it.
  void (*first_call)(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                     cuda::StreamHandle stream);
};

/// The schedule of calls with `key`: the keys given in `text` (KernelOptions::schedule) over the
/// default for the key's size class. Equal keys get equal schedules. Throws
/// Error(invalid_argument) if `text` asks for what is not legal.
codegen::Schedule choose_schedule(const ir::Kernel& kernel,
                                  const codegen::Specialization& specialization,
                                  const SpecializationKey& key, const DeviceState& device,
                                  const std::string& text);

} // namespace swage::launch
