// executor.hpp -- runs compiled host code over all elements of a call.
#pragma once

#include <cstdint>

#include "codegen/arguments.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/schedule.hpp"

namespace swage::host {

/// Computes elements [begin, end), in row-major order, of the call that `words` describes; see
/// codegen/arguments.hpp.
using HostEntry = void (*)(const std::uint64_t* words, std::int64_t begin, std::int64_t end);
/// The same of code that works row by row.
using HostRowEntry = void (*)(const std::uint64_t* words, std::int64_t begin, std::int64_t end,
                              const codegen::HostRowMemory* memory);

/// Runs `entry` over elements [0, count) and returns when all are done. Ranges of about `grain`
/// elements, aligned to 64 so that neighbours share no cache line of a one-byte type, run on the
/// threads of the caller's oneTBB arena; a call of one range runs on the caller alone. The caller
/// takes up no other work of its arena while it waits, so it may hold locks.
void run_host(const codegen::HostSchedule& schedule, HostEntry entry, const std::uint64_t* words,
              std::int64_t count);

/// The same for code that works row by row: whole rows, or tiles of groups of rows, of about
/// `grain` elements a task. Each thread keeps scratch memory of its own; the workspace of sums over
/// rows lives as long as the call.
void run_host_rows(const codegen::HostSchedule& schedule, HostRowEntry entry,
                   const codegen::RowPlan& plan, const std::uint64_t* words, std::int64_t rows,
                   std::int64_t columns);

} // namespace swage::host
