// parallel.hpp -- loops over ranges on all cores.
#pragma once

#include <cstdint>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

namespace swage::base {

/// False in a process that was forked off one where this had been asked: the other threads did not
/// come along, and a lock that one of them held is held for ever. Throws std::bad_alloc.
bool has_threads();

/// How many threads `parallel_ranges` of so many ranges has at most, the caller's among them.
/// Throws std::bad_alloc.
int threads_at_most(std::int64_t ranges);

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count), none of them empty, each but
/// the last a multiple of `grain` > 0 long; on the caller's arena, or once where there are no
/// threads. Throws what `body` throws, std::bad_alloc.
template <class Body>
void parallel_ranges(std::int64_t count, std::int64_t grain, const Body& body) {
  const std::int64_t ranges = count / grain + (count % grain != 0);
  if (ranges == 0)
    return;
  if (ranges == 1 || !has_threads())
    return body(0, count);
  // Of its own: a loop in a group of the caller's that is cancelled would leave ranges out.
  tbb::task_group_context context(tbb::task_group_context::isolated);
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::int64_t>(0, ranges),
        [&](const auto& range) {
          body(range.begin() * grain, range.end() == ranges ? count : range.end() * grain);
        },
        context);
  });
}

} // namespace swage::base
