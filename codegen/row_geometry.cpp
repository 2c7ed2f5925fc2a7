// row_geometry.cpp -- which columns of a row each thread of a CUDA block has.
#include "codegen/row_geometry.hpp"

#include <algorithm>
#include <bit>

#include "codegen/needed_nodes.hpp"
#include "codegen/row_plan.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

namespace {

constexpr int kLanes = static_cast<int>(ir::kSumLanes);

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Whether there is a reduction along the rows of `kernel` whose order shows.
bool reduces_in_order(const ir::Kernel& kernel) {
  return std::ranges::any_of(kernel.nodes(), [](const ir::Node& node) {
    return ir::info(node.op).form == ir::OpForm::over_row && has_order(node);
  });
}

} // namespace

std::int64_t RowGeometry::offset(int k) const {
  if (!ordered)
    return std::int64_t{k} * step;
  return std::int64_t{k / slabs} * kLanes + std::int64_t{k % slabs} * step;
}

bool RowGeometry::is_always_whole(int k) const {
  if (!held)
    return false;
  if (!ordered)
    return offset(k) + step <= above + 1;
  const std::int64_t first = std::int64_t{runs - 1} * chunks * kLanes * (runs > 1);
  return first + offset(k) + std::min(step, kLanes) <= above + 1;
}

RowGeometry make_row_geometry(const ir::Kernel& kernel, const Specialization& specialization,
                              const CudaSchedule& schedule) {
  RowGeometry geometry;
  geometry.threads = schedule.row_threads;
  geometry.rows = schedule.threads / schedule.row_threads;
  geometry.vector = vector_elements(schedule, kernel);
  geometry.blocks = row_blocks(schedule);
  geometry.step = geometry.threads * geometry.vector * geometry.blocks;
  geometry.runs = std::max(geometry.step / kLanes, 1);
  const std::int64_t bound = specialization.columns_at_most;
  geometry.above = specialization.columns_known ? bound - 1 : bound > 0 ? columns_above(bound) : -1;
  if (bound > 0 && ceil_div(bound, geometry.step) <= schedule.accesses &&
      !reduces_in_order(kernel)) {
    geometry.held = true;
    geometry.ordered = false;
    geometry.chunks = static_cast<int>(ceil_div(bound, geometry.step));
    return geometry;
  }
  const int most = std::max(kLanes / geometry.step, 1); // slabs of a whole pass
  const std::int64_t needed = geometry.runs == 1
                                  ? ceil_div(bound, geometry.step)
                                  : bit_ceil(ceil_div(ceil_div(bound, kLanes), geometry.runs));
  geometry.held = bound > 0 && needed <= schedule.accesses;
  if (geometry.held) {
    geometry.chunks = static_cast<int>(needed);
    geometry.slabs = std::min(most, geometry.chunks);
    return geometry;
  }
  if (bound > 0 && needed < most)
    geometry.slabs = static_cast<int>(bit_ceil(needed));
  else
    geometry.slabs = most;
  geometry.chunks = std::max(geometry.slabs, schedule.accesses);
  return geometry;
}

bool has_order(const ir::Node& reduction) noexcept {
  return !ir::is_extreme(reduction.op) && is_float(reduction.type);
}

int RowGeometry::neighbours() const {
  const int columns = vector * std::min(threads, 32);
  return ordered ? std::min(columns, lanes()) : columns;
}

int RowGeometry::adding_warps() const {
  constexpr int kLanesOfWarp = 128;            // four of a thread, one access of f32
  const bool combines = vector * 32 > lanes(); // a warp has several runs
  return combines ? 1 : std::clamp(lanes() / kLanesOfWarp, 1, warps());
}

bool is_within_warp(const RowGeometry& geometry, std::uint32_t columns) noexcept {
  return std::has_single_bit(columns) &&
         columns <= static_cast<std::uint32_t>(geometry.neighbours());
}

std::optional<std::uint32_t> groups_in_place(const ir::Kernel& kernel,
                                             const Specialization& specialization) {
  const auto by_group = [&](ir::NodeId id) {
    const ir::Node& node = kernel.node(id);
    return ir::is_reduction(node.op) && node.space.broadcast == ir::Broadcast::per_group;
  };
  std::vector<ir::NodeId> reductions;
  for (ir::NodeId id = 0; id < kernel.nodes().size(); ++id)
    if (by_group(id))
      reductions.push_back(id);
  const std::vector<bool> needed =
      needed_nodes(kernel, reductions, [](ir::NodeId) { return true; });
  std::vector<bool> is_reduced(kernel.params().size(), false);
  for (ir::NodeId id = 0; id < needed.size(); ++id)
    if (needed[id] && kernel.node(id).op == ir::Op::load)
      is_reduced[kernel.node(id).param] = true;
  std::size_t tensor = 0;
  for (std::uint32_t p = 0; p < kernel.params().size(); ++p) {
    const ir::Param& param = kernel.params()[p];
    if (!param.is_tensor())
      continue;
    const bool aliased = specialization.tensors.at(tensor++).aliased;
    if ((param.broadcast == ir::Broadcast::per_group && aliased) ||
        (param.broadcast == ir::Broadcast::none && is_reduced[p] &&
         (aliased || (param.is_read() && param.is_written()))))
      return p;
  }
  return std::nullopt;
}

