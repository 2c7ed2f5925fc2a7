// schedule_tiles.hpp -- CUDA schedules of kernels with groups of rows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "codegen/schedule.hpp"
#include "codegen/tile_geometry.hpp"

namespace swage::codegen {

/// The schedules of one kernel and one kind of call. Keeps references to all three.
class TileSchedules {
public:
  TileSchedules(const ir::Kernel& kernel, const Specialization& specialization,
                const Target& target)
      : kernel_(kernel), specialization_(specialization), target_(target),
        plan_(make_tile_plan(kernel)) {}

  /// What a tile takes. Throws Error(invalid_argument), see check_schedule.
  void check(const CudaSchedule& schedule) const;
  /// See default_schedule.
  CudaSchedule usual(std::int64_t elements) const;
  /// See all_schedules.
  std::vector<Schedule> all() const;

private:
  static constexpr int kWarp = 32; ///< threads

  void check_shared(const CudaSchedule& schedule) const;
  bool is_legal(const CudaSchedule& schedule) const;
  bool is_alike(const CudaSchedule& schedule) const;
  TileGeometry geometry(const CudaSchedule& schedule) const {
    return make_tile_geometry(kernel_, plan_, specialization_, schedule);
  }
  /// A tile that warps share: how many do, columns of an access from the first that is legal on,
  /// rows loaded together, and threads of a multiprocessor at most.
  struct SharedTile {
    int warps, most_columns, least_columns, rows, resident;
  };
  /// See `usual`, where warps share a tile.
  std::optional<CudaSchedule> usual_shared(std::int64_t elements) const;
  std::optional<SharedTile> usual_shared_tile(std::int64_t elements) const;
  /// Whether an output lies column by column; `packed`: one of which two rows share a byte.
  bool stores_transposed(bool packed = false) const;
  /// Whether an output of elements has two of them to a byte.
  bool packs() const;
  /// Rows that are loaded together, where nothing else is wanted.
  int rows_together() const;
  /// Registers of a thread, roughly: what it holds, what is on its way from memory, what it has of
  /// each column, and addresses.
  int registers(const CudaSchedule& schedule) const;
  /// Threads that a multiprocessor can hold without spills, as `registers` has it.
  int resident(const CudaSchedule& schedule) const;

  const ir::Kernel& kernel_;
  const Specialization& specialization_;
  const Target& target_;
  const TilePlan plan_;
};

} // namespace swage::codegen
