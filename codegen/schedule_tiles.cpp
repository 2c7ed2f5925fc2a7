// schedule_tiles.cpp -- CUDA schedules of kernels with groups of rows: legal range, default, space.
#include "codegen/schedule_tiles.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "codegen/schedule_parts.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

constexpr int kRegisters = 65536;               ///< of a multiprocessor
constexpr std::int64_t kSharedBytes = 48 << 10; ///< of a block, without asking for more

} // namespace

void TileSchedules::check(const CudaSchedule& schedule) const {
  if (schedule.row_threads != kWarp)
    check_shared(schedule);
  if (schedule.waves != 0)
    refuse_schedule(fmt::format("grid={} is not 'once', which kernels with groups of rows take",
                                schedule.waves));
  if (schedule.ahead)
    refuse_schedule(fmt::format("ahead=1 is for kernels that sum over their rows, or reduce them; "
                                "'{}' takes 0",
                                kernel_.name()));
  const TileGeometry geometry = this->geometry(schedule);
  const auto group = static_cast<int>(plan_.group);
  if (group > 0 && (geometry.vector > group || kWarp * geometry.vector < group))
    refuse_schedule(fmt::format("bytes={} make accesses of {} columns; groups of {} columns take "
                                "those of {} to {}",
                                schedule.access_bytes, geometry.vector, group,
                                std::max((group + kWarp - 1) / kWarp, 1), group));
  if (!geometry.whole && geometry.rows % 2 != 0 && stores_transposed(true))
    refuse_schedule(fmt::format("accesses={} is odd, and two rows of a transposed output of '{}' "
                                "share a byte; take 2 or more",
                                schedule.accesses, kernel_.name()));
  const auto elements = static_cast<std::size_t>(geometry.vector * geometry.rows);
  const auto passes = static_cast<std::size_t>(plan_.passes());
  if (elements > 1 && elements * passes * cuda_instructions(kernel_) > kMaxCudaInstructions)
    refuse_schedule(fmt::format("bytes={} accesses={} make too much code of a kernel this long; "
                                "take less of either",
                                schedule.access_bytes, schedule.accesses));
}

/// Of tiles that several warps share.
void TileSchedules::check_shared(const CudaSchedule& schedule) const {
  const int warps = schedule.row_threads / kWarp;
  if (schedule.row_threads != schedule.threads || warps * kWarp != schedule.row_threads ||
      warps > 8 || !std::has_single_bit(static_cast<unsigned>(std::max(warps, 1))))
    refuse_schedule(fmt::format(
        "row={} is not 32, the threads that have the columns of a tile of a kernel with groups of "
        "rows, and not 64, 128 or 256 threads of a block of as many, whose warps share a tile",
        schedule.row_threads));
  if (plan_.rows % static_cast<std::uint32_t>(warps) != 0)
    refuse_schedule(fmt::format("row={} are {} warps that share a group of {} rows, which they do "
                                "not divide; take row=32",
                                schedule.row_threads, warps, plan_.rows));
  for (const auto& reductions : plan_.reductions)
    for (const ir::NodeId id : reductions)
      if (const ir::Node& node = kernel_.node(id); !ir::is_extreme(node.op) && is_float(node.type))
        refuse_schedule(fmt::format("row={} gives a group of rows to several warps, and '{}' adds "
                                    "them in their order; take row=32",
                                    schedule.row_threads, kernel_.name()));
  const TileGeometry geometry = this->geometry(schedule);
  if (plan_.passes() == 1 || !geometry.held)
    refuse_schedule(fmt::format("row={} is for warps that share a tile and hold its rows for a "
                                "second look; take row=32{}",
                                schedule.row_threads,
                                plan_.passes() == 1 ? "" : ", or less of bytes"));
  if (plan_.group == 0 && geometry.vector > least_access(kernel_) / widest_element(kernel_) &&
      !specialization_.exact)
    refuse_schedule(fmt::format("row={} is for columns that are a multiple of an access; take "
                                "row=32",
                                schedule.row_threads));
  if (stores_transposed(true) && geometry.own_rows % 2 != 0)
    refuse_schedule(fmt::format("row={} gives each warp an odd number of rows, and two rows of a "
                                "transposed output of '{}' share a byte; take less",
                                schedule.row_threads, kernel_.name()));
  if (tile_shared_bytes(kernel_, plan_, geometry) > kSharedBytes)
    refuse_schedule(fmt::format("row={} bytes={} take more than {} bytes of shared memory; take "
                                "less of either",
                                schedule.row_threads, schedule.access_bytes, kSharedBytes));
}