bool holds_bits(const ir::Kernel& kernel, const RowGeometry& geometry) noexcept {
  constexpr int kManyValues = 32;
  int narrow = 0;
  for (const ir::Param& param : kernel.params())
    narrow += param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none &&
              size_of(param.dtype) < 4;
  return geometry.held && narrow * geometry.chunks * geometry.vector > kManyValues;
}

bool stores_single_row(const ir::Kernel& kernel, const Specialization& specialization,
                       const CudaSchedule& schedule) {
  // A row that is left out has no strand that would end.
  const bool takes_all = specialization.valid_rows == ValidRows::all && !kernel.skip();
  return stores_after_rows(kernel) && takes_all &&
         make_row_geometry(kernel, specialization, schedule).held;
}

int bytes_a_column(const ir::Kernel& kernel) noexcept {
  int bytes = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::per_column)
      bytes += size_of(param.dtype);
  return bytes;
}

bool holds_columns(const ir::Kernel& kernel, const RowGeometry& geometry) noexcept {
  constexpr int kFewBytes = 32;
  const int bytes = bytes_a_column(kernel);
  return geometry.held && bytes > 0 && bytes * geometry.chunks * geometry.vector <= kFewBytes;
}

bool loads_columns_early(const ir::Kernel& kernel, const CudaSchedule& schedule) {
  constexpr int kFew = 16;
  return thread_elements(schedule, kernel) <= kFew;
}

std::int64_t exchange_bytes(const RowGeometry& geometry, int bytes) noexcept {
  if (!geometry.ordered || geometry.runs <= 1)
    return 0;
  const int lanes = geometry.blocks == 1 ? geometry.vector
                                         : geometry.neighbours() / std::min(geometry.threads, 32);
  return std::int64_t{geometry.rows} * geometry.threads * lanes * bytes;
}

std::int64_t cluster_bytes(const RowGeometry& geometry) noexcept {
  return geometry.blocks == 1 ? 0 : std::int64_t{geometry.blocks} * geometry.adding_warps() * 8;
}

std::int64_t region_bytes(const RowPlan& plan, const RowGeometry& geometry) noexcept {
  if (geometry.blocks == 1)
    return 0;
  std::size_t most = 0;
  for (const auto& stage : plan.reductions)
    most = std::max(most, stage.size());
  return kArrivalBytes + static_cast<std::int64_t>(most) * cluster_bytes(geometry);
}

std::int64_t held_width(const RowGeometry& geometry) noexcept {
  return std::int64_t{geometry.chunks} * geometry.vector * geometry.threads;
}

std::int64_t terms_offset(const RowPlan& plan, const RowGeometry& geometry,
                          std::size_t sum) noexcept {
  if (geometry.rows == 1)
    return 0;
  constexpr std::int64_t kAligned = 16; // as accesses of several columns need it
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < sum; ++i) {
    const std::int64_t columns = plan.column_sum_for_all[i] ? 1 : held_width(geometry);
    bytes += geometry.rows * plan.column_sum_bytes[i] * columns;
    bytes = (bytes + kAligned - 1) / kAligned * kAligned;
  }
  return bytes;
}

std::int64_t terms_bytes(const RowPlan& plan, const RowGeometry& geometry) noexcept {
  return terms_offset(plan, geometry, plan.column_sums.size());
}

std::int64_t shared_bytes(const RowPlan& plan, const ir::Kernel& kernel,
                          const RowGeometry& geometry) noexcept {
  if (geometry.threads <= 32)
    return terms_bytes(plan, geometry);
  std::int64_t exchange = 0, values = 0;
  for (const auto& stage : plan.reductions) {
    std::int64_t of_stage = 0;
    for (const ir::NodeId id : stage) {
      const int bytes = size_of(kernel.node(id).type);
      exchange = std::max(exchange, exchange_bytes(geometry, bytes));
      of_stage += geometry.rows * geometry.warps() * bit_ceil(geometry.slabs) * 8;
    }
    values = std::max(values, of_stage);
  }
  return exchange + 2 * values + terms_bytes(plan, geometry) +
         cluster_regions(plan) * region_bytes(plan, geometry);
}

} // namespace swage::codegen
