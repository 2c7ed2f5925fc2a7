// tuned_schedule.cpp -- the schedule that the tuning records have for a call.
#include "runtime/tune/tuned_schedule.hpp"

#include "runtime/base/log.hpp"
#include "runtime/launch/schedule_choice.hpp"
#include "runtime/tune/tuner.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

namespace swage::tune {

std::optional<codegen::Schedule> tuned_schedule(const KernelState& kernel,
                                                const launch::Call& call) {
  const auto match = tuning_records().find(tuning_key(kernel, call));
  if (!match)
    return std::nullopt;
  const codegen::Specialization specialization = kernel.specialization_of(call);
  try {
    const codegen::Schedule base =
        launch::choose_schedule(kernel.graph, specialization, call.key, *kernel.device, "");
    codegen::Schedule schedule = codegen::parse_schedule(match->record.schedule, base);
    codegen::check_schedule(schedule, kernel.graph, specialization, kernel.device->target);
    base::log(base::LogLevel::info, "{} for {} elements on {}: schedule tuned for {} elements ({})",
              kernel.name, call.elements(), kernel.device->info.id,
              match->record.rows * match->record.columns,
              match->exact ? "this size class" : "the nearest size class");
    return schedule;
  } catch (const Error& error) {
    base::log(base::LogLevel::warn, "the tuning record of {} for {} elements is not used: {}",
              kernel.name, match->record.rows * match->record.columns, error.what());
    return std::nullopt;
  }
}

const launch::ScheduleSource& tuned_schedules() {
  static constexpr launch::ScheduleSource kSource{tuned_schedule, autotune};
  return kSource;
}

} // namespace swage::tune