bool TileSchedules::is_legal(const CudaSchedule& schedule) const {
  try {
    check(schedule);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool TileSchedules::stores_transposed(bool packed) const {
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel_.params())
    if (param.is_tensor() && specialization_.tensors.at(tensor++).layout == Layout::column_major &&
        (!packed || is_packed(param.dtype)) && param.is_written())
      return true;
  return false;
}

bool TileSchedules::packs() const {
  return stores_packed_elements(kernel_);
}

int TileSchedules::registers(const CudaSchedule& schedule) const {
  const TileGeometry geometry = this->geometry(schedule);
  int tensors = 0, gathered = 0, columns = 0, most = 4, loaded = 0;
  std::size_t tensor = 0;
  bool functions = false; // polynomials
  for (const ir::Param& param : kernel_.params()) {
    if (!param.is_tensor())
      continue;
    const bool transposed = specialization_.tensors.at(tensor++).layout == Layout::column_major;
    ++tensors;
    if (param.broadcast == ir::Broadcast::per_column ||
        (param.broadcast == ir::Broadcast::per_column_group && param.is_read()))
      columns += std::max(size_of(param.dtype), 4);
    if (transposed && param.is_written()) // as many rows as an access has, a row in each word
      gathered += std::min(16 / size_of(param.dtype), static_cast<int>(plan_.rows)) *
                  ((size_of(param.dtype) * geometry.vector + 3) / 4 + (geometry.vector > 2));
    if (param.is_read() && param.broadcast == ir::Broadcast::none)
      loaded += geometry.rows * geometry.vector * std::max(size_of(param.dtype), 4) / 4;
  }
  for (const ir::Node& node : kernel_.nodes()) {
    most = std::max(most, size_of(node.type));
    functions |= instructions(node) >= 16;
  }
  for (const ir::NodeId id : plan_.values)
    columns += std::max(size_of(kernel_.node(id).type), 4);
  // Where there are no instructions for it bf16 and floats of 8 bits are rounded in integers.
  const int by_hand = target_.sm < 80   ? 8 + 24 * geometry.vector
                      : target_.sm < 89 ? 24 * geometry.vector
                                        : 0;
  return geometry.held_words + loaded + gathered + geometry.vector * columns / 4 + 2 * tensors +
         2 * geometry.vector * most / 4 + by_hand + (functions ? 8 : 0) + 10;
}

// To the nearest step: the estimate is high more often than low (MXFP8 along both dimensions,
// 8192x14336 on an H200: 168 us where 384 threads were taken for 256, 149 where they are for 512).
int TileSchedules::resident(const CudaSchedule& schedule) const {
  constexpr int kStep = 256;
  const int threads = kRegisters / registers(schedule);
  return std::clamp((threads + kStep / 2) / kStep * kStep, kStep,
                    std::min(resident_threads(target_), 1536));
}

int TileSchedules::rows_together() const {
  constexpr int kBytes = 16; // of a store down a column
  int rows = 8;
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel_.params())
    if (param.is_tensor() && specialization_.tensors.at(tensor++).layout == Layout::column_major &&
        param.is_written())
      rows = std::max(rows, kBytes / size_of(param.dtype));
  while (rows > 1 && static_cast<std::uint32_t>(rows) > plan_.rows)
    rows /= 2;
  return rows;
}

// 8192x14336 on an H200, us, beside the best of one warp a tile: SwiGLU in MXFP8 along both
// dimensions 197 for 311, its gradient 388 for 1078, in MXFP4 307 for 442; with the codes along
// columns transposed, 16 of which a thread then stores at once, 247 for 393, 545 for 1128; along
// columns alone 154 for 165, in MXFP4 193 for 200. Few tiles have more warps each or fewer columns,
// transposed ones all of their rows at once (SwiGLU in MXFP8 of 512x4096: 6.0 for 10.3, transposed
// 7.4 for 10.9, along columns alone 4.5 for 5.5).
std::optional<TileSchedules::SharedTile>
TileSchedules::usual_shared_tile(std::int64_t elements) const {
  constexpr std::int64_t kFewElements = std::int64_t{132} * 4 * 32 * 256; // four blocks each
  constexpr std::int64_t kMoreElements = std::int64_t{1} << 24, kManyElements = kMoreElements << 1;
  const auto inputs = std::ranges::count_if(kernel_.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none;
  });
  const bool few = elements < kFewElements && plan_.rows % 8 == 0;
  const bool codes = packs(), one_input = inputs == 1, alone = plan_.group == 0;
  if (stores_transposed()) {
    // A warp a tile is better for codes of four bits of one input (240 us for 255), and for many
    // codes along columns alone (177 for 236; of 512x14336, which are few, 14.3 shared for 15.7).
    if ((codes && (one_input || alone)) || (alone && elements >= kManyElements))
      return std::nullopt;
    if (alone)
      return SharedTile{2, 2, 2, 8, 512};
    if (few)
      return SharedTile{2, 2, 2, 16, 512};
    return elements < kMoreElements ? SharedTile{2, 4, 4, 16, 512} : SharedTile{2, 4, 4, 4, 768};
  }
  if (!alone)
    return few ? SharedTile{8, 4, 4, 4, 768} : SharedTile{4, 8, 4, 4, 768};
  if (!codes)
    return few ? SharedTile{4, 2, 2, 2, 1024} : SharedTile{4, 4, 2, 4, 1024};
  if (!one_input)
    return SharedTile{4, 4, 2, 4, 1024};
  // Of many a warp a tile is better (94 us for 97).
  return elements < kMoreElements ? std::optional(SharedTile{2, 4, 2, 4, 1024}) : std::nullopt;
}

