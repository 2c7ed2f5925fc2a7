// calling_convention.hpp -- the number that decides whether compiled code serves a runtime.
#pragma once

namespace swage::codegen {

/// What compiled code that is kept outside the cache (images embedded in programs, bundles)
/// promises to whoever launches it. It covers, for one kernel line, specialization and schedule
/// line:
///   - the canonical lines themselves (ir, specialization, schedule),
///   - the slots of `argument_slots`: their kinds, order and sizes,
///   - how host code is called (HostRowMemory, ranges, scratch memory and workspace of RowPlan),
///   - the grid, the threads and the workspace that CUDA code expects (launch_shape,
///   totals_blocks),
///   - what host objects may call (runtime/host/code_blob.cpp) and the names of entries,
///   - the format of an image (runtime/embedded/image.hpp).
/// Raise it when any of these changes for code that could be built before; additions, such as a new
/// operation, a schedule key that old lines do not have or a flag that old code lacks, leave it.
/// tests/codegen's calling_convention_test.cpp notices most changes.
inline constexpr unsigned kCallingConvention = 1;

} // namespace swage::codegen
