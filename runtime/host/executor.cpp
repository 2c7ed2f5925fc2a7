// executor.cpp -- runs compiled host code over all elements of a call.
#include "runtime/host/executor.hpp"

#include <algorithm>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace swage::host {

namespace {

void run_parallel(HostEntry entry, const std::uint64_t* words, std::int64_t count,
                  std::int64_t grain) {
  const std::int64_t ranges = (count + grain - 1) / grain;
  // Of its own: a loop in a group of the caller's that is cancelled would leave elements out.
  tbb::task_group_context context(tbb::task_group_context::isolated);
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::int64_t>(0, ranges),
        [&](const auto& range) {
          entry(words, range.begin() * grain, std::min(count, range.end() * grain));
        },
        context);
  });
}

} // namespace

void run_host(const codegen::HostSchedule& schedule, HostEntry entry, const std::uint64_t* words,
              std::int64_t count) {
  const std::int64_t grain = (std::int64_t{schedule.grain} + 63) / 64 * 64;
  if (count <= grain || schedule.threads == 1) {
    entry(words, 0, count);
  } else if (schedule.threads > 1 && schedule.threads < tbb::this_task_arena::max_concurrency()) {
    tbb::task_arena arena(schedule.threads);
    arena.execute([&] { run_parallel(entry, words, count, grain); });
  } else {
    run_parallel(entry, words, count, grain);
  }
}

} // namespace swage::host