std::optional<CudaSchedule> TileSchedules::usual_shared(std::int64_t elements) const {
  constexpr int kMostHeld = 64, kFewWords = 32;
  constexpr int kOfValue = 20; // registers for each value that is reduced, and for codes of 4 bits
  const std::optional<SharedTile> tile = usual_shared_tile(elements);
  if (!tile)
    return std::nullopt;
  const int element = widest_element(kernel_);
  const bool transposed = stores_transposed(), alone = plan_.group == 0;
  // GPUs before that round and widen floats of 8 and 16 bits in integers, some or all.
  int values = (packs() && !alone) + (target_.sm < 90 ? 2 : 0);
  for (const auto& reductions : plan_.reductions)
    values += static_cast<int>(reductions.size());
  CudaSchedule schedule;
  schedule.threads = schedule.row_threads = tile->warps * kWarp;
  schedule.dependent_launch = usual_dependent(target_);
  // Codes of four bits take many registers, so fewer of them at a time where that is four still.
  for (const int most : {packs() ? kFewWords : kMostHeld, kMostHeld, 2 * kMostHeld})
    for (int columns = tile->most_columns; columns >= tile->least_columns; columns /= 2) {
      schedule.access_bytes = columns * element;
      schedule.accesses = most > kMostHeld ? std::max(tile->rows, 8) : tile->rows;
      if (schedule.access_bytes > 16 ||
          4 * narrowest_alignment(kernel_, specialization_) < schedule.access_bytes ||
          (most > kMostHeld && !transposed) || !is_legal(schedule) ||
          geometry(schedule).held_words > most)
        continue;
      while (is_alike(schedule))
        schedule.accesses /= 2;
      const int held = geometry(schedule).held_words;
      schedule.resident =
          std::clamp(kRegisters / (held + kOfValue * values) / 256 * 256, 256,
                     std::min(tile->resident, resident_threads(target_) / 256 * 256));
      return schedule;
    }
  return std::nullopt;
}

CudaSchedule TileSchedules::usual(std::int64_t elements) const {
  if (const auto shared = usual_shared(elements))
    return *shared;
  constexpr int kColumns = 4, kMostHeld = 168, kMostOfBlocks = 240, kMostOfCodes = 190;
  const int element = widest_element(kernel_);
  const int least = least_access(kernel_) / element; // columns, and rows, that share a byte
  const int aligned = narrowest_alignment(kernel_, specialization_);
  CudaSchedule schedule;
  // Codes of four bits on an H200, 8192x14336: 5 to 15 % less time with twice the threads.
  schedule.threads = packs() ? 256 : 128;
  schedule.row_threads = kWarp;
  schedule.dependent_launch = usual_dependent(target_);
  const auto with = [&](int columns, int rows) {
    schedule.access_bytes = columns * element;
    schedule.accesses = rows;
    schedule.resident = resident(schedule);
    return is_legal(schedule);
  };
  const int widest = std::min({16 / element, kColumns, affordable_elements(kernel_)});
  // What is held is read once; of wide values fewer columns are. So few rows on their way at once
  // leave registers for twice the threads.
  const auto holds = [&](int most) {
    for (int columns = std::max(widest, least); columns >= least; columns /= 2)
      for (const int together : {8, 4})
        if (4 * aligned >= columns * element &&
            with(columns, std::min(rows_together(), together)) && geometry(schedule).held &&
            registers(schedule) <= most)
          return true;
    return false;
  };
  if (plan_.passes() > 1 && holds(kMostHeld))
    return schedule;
  // Half as many threads that hold what they read (SwiGLU's gradient in MXFP8 along both
  // dimensions, 8192x14336 on an H200: 1.1 ms, with what is read anew 2.1).
  if (plan_.passes() > 1 && !packs() && holds(kMostOfBlocks))
    return schedule;
  for (int columns = std::max(widest, least); columns >= least; columns /= 2)
    for (int rows = rows_together(); rows >= 1 && 4 * aligned >= columns * element; rows /= 2)
      if (with(columns, rows) && registers(schedule) <= (packs() ? kMostOfCodes : kMostHeld))
        return schedule;
  // Wide groups of columns take more of them at a time, long kernels fewer rows.
  for (int columns = least; columns * element <= 16; columns *= 2)
    for (int rows = rows_together(); rows >= 1; rows /= 2)
      if (with(columns, rows))
        return schedule;
  with(least, least);
  return schedule;
}

/// Whether fewer accesses are as many rows, all that a warp has.
bool TileSchedules::is_alike(const CudaSchedule& schedule) const {
  return schedule.row_threads > kWarp && schedule.accesses / 2 >= geometry(schedule).own_rows;
}

} // namespace swage::codegen
