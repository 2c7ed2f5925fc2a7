// executor.cpp -- runs compiled host code over all elements of a call.
#include "runtime/host/executor.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include <pthread.h>
#include <tbb/task_arena.h>

#include "codegen/tile_plan.hpp"
#include "runtime/base/parallel.hpp"

namespace swage::host {

namespace {

template <class Range>
void run_on_threads(const codegen::HostSchedule& schedule, const Range& run, std::int64_t count,
                    std::int64_t grain) {
  if (count <= grain || schedule.threads == 1 || !base::has_threads()) {
    run(0, count);
  } else if (schedule.threads > 1 && schedule.threads < tbb::this_task_arena::max_concurrency()) {
    tbb::task_arena arena(schedule.threads);
    arena.execute([&] { base::parallel_ranges(count, grain, run); });
  } else {
    base::parallel_ranges(count, grain, run);
  }
}

constexpr std::int64_t kAlignment = 64;

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory make_memory(std::int64_t bytes) {
  const std::int64_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  Memory memory(std::aligned_alloc(kAlignment, static_cast<std::size_t>(whole)));
  if (!memory)
    throw std::bad_alloc();
  return memory;
}

/// Memory of this thread, grown and then kept. Trivial, for glibc ends the process where it has no
/// memory to register the destructor of a thread's variable.
struct Scratch {
  void* memory = nullptr;
  std::int64_t bytes = 0;
};
thread_local Scratch scratch;

extern "C" void drop_scratch(void* memory) {
  scratch = {};
  std::free(memory);
}

void* thread_scratch(std::int64_t bytes) {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, drop_scratch) != 0)
      throw std::bad_alloc();
    return made;
  }();
  if (scratch.bytes >= bytes)
    return scratch.memory;
  Memory grown = make_memory(bytes);
  if (pthread_setspecific(key, grown.get()) != 0)
    throw std::bad_alloc();
  std::free(scratch.memory);
  scratch = {grown.release(), bytes};
  return scratch.memory;
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
                   const codegen::RowPlan& plan, const std::uint64_t* words, std::int64_t rows,
                   std::int64_t columns) {
  const std::int64_t scratch_bytes = codegen::scratch_bytes(plan, columns);
  Memory workspace;
  if (const std::int64_t bytes = codegen::workspace_bytes(plan, rows, columns); bytes > 0)
    workspace = make_memory(bytes);
  const auto run_some = [&](std::int64_t phase, std::int64_t begin, std::int64_t end) {
    const codegen::HostRowMemory memory{thread_scratch(scratch_bytes), workspace.get(), phase};
    entry(words, begin, end, &memory);
  };
  const auto run = [&](std::int64_t phase, std::int64_t count, std::int64_t grain) {
    run_on_threads(
        schedule, [&](std::int64_t begin, std::int64_t end) { run_some(phase, begin, end); }, count,
        std::max<std::int64_t>(grain, 1));
  };
  if (plan.group_rows > 0)
    return run(0, codegen::host_tiles(plan.group_rows, plan.group, rows, columns),
               schedule.grain / (plan.group_rows * codegen::host_tile_columns(plan.group)));
  const std::int64_t grain = schedule.grain / std::max<std::int64_t>(columns, 1); // rows
  if (!plan.after_rows)
    return run(0, rows, grain);
  const std::int64_t strands = codegen::strands_of(rows);
  run(0, strands, strands > 0 ? grain * strands / rows : 1);
  constexpr std::int64_t kColumns = 512; // a task, whose strands lie in the cache of its core
  if (columns > 0)
    run(1, columns, kColumns);
  else
    run_some(1, 0, 0);
}

} // namespace swage::host
