// classify.cpp -- from the arguments of a call to what is known about it.
#include "runtime/launch/classify.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "runtime/launch/arguments_check.hpp"
#include "runtime/launch/collapse.hpp"
#include "runtime/launch/overlap.hpp"
#include "runtime/launch/valid_rows.hpp"

namespace swage::launch {

namespace {

using codegen::Layout;
__extension__ using Wide = __int128;

/// Above this a 32-bit index might overflow in the last block of a grid: 1024 threads of 8 accesses
/// of 32 elements lie past the end at most.
constexpr std::int64_t kIndexLimit = (std::int64_t{1} << 31) - (std::int64_t{1} << 19);

/// What is gathered of each tensor while a call is classified. Without initial values: to set all
/// 64 costs as much as to classify three.
struct Working {
  struct Spec {
    Layout layout;
    bool aliased;
    std::uint8_t partner;
  };
  const Tensor* views[ir::kMaxParams];
  Region regions[ir::kMaxParams];
  Spec specs[ir::kMaxParams];
};
static_assert(std::is_trivially_default_constructible_v<Working>);

bool has_rows(const Signature& signature, const Tensor* const* views) {
  const Tensor& full = *views[signature.shape_of];
  for (int i = 0; i + 1 < full.rank; ++i)
    if (full.shape[i] == 0)
      return false;
  return true;
}

/// The common case, decided by comparisons alone: every tensor is dense and row-major.
bool all_contiguous(const Signature& signature, const Tensor* const* views) {
  if (signature.broadcasts)
    return false;
  const Tensor& full = *views[0];
  std::int64_t dense[kMaxRank];
  std::int64_t stride = 1;
  for (int i = full.rank - 1; i >= 0; --i) {
    dense[i] = stride;
    stride *= full.shape[i];
  }
  for (std::size_t t = 0; t < signature.tensors.size(); ++t)
    for (int i = 0; i < full.rank; ++i)
      if (views[t]->strides[i] != dense[i] && full.shape[i] != 1)
        return false;
  return true;
}

Extent extent_of(const Signature& signature, const Tensor* const* views, std::int64_t elements,
                 bool by_rows, Call& call) {
  // Elements that share a byte are neighbours along the last dimension, so columns stay what they
  // are.
  if (by_rows || !all_contiguous(signature, views))
    return collapse(signature, views, by_rows || signature.packed, call);
  for (std::size_t t = 0; t < signature.tensors.size(); ++t) {
    call.tensors[t].row_stride = 0;
    call.tensors[t].column_stride = elements > 1 ? 1 : 0;
  }
  return {1, elements, true};
}

/// Bounds of a strided view, past 64 bits where the strides are absurd: refused then.
std::int64_t set_bounds(const Signature& signature, std::uint8_t param, const TensorCall& call,
                        Region& region) {
  const std::int64_t bytes = region.element_bytes;
  Wide lowest = 0, highest = 0; // elements
  const auto reach = [&](std::int64_t stride, std::int64_t extent) {
    const Wide last = Wide{stride} * std::max<std::int64_t>(extent - 1, 0);
    lowest += std::min<Wide>(last, 0);
    highest += std::max<Wide>(last, 0);
  };
  if (region.spread) [[unlikely]] {
    for (int i = 0; i < region.spread->count(); ++i)
      reach(region.spread->dims[i].stride, region.spread->dims[i].extent);
  } else {
    reach(call.row_stride, region.rows);
    reach(call.column_stride, region.columns);
  }
  const Wide low = Wide{region.base} + lowest * bytes;
  const Wide high = Wide{region.base} + (highest + 1) * bytes;
  if (low < 0 || high > Wide{INT64_MAX} || highest - lowest > Wide{INT64_MAX} / 16) [[unlikely]]
    refuse_range(signature, param);
  region.row_stride = call.row_stride * bytes;
  region.column_stride = call.column_stride * bytes;
  region.low = static_cast<std::uint64_t>(low);
  region.high = static_cast<std::uint64_t>(high);
  return static_cast<std::int64_t>(std::max(highest, -lowest));
}

/// Bounds of one dense run: at most 2^60 elements, so at most 2^63 bytes.
std::int64_t set_dense_bounds(const Signature& signature, std::uint8_t param,
                              const TensorCall& call, Region& region) {
  region.row_stride = 0;
  region.column_stride = call.column_stride * region.element_bytes;
  region.low = region.base;
  region.high = region.base + static_cast<std::uint64_t>(region.columns) *
                                  static_cast<std::uint64_t>(region.element_bytes);
  if (region.high > INT64_MAX || region.high < region.base) [[unlikely]]
    refuse_range(signature, param);
  return region.columns - 1;
}

/// Of a tensor of which nothing is touched.
void set_untouched(Region& region) {
  const std::int64_t bytes = region.element_bytes;
  region = Region{};
  region.element_bytes = bytes;
  region.column_stride = bytes;
  region.rows = 1;
}

/// The rows and columns that a tensor has values for.
Extent own_extent(const ParamInfo& info, const TensorCall& call, const Extent& extent) {
  switch (info.broadcast) {
  case ir::Broadcast::none: break;
  case ir::Broadcast::per_row: return {extent.rows, 1, false};
  case ir::Broadcast::per_column: return {1, extent.columns, false};
  case ir::Broadcast::per_group: return {extent.rows, extent.columns / info.group, false};
  case ir::Broadcast::per_column_group: return {extent.rows / info.group, extent.columns, false};
  case ir::Broadcast::per_tensor: return {1, 1, false};
  case ir::Broadcast::table: return {1, call.length, false};
  }
  return extent;
}

/// The bytes of `own` rows and columns; returns the largest magnitude of an offset.
std::int64_t set_region_of(const Signature& signature, std::size_t t, const Extent& own,
                           const TensorCall& call, const ViewDims* spread, Region& region) {
  const std::uint8_t param = signature.tensors[t];
  region.rows = own.rows;
  region.columns = own.columns;
  region.spread = spread;
  const bool dense =
      !spread && region.rows == 1 && (call.column_stride == 1 || region.columns == 1);
  return dense ? set_dense_bounds(signature, param, call, region)
               : set_bounds(signature, param, call, region);
}

/// The bytes a tensor covers, byte by byte where two elements share one. Refuses null, misaligned
/// addresses and offsets past 63 bits. Returns the largest magnitude of an element offset.
std::int64_t set_region(const Signature& signature, std::size_t t, const Extent& extent,
                        const TensorCall& call, const ViewDims* spread, Region& region) {
  const std::uint8_t param = signature.tensors[t];
  const ParamInfo& info = signature.params[param];
  region.base = reinterpret_cast<std::uintptr_t>(call.data);
  region.element_bytes = size_of(info.dtype);
  Extent own = own_extent(info, call, extent);
  if (own.rows == 0 || own.columns == 0) [[unlikely]] {
    set_untouched(region);
    return 0;
  }
  if (region.base == 0 || (region.base & static_cast<std::uint64_t>(region.element_bytes - 1)) != 0)
      [[unlikely]]
    refuse_address(signature, param, region.base);
  if (is_packed(info.dtype)) [[unlikely]] {
    TensorCall bytes = call;
    const bool by_rows = call.column_stride != 1; // two rows share a byte
    (by_rows ? bytes.column_stride : bytes.row_stride) /= 2;
    (by_rows ? own.rows : own.columns) /= 2;
    return 2 * set_region_of(signature, t, own, bytes, spread, region) + 1;
  }
  const std::int64_t reach = set_region_of(signature, t, own, call, spread, region);
  // Offsets within a table have 64 bits whatever the others have.
  return info.broadcast == ir::Broadcast::table ? 0 : reach;
}

Layout layout_of(const Signature& signature, const ParamInfo& info, const TensorCall& call,
                 std::int64_t columns) {
  const bool unit = call.column_stride == 1 || columns == 1;
  switch (info.broadcast) {
  case ir::Broadcast::per_row: return Layout::per_row;
  case ir::Broadcast::per_column: return unit ? Layout::per_column : Layout::per_column_strided;
  case ir::Broadcast::per_group: return Layout::per_group;
  case ir::Broadcast::per_tensor: return Layout::per_tensor;
  case ir::Broadcast::table: return Layout::table;
  case ir::Broadcast::per_column_group:
    return unit && call.spread < 0 ? Layout::per_column_group : Layout::per_column_group_strided;
  case ir::Broadcast::none: break;
  }
  if (!unit && signature.group_rows > 0 && call.row_stride == 1)
    return Layout::column_major;
  if (is_packed(info.dtype)) // any other strides are those of no elements
    return Layout::unit;
  return unit ? Layout::unit : Layout::strided;
}

/// Two tensors that alternate element by element are read, or written, as one.
bool are_halves(const Signature& signature, const Working& work, std::size_t even,
                std::size_t odd) {
  const ParamInfo& a = signature.params[signature.tensors[even]];
  const ParamInfo& b = signature.params[signature.tensors[odd]];
  const Region& r = work.regions[even];
  const Region& s = work.regions[odd];
  return a.kind == b.kind && a.dtype == b.dtype && r.column_stride == s.column_stride &&
         r.row_stride == s.row_stride &&
         s.base - r.base == static_cast<std::uint64_t>(r.element_bytes);
}

void pair_interleaved(const Signature& signature, Working& work) {
  const std::size_t tensors = signature.tensors.size();
  const auto is_candidate = [&](std::size_t t) {
    return work.specs[t].layout == Layout::strided &&
           work.regions[t].column_stride == 2 * work.regions[t].element_bytes;
  };
  for (std::size_t even = 0; even < tensors; ++even)
    for (std::size_t odd = 0; odd < tensors && is_candidate(even); ++odd)
      if (odd != even && is_candidate(odd) && are_halves(signature, work, even, odd)) {
        work.specs[even].layout = Layout::interleaved_even;
        work.specs[even].partner = signature.tensors[odd];
        work.specs[odd].layout = Layout::interleaved_odd;
        work.specs[odd].partner = signature.tensors[even];
      }
}

/// log2 of the alignment of the first element of every row, or column, or of one element where
/// nothing wider is accessed.
std::uint8_t alignment(const Region& region, Layout layout, int limit) {
  const int element = std::countr_zero(static_cast<std::uint64_t>(region.element_bytes));
  if (layout == Layout::strided || layout == Layout::per_row ||
      layout == Layout::per_column_strided || layout == Layout::interleaved_odd ||
      layout == Layout::per_group || layout == Layout::per_tensor || layout == Layout::table ||
      layout == Layout::per_column_group_strided)
    return static_cast<std::uint8_t>(element);
  const std::int64_t step =
      layout == Layout::column_major ? region.column_stride : region.row_stride;
  const std::uint64_t bits = region.base | static_cast<std::uint64_t>(step);
  return static_cast<std::uint8_t>(std::max(element, std::min(std::countr_zero(bits), limit)));
}

/// Checks every written tensor against all others and marks inputs that are overwritten. Returns
/// whether any is.
bool check_overlaps(const Signature& signature, Working& work) {
  bool any_aliased = false;
  const std::size_t tensors = signature.tensors.size();
  for (std::size_t w = 0; w < tensors; ++w) {
    if (!signature.params[signature.tensors[w]].is_written)
      continue;
    const Region& written = work.regions[w];
    if (written.spread || written.rows != 1 || written.column_stride != written.element_bytes)
      if (overlaps_itself(written)) [[unlikely]]
        refuse_self_overlap(signature, signature.tensors[w], *work.views[w]);
    for (std::size_t t = 0; t < tensors; ++t) {
      if (t == w || are_apart(work.regions[w], work.regions[t])) [[likely]]
        continue;
      const Relation found = relation(work.regions[w], work.regions[t]);
      if (found == Relation::disjoint)
        continue;
      const ParamInfo& other = signature.params[signature.tensors[t]];
      // What has another space, or is a table, is read where others write, or after they have.
      if (found == Relation::overlapping || other.is_written ||
          other.space() != signature.params[signature.tensors[w]].space())
        refuse_overlap(signature, signature.tensors[w], signature.tensors[t]);
      if (signature.group_rows > 0 &&
          signature.params[signature.tensors[w]].broadcast == ir::Broadcast::per_row)
        refuse_row_overwritten(signature, signature.tensors[w], signature.tensors[t]);
      work.specs[t].aliased = true;
      any_aliased = true;
    }
  }
  return any_aliased;
}

/// Counts are read while outputs are written.
void check_apart(const Signature& signature, const Working& work, const Tensor& valid_rows,
                 const RowCounts& counts) {
  Region region{};
  region.base = region.low = reinterpret_cast<std::uintptr_t>(valid_rows.data);
  region.rows = 1;
  region.columns = counts.count;
  region.element_bytes = region.column_stride = size_of(valid_rows.dtype);
  region.high = region.low + static_cast<std::uint64_t>(counts.count * region.element_bytes);
  for (std::size_t t = 0; t < signature.tensors.size(); ++t)
    if (signature.params[signature.tensors[t]].is_written &&
        relation(work.regions[t], region) != Relation::disjoint)
      refuse_counts_written(signature, signature.tensors[t]);
}

/// Then its address is not looked at.
bool has_no_elements(const Tensor& view) {
  return std::find(view.shape, view.shape + view.rank, 0) != view.shape + view.rank;
}

/// Whether stores should go past the cache: nothing written was read, so a line need not be fetched
/// at all, and the call touches more than the cache would keep.
bool should_stream(const Signature& signature, bool aliased, std::int64_t elements,
                   std::int64_t cache_bytes) {
  if (cache_bytes == 0 || aliased || signature.updates)
    return false;
  std::int64_t halves = 0; // bytes of two elements
  for (const std::uint8_t param : signature.tensors)
    halves += bytes_of(signature.params[param].dtype, 2);
  return Wide{elements} * halves > Wide{2} * cache_bytes;
}

} // namespace

void classify(const Signature& signature, std::span<const Arg> arguments,
              const device::ClassifyLimits& limits, Call& call, const Tensor* valid_rows) {
  Working work;
  const std::int64_t elements = check_arguments(signature, arguments, work.views, call.scalars);
  call.rows = 1;
  call.columns = elements;
  // Rows of no columns and columns of no rows have sums, too.
  call.empty = elements == 0 && !(signature.writes_rows && has_rows(signature, work.views)) &&
               !signature.writes_columns;
  RowCounts counts;
  if (valid_rows) [[unlikely]]
    counts = check_valid_rows(signature, *valid_rows, *work.views[signature.shape_of]);
  if (call.empty)
    return;

  const std::size_t tensors = signature.tensors.size();
  call.spreads = 0;
  for (std::size_t t = 0; t < tensors; ++t) {
    // Of a call with elements a table alone may have none.
    const bool may_be_empty =
        elements == 0 || signature.params[signature.tensors[t]].broadcast == ir::Broadcast::table;
    call.tensors[t].data =
        may_be_empty && has_no_elements(*work.views[t]) ? nullptr : work.views[t]->data;
    call.tensors[t].spread = -1;
  }
  const Extent extent =
      extent_of(signature, work.views, elements, signature.broadcasts || valid_rows, call);
  call.rows = extent.rows;
  call.columns = extent.columns;

  std::int64_t furthest = elements;
  bool all_unit = true;
  for (std::size_t t = 0; t < tensors; ++t) {
    const ViewDims* spread =
        call.tensors[t].spread < 0 ? nullptr : &call.spread[call.tensors[t].spread];
    const std::int64_t offset =
        set_region(signature, t, extent, call.tensors[t], spread, work.regions[t]);
    furthest = std::max(furthest, offset);
    if (spread) [[unlikely]] // strides of 0 hide what an extent is
      for (int i = 0; i < spread->count(); ++i)
        furthest = std::max(furthest, spread->dims[i].extent);
    const ParamInfo& info = signature.params[signature.tensors[t]];
    work.specs[t] = {layout_of(signature, info, call.tensors[t], extent.columns), false, 0};
    all_unit &= work.specs[t].layout == Layout::unit;
  }
  const bool aliased = check_overlaps(signature, work);
  if (valid_rows) [[unlikely]] {
    check_apart(signature, work, *valid_rows, counts);
    call.valid_rows = valid_rows->data;
    call.batch_rows = counts.batch_rows;
  }
  bool flat = extent.one_run;
  if (!all_unit) {
    pair_interleaved(signature, work);
    for (std::size_t t = 0; t < tensors; ++t)
      flat &= work.specs[t].layout != Layout::strided;
  }

  const bool streaming = should_stream(signature, aliased, elements, limits.cache_bytes);
  call.key.reset(static_cast<int>(tensors));
  call.key.set_call(flat, furthest >= kIndexLimit, limits.exact && extent.columns % 64 == 0,
                    streaming, size_class(std::max<std::int64_t>(elements, 1)));
  if (valid_rows) [[unlikely]]
    call.key.set_valid_rows(counts.kind, valid_rows->dtype == DType::i64);
  if (signature.by_rows && signature.group_rows == 0 && limits.columns)
    call.key.set_columns(extent.columns);
  for (std::size_t t = 0; t < tensors; ++t) {
    const Working::Spec& spec = work.specs[t];
    codegen::TensorSpec known{.layout = spec.layout,
                              .align_log2 =
                                  alignment(work.regions[t], spec.layout, limits.align_log2),
                              .partner = spec.partner,
                              .aliased = spec.aliased};
    if (const int spread = call.tensors[t].spread; spread >= 0) [[unlikely]] {
      known.row_dims = call.spread[spread].rows;
      known.group_dims = call.spread[spread].groups;
    }
    call.key.set_tensor(static_cast<int>(t), known);
  }
}

std::int64_t bytes_moved(const Signature& signature, const Call& call) {
  std::int64_t bytes = 0;
  for (const std::uint8_t param : signature.tensors) {
    const ParamInfo& info = signature.params[param];
    const std::int64_t elements = info.broadcast == ir::Broadcast::per_row      ? call.rows
                                  : info.broadcast == ir::Broadcast::per_column ? call.columns
                                  : info.broadcast == ir::Broadcast::per_tensor ? 1
                                  : info.broadcast == ir::Broadcast::table
                                      ? call.tensors[info.tensor].length
                                  : info.group > 0 ? call.elements() / info.group
                                                   : call.elements();
    bytes += bytes_of(info.dtype, elements) * (int{info.is_read} + int{info.is_written});
  }
  return bytes;
}

} // namespace swage::launch
