// schedule_space.cpp -- every legal schedule that gives different code or a different launch: what
// the tuner chooses from, where there is a compiler.
#include <algorithm>
#include <utility>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "codegen/schedule_tiles.hpp"

namespace swage::codegen {

namespace {

/// Those that a launch may have.
std::vector<LoadPolicy> load_policies(const ir::Kernel& kernel,
                                      const Specialization& specialization, const Target& target,
                                      bool dependent) {
  std::vector<LoadPolicy> policies{LoadPolicy::automatic, LoadPolicy::no_l1_allocate,
                                   LoadPolicy::streaming};
  if (target.sm >= 80)
    policies.push_back(LoadPolicy::evict_last);
  std::size_t tensor = 0;
  bool constant = false;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && !specialization.tensors.at(tensor++).aliased)
      constant |= param.kind == ir::ParamKind::in;
  if (constant && !dependent)
    policies.push_back(LoadPolicy::read_only);
  return policies;
}

/// `schedule` with every cache policy and every kind of dependent launch. What can be fetched
/// before a launch waits is so under the policies that are the default somewhere.
void add_policies(CudaSchedule schedule, const ir::Kernel& kernel,
                  const Specialization& specialization, const Target& target,
                  std::vector<Schedule>& schedules) {
  const bool fetches = can_fetch(schedule, kernel, specialization);
  for (const DependentLaunch dependent : {DependentLaunch::none, DependentLaunch::at_start,
                                          DependentLaunch::after_wait, DependentLaunch::at_end}) {
    if (dependent != DependentLaunch::none && target.sm < 90)
      continue;
    schedule.dependent_launch = dependent;
    for (const LoadPolicy load :
         load_policies(kernel, specialization, target, dependent != DependentLaunch::none))
      for (const StorePolicy store : {StorePolicy::automatic, StorePolicy::streaming}) {
        schedule.load = load;
        schedule.store = store;
        schedules.emplace_back(schedule);
      }
    if (dependent == DependentLaunch::none || !fetches)
      continue;
    CudaSchedule fetching = schedule;
    fetching.fetch = true;
    fetching.store = StorePolicy::automatic;
    for (const LoadPolicy load : {LoadPolicy::automatic, LoadPolicy::evict_last}) {
      fetching.load = load;
      if (load == LoadPolicy::automatic || has_default_policy(target))
        schedules.emplace_back(fetching);
    }
  }
}

std::vector<Schedule> all_cuda(const ir::Kernel& kernel, const Specialization& specialization,
                               const Target& target) {
  std::vector<Schedule> schedules;
  const int element = widest_element(kernel);
  const int affordable = affordable_elements(kernel);
  for (int bytes = widest_access(kernel, target); bytes >= least_access(kernel); bytes /= 2)
    for (const int accesses : {1, 2, 4, 8}) {
      const int elements = bytes / element * accesses;
      if (elements > affordable && elements > 1)
        continue;
      if (bytes < 4 && bytes > element)
        continue; // sub-word accesses of several elements never pay
      for (const int threads : {64, 128, 256, 512, 1024})
        for (const int waves : {0, 2, 4, 8})
          add_policies({.threads = threads,
                        .access_bytes = bytes,
                        .accesses = accesses,
                        .waves = waves,
                        .resident = default_resident(kernel, target, threads)},
                       kernel, specialization, target, schedules);
    }
  for (const int threads : {64, 128, 256, 512, 1024})
    for (const int resident : {1024, 1536, 2048}) {
      const CudaSchedule base =
          std::get<CudaSchedule>(default_schedule(kernel, specialization, target, 1 << 27));
      if (resident > resident_threads(target) ||
          resident == default_resident(kernel, target, threads))
        continue;
      for (const LoadPolicy load : {LoadPolicy::automatic, LoadPolicy::evict_last})
        if (load == LoadPolicy::automatic || has_default_policy(target))
          schedules.emplace_back(CudaSchedule{.threads = threads,
                                              .access_bytes = base.access_bytes,
                                              .accesses = base.accesses,
                                              .load = load,
                                              .dependent_launch = base.dependent_launch,
                                              .resident = resident});
    }
  return schedules;
}

std::vector<Schedule> all_host(const ir::Kernel& kernel, const Target& target) {
  std::vector<Schedule> schedules;
  const int natural =
      std::max(natural_lanes(kernel, target), ir::has_packed_tensors(kernel) ? 2 : 1);
  const auto affordable = static_cast<std::size_t>(affordable_elements(kernel)) * 16;
  for (int lanes = natural; lanes <= std::min(natural * 8, 64); lanes *= 2)
    for (const int unroll : {1, 2, 4}) {
      if (static_cast<std::size_t>(lanes * unroll) > std::max<std::size_t>(affordable, 1) &&
          unroll > 1)
        continue;
      for (const bool streaming : {false, true})
        for (const int grain : {4096, 16384, 65536, 262144})
          schedules.emplace_back(HostSchedule{
              .lanes = lanes, .unroll = unroll, .streaming = streaming, .grain = grain});
    }
  return schedules;
}

} // namespace

