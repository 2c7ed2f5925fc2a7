// schedule_choice.cpp -- which schedule a call is launched with.
#include "runtime/launch/schedule_choice.hpp"

namespace swage::launch {

codegen::Schedule choose_schedule(const ir::Kernel& kernel,
                                  const codegen::Specialization& specialization,
                                  const SpecializationKey& key, const DeviceState& device,
                                  const std::string& text) {
  codegen::Schedule schedule = codegen::default_schedule(kernel, specialization, device.target,
                                                         representative_elements(key.size_class()));
  if (auto* host = std::get_if<codegen::HostSchedule>(&schedule))
    host->streaming = key.streaming();
  if (!text.empty()) {
    schedule = codegen::parse_schedule(text, schedule, kernel);
    codegen::check_schedule(schedule, kernel, specialization, device.target);
  }
  return schedule;
}

} // namespace swage::launch
