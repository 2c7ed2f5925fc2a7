// executor.cpp -- runs compiled host code over all elements of a call.
#include "runtime/host/executor.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace swage::runtime {

namespace {

template <class Range>
void run_parallel(const Range& run, std::int64_t count, std::int64_t grain) {
  const std::int64_t ranges = (count + grain - 1) / grain;
  // Of its own: a loop in a group of the caller's that is cancelled would leave elements out.
  tbb::task_group_context context(tbb::task_group_context::isolated);
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::int64_t>(0, ranges),
        [&](const auto& range) {
          run(range.begin() * grain, std::min(count, range.end() * grain));
        },
        context);
  });
}

template <class Range>
void run_on_threads(const codegen::HostSchedule& schedule, const Range& run, std::int64_t count,
                    std::int64_t grain) {
  if (count <= grain || schedule.threads == 1) {
    run(0, count);
  } else if (schedule.threads > 1 && schedule.threads < tbb::this_task_arena::max_concurrency()) {
    tbb::task_arena arena(schedule.threads);
    arena.execute([&] { run_parallel(run, count, grain); });
  } else {
    run_parallel(run, count, grain);
  }
}

/// Memory of the calling thread, grown and then kept.
void* thread_scratch(std::int64_t bytes) {
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local std::int64_t size = 0;
  constexpr std::int64_t kAlignment = 64;
  const std::int64_t wanted = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (size < wanted) {
    memory.reset();
    size = 0;
    memory.reset(std::aligned_alloc(kAlignment, static_cast<std::size_t>(wanted)));
    if (!memory)
      throw std::bad_alloc();
    size = wanted;
  }
  return memory.get();
}

} // namespace

void run_host(const codegen::HostSchedule& schedule, HostEntry entry, const std::uint64_t* words,
              std::int64_t count) {
  const std::int64_t grain = (std::int64_t{schedule.grain} + 63) / 64 * 64;
  run_on_threads(
      schedule, [&](std::int64_t begin, std::int64_t end) { entry(words, begin, end); }, count,
      grain);
}

void run_host_rows(const codegen::HostSchedule& schedule, HostRowEntry entry,
                   const std::uint64_t* words, std::int64_t rows, std::int64_t columns,
                   std::int64_t scratch_bytes) {
  const std::int64_t grain =
      std::max<std::int64_t>(schedule.grain / std::max<std::int64_t>(columns, 1), 1);
  run_on_threads(
      schedule,
      [&](std::int64_t begin, std::int64_t end) {
        entry(words, begin, end, thread_scratch(scratch_bytes));
      },
      rows, grain);
}

} // namespace swage::runtime
