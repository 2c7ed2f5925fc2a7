// schedule_parts.hpp -- what the schedules of elements, rows and tiles share, and facts of kernels
// that lowering and the tuner ask too.
#pragma once

#include <string>
#include <vector>

#include "codegen/schedule.hpp"

namespace swage::codegen {

/// Throws Error(invalid_argument).
[[noreturn]] void refuse_schedule(std::string message);

/// Bytes of the widest tensor element; of kernels that work row by row, of the tensors that have a
/// value an element, if there is one.
int widest_element(const ir::Kernel& kernel);
/// Bytes of the narrowest access: of the widest element, of two where elements share bytes.
int least_access(const ir::Kernel& kernel);
/// Whether there are reductions of groups of columns, and none of groups of rows.
bool reduces_groups(const ir::Kernel& kernel);
/// Whether an output of elements has two of them to a byte.
bool stores_packed_elements(const ir::Kernel& kernel);
/// Bytes: what one instruction moves; of kernels that reduce groups two, for threads with more
/// columns of a group spare exchanges.
int widest_access(const ir::Kernel& kernel, const Target& target);
inline constexpr int kWidestOfGroups = 32; ///< also what one instruction moves from sm_100 on

/// Neighbouring threads, not neighbouring lanes, should touch neighbouring elements where most
/// tensors have no unit stride along the columns.
bool mostly_strided(const Specialization& specialization);

/// The largest power of two of elements whose straight-line code stays within the budget.
int affordable_elements(const ir::Kernel& kernel);

/// Bytes that every row of every contiguous tensor is aligned to.
int narrowest_alignment(const ir::Kernel& kernel, const Specialization& specialization);

/// Elements of every contiguous tensor that one instruction may read or write, as they lie: an
/// access of more is split.
int aligned_elements(const ir::Kernel& kernel, const Specialization& specialization);

/// Of a schedule of rows, `resident` for two thirds of the threads at once, which have registers
/// for more: the assembler orders instructions otherwise then, which is worth up to a tenth of the
/// time.
int resident_with_more_registers(const CudaSchedule& schedule);

/// Whether blocks of the next launch, if that is dependent, may wait while this one's work.
inline bool lets_next_wait(DependentLaunch how) noexcept {
  return how == DependentLaunch::at_start || how == DependentLaunch::after_wait;
}

/// Whether what a thread loads is known before it waits for anything, see CudaSchedule::fetch.
bool can_fetch(const CudaSchedule& schedule, const ir::Kernel& kernel,
               const Specialization& specialization);
/// Throws Error(invalid_argument) where it is not.
void check_fetch(const CudaSchedule& schedule, const ir::Kernel& kernel,
                 const Specialization& specialization);
/// Makes a default schedule one that fetches where that is good by default, for `elements` elements
/// in all, and says how launches follow then.
void fetch_early(CudaSchedule& schedule, const ir::Kernel& kernel,
                 const Specialization& specialization, std::int64_t elements);

/// Where launches can be dependent they are, from the start: 25 to 35 % less time up to 16 rows.
inline DependentLaunch usual_dependent(const Target& target) noexcept {
  return target.sm >= 90 ? DependentLaunch::at_start : DependentLaunch::none;
}

/// Whether the space of schedules has this one with several numbers of registers: of rows of which
/// nothing but groups is reduced, blocks whose threads have much in one access; not of gradients,
/// which have three inputs: they spill soon, and take long to compile.
bool comes_with_registers(const CudaSchedule& schedule, const ir::Kernel& kernel);

/// Tensors of elements that are read.
int element_inputs(const ir::Kernel& kernel) noexcept;
/// Bytes that are read of these, for each element.
int bytes_of_inputs(const ir::Kernel& kernel) noexcept;

/// Tensors of elements that are read plus those that are written.
int streams(const ir::Kernel& kernel) noexcept;

/// Threads that a multiprocessor should hold, for blocks of so many. On an H200 what had to be
/// spilled to hold 1536 cost 2 % (six streams of 16-bit elements) and to hold 2048 a third; without
/// spills 1536 were as fast as any number, but in blocks of 1024, of which only 2048 are two: one
/// alone cost 15 %.
int default_resident(const ir::Kernel& kernel, const Target& target, int threads);

/// Lanes that fill one vector register with the widest type that is computed in.
int natural_lanes(const ir::Kernel& kernel, const Target& target);

} // namespace swage::codegen
