// schedule_choice.hpp -- which schedule a call is launched with.
#pragma once

#include <string>

#include "codegen/schedule.hpp"
#include "runtime/classify.hpp"
#include "runtime/device.hpp"

namespace swage::runtime {

/// The schedule of calls with `key`: the keys given in `text` (KernelOptions::schedule) over the
/// heuristic default for the key's size class. Equal keys get equal schedules. Throws
/// Error(invalid_argument) if `text` asks for what is not legal.
codegen::Schedule choose_schedule(const ir::Kernel& kernel,
                                  const codegen::Specialization& specialization,
                                  const SpecializationKey& key, const DeviceState& device,
                                  const std::string& text);

} // namespace swage::runtime