void RowSchedules::add_residents(CudaSchedule schedule, std::vector<Schedule>& schedules) const {
  if (!comes_with_registers(schedule, kernel_))
    return;
  std::vector<int> seen{schedule.resident / schedule.threads}; // blocks of a multiprocessor
  const bool held = is_held(schedule);
  for (const int wanted : {512, 1024, 1280, 1536, 2048}) {
    if (schedule.ahead && wanted != kResidentOfSmallLoops && !(held && wanted == kResidentOfParts))
      continue;
    schedule.resident = schedule.ahead ? wanted : resident_of_part(schedule, wanted);
    const int blocks = schedule.resident / schedule.threads;
    if (blocks == 0 || std::ranges::count(seen, blocks) > 0)
      continue;
    seen.push_back(blocks);
    add_policies(schedule, kernel_, specialization_, target_, schedules);
  }
}

std::vector<Schedule> RowSchedules::all() const {
  std::vector<Schedule> schedules;
  const int least_bytes = least_access(kernel_);
  const auto add = [&](CudaSchedule schedule) {
    if (!is_legal(schedule))
      return;
    schedule.resident = resident(schedule);
    add_policies(schedule, kernel_, specialization_, target_, schedules);
    const bool parts = plan_.apart && is_held(schedule);
    if (parts)
      add_residents(schedule, schedules);
    // Of parts of a row this is for those that reduce groups, which else load as they compute.
    if (parts && (!reduces_groups(kernel_) || element_inputs(kernel_) > 2))
      return; // more inputs spill then
    schedule.ahead = true;
    if (!is_legal(schedule))
      return;
    schedule.resident = resident(schedule);
    if (parts)
      schedule.resident = kResidentOfSmallLoops;
    else if (plan_.apart && reduces_groups(kernel_))
      schedule.resident = std::max(schedule.resident, kResidentOfLoops);
    add_policies(schedule, kernel_, specialization_, target_, schedules);
    add_residents(schedule, schedules);
  };
  for (int bytes = widest_access(kernel_, target_); bytes >= least_bytes; bytes /= 2)
    for (const int row : {4, 8, 16, 32, 64, 128, 256, 512, 1024})
      for (const int threads : {32, 64, 128, 256, 512, 1024}) {
        if (threads < row)
          continue;
        const CudaSchedule single{
            .threads = threads, .access_bytes = bytes, .accesses = 1, .row_threads = row};
        bool held = false;
        for (const int accesses : {1, 2, 4, 8, 16}) {
          CudaSchedule schedule = single;
          schedule.accesses = accesses;
          if (plan_.apart && threads == row && threads >= 128 && split(schedule))
            add(std::exchange(schedule, split_over(schedule, 0)));
          for (int blocks = 2; blocks <= kMostOfCluster && !plan_.apart; blocks *= 2)
            if (is_worth_splitting(schedule, blocks))
              add(split_over(schedule, blocks));
          if (is_held(schedule)) {
            if (!held) // more accesses than a row has are the same code
              add(schedule);
            held = true;
          } else if (accesses == 2 || accesses == 4 ||
                     (accesses == 1 && plan_.apart && reduces_groups(kernel_))) {
            add(schedule);
          }
        }
      }
  return schedules;
}

std::vector<Schedule> TileSchedules::all() const {
  std::vector<Schedule> schedules;
  for (int bytes = 16; bytes >= least_access(kernel_); bytes /= 2)
    for (const int rows : {1, 2, 4, 8, 16}) {
      if (rows > 1 && static_cast<std::uint32_t>(rows / 2) >= plan_.rows)
        continue; // the same code
      for (const bool shared : {false, true})
        for (const int threads : {64, 128, 256, 512, 1024}) {
          CudaSchedule schedule{.threads = threads,
                                .access_bytes = bytes,
                                .accesses = rows,
                                .row_threads = shared ? threads : kWarp};
          if (!shared && rows == 2 && plan_.rows > 2)
            continue; // never good
          if (!is_legal(schedule) || is_alike(schedule))
            continue;
          schedule.resident = resident(schedule);
          add_policies(schedule, kernel_, specialization_, target_, schedules);
          schedule.dependent_launch = usual_dependent(target_);
          schedule.resident += 256; // the estimate is high by so much at times
          if (schedule.resident <= resident_threads(target_))
            schedules.emplace_back(schedule);
        }
    }
  return schedules;
}

std::vector<Schedule> all_schedules(const ir::Kernel& kernel, const Specialization& specialization,
                                    const Target& target) {
  if (target.kind == Target::Kind::cuda && rows_of_groups(kernel) > 0)
    return TileSchedules(kernel, specialization, target).all();
  if (target.kind == Target::Kind::cuda && !ir::is_elementwise(kernel))
    return RowSchedules(kernel, specialization, target).all();
  return target.kind == Target::Kind::cuda ? all_cuda(kernel, specialization, target)
                                           : all_host(kernel, target);
}

} // namespace swage::codegen
