// candidates_rows.hpp -- which schedules of kernels that reach along their rows are worth
// measuring.
#pragma once

#include "runtime/tune/candidates.hpp"

namespace swage::tune {

/// Whether loads and stores go through the caches as the default's do.
inline bool usual_policy(const codegen::CudaSchedule& schedule,
                         const codegen::CudaSchedule& by_default) {
  return schedule.load == by_default.load && schedule.store == by_default.store;
}

/// Whether rows lie over threads and blocks, and are loaded, alike.
bool has_geometry_of(const codegen::CudaSchedule& schedule, const codegen::CudaSchedule& other);

/// A warp each may have many rows whose tensors leave the cache soon (RMSNorm and LayerNorm of
/// 2048x4096 on an H200, 1 and 4 % less time than what the rest of the search finds).
bool leaves_soon(const codegen::CudaSchedule& schedule, const CandidateInput& input);

/// Places from the likeliest on; negative: not worth a measurement. Every number of threads a row
/// in blocks of 128 threads and of one row, with accesses of the default's width, twice and half of
/// it; cache policies for the default's geometry; what is loaded ahead, the other way, with
/// accesses of the default's width. Where the default holds a row, what reads it again is not worth
/// a try. Rows over several blocks with accesses of the default's width and, where that is full, a
/// few of half of it; of sums over rows, whose blocks are few, large ones, and both ways to load.
int place_rows(const codegen::CudaSchedule& schedule, const codegen::CudaSchedule& by_default,
               const CandidateInput& input);

} // namespace swage::tune
