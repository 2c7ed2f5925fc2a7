// tile_geometry.hpp -- which rows and columns each thread of a CUDA block has, of kernels with
// groups of rows.
//
// A warp has a tile: the n rows of a group and 32 times `vector` neighbouring columns. Each of its
// threads has `vector` of them and goes down the rows, so what is reduced down a column is found
// without an exchange, and what is reduced over groups of columns by shuffles. A block has as many
// tiles as warps, which follow one another along the rows.
//
// Or all warps of a block share a tile: each goes down some of its rows, holds them, and gives the
// others what it has of each column through shared memory. So a thread holds less, and more of
// them hide each other's waiting.
#pragma once

#include <cstdint>

#include "codegen/schedule.hpp"
#include "codegen/tile_plan.hpp"

namespace swage::codegen {

struct TileGeometry {
  int vector = 1;     ///< neighbouring columns of a thread
  int warps = 1;      ///< that share a tile
  int own_rows = 1;   ///< of a warp, of each tile
  int rows = 1;       ///< that are loaded together
  bool held = false;  ///< later passes take what they need from registers; else all is read anew
  bool whole = false; ///< no loop over the rows: they are few, or held
  int held_words = 0; ///< registers that hold something from one pass to the next

  int columns() const noexcept { return 32 * vector; } ///< of a tile
};

TileGeometry make_tile_geometry(const ir::Kernel& kernel, const TilePlan& plan,
                                const Specialization& specialization, const CudaSchedule& schedule);

/// Bytes of shared memory through which the warps of a tile meet.
std::int64_t tile_shared_bytes(const ir::Kernel& kernel, const TilePlan& plan,
                               const TileGeometry& geometry) noexcept;

/// Blocks of a grid over `groups` groups of rows.
std::int64_t tile_blocks(const CudaSchedule& schedule, int vector, std::int64_t groups,
                         std::int64_t columns) noexcept;

/// Whether stores wait for the last pass: something that is written is also read in this call.
bool stores_late(const ir::Kernel& kernel, const Specialization& specialization) noexcept;

} // namespace swage::codegen
