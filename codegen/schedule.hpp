// schedule.hpp -- Schedule, the value that says how a kernel is laid onto the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

enum class LoadPolicy : std::uint8_t {
  automatic, ///< plain ld.global
  read_only, ///< ld.global.nc, where no output aliases the input and the launch is not dependent
  no_l1_allocate, ///< .L1::no_allocate
  streaming,      ///< .cs
  /// .L2::evict_last, of tensors of elements; sm_80 and later. What is read stays in the L2 cache,
  /// so what is written leaves it sooner, and steadily.
  evict_last,
};
/// Whether a launch is dependent (griddepcontrol; sm_90 and later): its blocks may start before the
/// grid before it has ended, for which they wait before they touch memory. And when it lets the
/// next launch start, if that one is dependent. What starts early is there sooner; where a
/// multiprocessor has room for blocks of many grids, they crowd on some.
enum class DependentLaunch : std::uint8_t {
  none,       ///< not dependent; the next may start when all blocks of this one have ended
  at_start,   ///< the next may start when all blocks of this one have: many grids may wait
  after_wait, ///< the same, and when the grid before this one has ended: one grid waits
  at_end,     ///< the next may start when all blocks of this one have ended
};
enum class StorePolicy : std::uint8_t { automatic, streaming /**< .cs */ };

/// One thread handles `accesses` items, each one access of up to `access_bytes` per tensor, that
/// lie a block's width apart so that every warp access is coalesced.
///
/// Kernels that reach along their rows: `row_threads` threads have a row, so a block has so many
/// fewer rows than threads, and a thread holds `accesses` accesses of each tensor of elements in
/// registers. Where that is all of a row, it is read once; else anew for each stage (row_plan.hpp),
/// so many accesses at a time.
///
/// Kernels with groups of rows (tile_geometry.hpp): a warp has the rows of a group and as many
/// columns as its threads access at once, so `row_threads` is 32; `accesses` rows are loaded
/// together. Or all warps of a block share these rows, and `row_threads` are all of its threads.
struct CudaSchedule {
  int threads = 256; ///< threads a block: 32 to 1024, a multiple of 32
  /// Bytes an access of the widest tensor type: a power of two from the size of one element to 16
  /// (32 from sm_100, and of kernels with reductions of groups of columns).
  int access_bytes = 16;
  int accesses = 1; ///< independent items in flight per thread: 1, 2, 4, 8; for rows 16 too
  /// Threads a row: a power of two from 2 to 1024 that divides `threads`; 0 for elementwise
  /// kernels.
  int row_threads = 0;
  /// What is needed later is loaded ahead. Where a row is held, of kernels that store when all rows
  /// are done (RowPlan::after_rows) the next row of a thread, while it computes one; of others what
  /// has one value a column, before the row is reduced, or without any of that all of the row,
  /// before anything is computed of it. Where it is not held, of rows of which nothing but groups
  /// is reduced (RowPlan::apart), the next accesses of a thread.
  bool ahead = false;
  int waves = 0; ///< 0: one pass; else persistent, so many blocks an SM; of rows: blocks a row
  LoadPolicy load = LoadPolicy::automatic;
  StorePolicy store = StorePolicy::automatic;
  DependentLaunch dependent_launch = DependentLaunch::none;
  /// Blocks of a dependent launch ask the L2 cache for what they are to load before they wait: it
  /// comes from memory meanwhile. Of elements in one pass, and of rows that are held. The cache is
  /// where all writes meet, so what the grid before writes is what is loaded after the wait.
  bool fetch = false;
  /// Threads that a multiprocessor holds at once, in whole blocks and at least one: the code is
  /// bound to it (.minnctapersm), so no assembler can take it away. A multiple of 256, at most
  /// `resident_threads` of the target.
  int resident = 1024;
  friend bool operator==(const CudaSchedule&, const CudaSchedule&) = default;
};

struct HostSchedule {
  int lanes = 16;         ///< elements a vector; a power of two, 1 to 64
  int unroll = 1;         ///< vectors in flight an iteration: 1, 2, 4
  bool streaming = false; ///< non-temporal stores
  int grain = 16384;      ///< elements a task; launch-time only, not part of the artifact
  int threads = 0;        ///< at most this many; 0: all; launch-time only
  friend bool operator==(const HostSchedule&, const HostSchedule&) = default;
};

using Schedule = std::variant<HostSchedule, CudaSchedule>;

/// "threads=256 bytes=16 accesses=1 grid=once load=auto store=auto dependent=0 resident=2048", or
/// for the host "lanes=16 unroll=1 store=auto grain=16384 threads=0". Parsing takes any subset of
/// the keys, in any order, separated by spaces or commas, over the default of the target.
std::string canonical(const Schedule& schedule);
/// The representative of all schedules that share `schedule`'s code. Block size (up to the bound of
/// 256 or 1024 threads that registers are allotted for) and the number of waves are read by
/// the code at run time; grain and threads of the host are the launcher's.
Schedule code_schedule(const Schedule& schedule);
/// The canonical line of what the artifact depends on alone, that of `code_schedule`: schedules
/// with equal code lines share one artifact.
std::string code_line(const Schedule& schedule);
/// Throws Error(invalid_argument) that names the keys and the legal values.
Schedule parse_schedule(std::string_view text, const Schedule& base);
/// The same over `base` of `kernel`. Where warps share a tile by default and `text` has other
/// threads and no row, each warp has a tile.
Schedule parse_schedule(std::string_view text, const Schedule& base, const ir::Kernel& kernel);

/// A good schedule without tuning for `elements` elements in all.
Schedule default_schedule(const ir::Kernel& kernel, const Specialization& specialization,
                          const Target& target, std::int64_t elements);

/// Throws Error(invalid_argument) saying which field is out of its legal range for this target.
void check_schedule(const Schedule& schedule, const ir::Kernel& kernel,
                    const Specialization& specialization, const Target& target);

/// Every legal schedule that gives different code or a different launch: the tuner's space.
std::vector<Schedule> all_schedules(const ir::Kernel& kernel, const Specialization& specialization,
                                    const Target& target);

/// Elements an item: access_bytes over the widest tensor element (CUDA), lanes (host).
int vector_elements(const Schedule& schedule, const ir::Kernel& kernel);

/// Elements of a tensor that a thread has at once: of all its accesses (CUDA), or of an iteration's
/// items (host). Of a row that they cover more than once a thread has fewer: RowGeometry::chunks.
int thread_elements(const Schedule& schedule, const ir::Kernel& kernel);

/// Whether a call of so many elements fills most of a GPU's L2 cache, and a third of that or more
/// is written.
bool fills_cache(const ir::Kernel& kernel, std::int64_t elements);
/// Whether default_schedule says which calls read with evict_last, and which fetch what they read
/// before they wait; else that is the tuner's.
inline bool has_default_policy(const Target& target) noexcept {
  return target.sm == 90;
}

/// Instructions that a node comes to, roughly: what the assembler has to do for it.
std::size_t instructions(const ir::Node& node);
/// Of all of `kernel` on a GPU, where the time to compile follows it: functions are inline there,
/// and some are longer than others.
std::size_t cuda_instructions(const ir::Kernel& kernel);
/// The most of them, times the passes over a row.
inline constexpr std::size_t kMaxCudaInstructions = 200'000;

} // namespace swage::codegen
