// tile_geometry.cpp -- which rows and columns each thread of a CUDA block has.
#include "codegen/tile_geometry.hpp"

#include <algorithm>

#include "codegen/schedule_parts.hpp"

namespace swage::codegen {

namespace {

/// Registers that a thread holds values in, at most: as many are left for everything else.
constexpr int kMostWords = 128;
/// Rows whose code is written out, at most, one after the other.
constexpr std::uint32_t kMostRows = 64;
/// Instructions of a thread's tile, at most, that are written out.
constexpr std::size_t kMostCode = 20'000;

} // namespace

bool stores_late(const ir::Kernel& kernel, const Specialization& specialization) noexcept {
  return std::ranges::any_of(specialization.tensors, &TensorSpec::aliased) ||
         std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
           return param.kind == ir::ParamKind::inout;
         });
}

TileGeometry make_tile_geometry(const ir::Kernel& kernel, const TilePlan& plan,
                                const Specialization& specialization,
                                const CudaSchedule& schedule) {
  TileGeometry geometry;
  geometry.vector = std::max(schedule.access_bytes / widest_element(kernel), 1);
  geometry.warps = std::max(schedule.row_threads / 32, 1);
  const std::uint32_t own_rows = plan.rows / static_cast<std::uint32_t>(geometry.warps);
  geometry.own_rows = static_cast<int>(own_rows);
  geometry.rows = static_cast<int>(
      std::min(static_cast<std::uint32_t>(std::max(schedule.accesses, 1)), own_rows));
  geometry.whole = geometry.rows == geometry.own_rows;
  if (plan.passes() == 1)
    return geometry;
  const auto rows = static_cast<int>(std::min(own_rows, kMostRows + 1));
  int words = 0;
  for (const ir::NodeId id :
       passed_on(kernel, plan, stores_late(kernel, specialization), geometry.warps,
                 std::vector<bool>(kernel.nodes().size(), true))) {
    const bool by_element = kernel.node(id).space.broadcast == ir::Broadcast::none;
    const int bytes = held_bytes(kernel, id) * (by_element ? geometry.vector : 1);
    words += rows * ((bytes + 3) / 4);
  }
  const std::size_t code =
      cuda_instructions(kernel) * static_cast<std::size_t>(rows * geometry.vector);
  geometry.held = own_rows <= kMostRows && words <= kMostWords && code <= kMostCode;
  geometry.whole = geometry.whole || geometry.held;
  geometry.held_words = geometry.held ? words : 0;
  return geometry;
}

std::int64_t tile_shared_bytes(const ir::Kernel& kernel, const TilePlan& plan,
                               const TileGeometry& geometry) noexcept {
  std::int64_t bytes = 0;
  for (const auto& reductions : plan.reductions)
    for (const ir::NodeId id : reductions)
      bytes += size_of(kernel.node(id).type);
  return geometry.warps == 1 ? 0 : bytes * geometry.warps * geometry.columns();
}

std::int64_t tile_blocks(const CudaSchedule& schedule, int vector, std::int64_t groups,
                         std::int64_t columns) noexcept {
  const std::int64_t tile = std::int64_t{32} * vector;
  const std::int64_t tiles = groups * ((columns + tile - 1) / tile);
  const std::int64_t of_block = schedule.threads / schedule.row_threads;
  return (tiles + of_block - 1) / of_block;
}

} // namespace swage::codegen
